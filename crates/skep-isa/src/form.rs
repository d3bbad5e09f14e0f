//! What the table says about each instruction, and the two ways through it: slot to [`Insn`] and back.

use crate::insn::{
    AtomicOp, BinaryOp, CallTarget, Condition, Imm64, Insn, Operand, PacketOffset, Reg, Size, SwapKind, Width,
};
use crate::slot::Slot;
use crate::table::for_each_instruction;

/// RFC 9669 conformance group (section 2.4), or who else defined an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// `base32`: must be there.
    Base32,
    /// `base64`: includes `base32`.
    Base64,
    /// `atomic32`
    Atomic32,
    /// `atomic64`: includes `atomic32`.
    Atomic64,
    /// `divmul32`
    DivMul32,
    /// `divmul64`: includes `divmul32`.
    DivMul64,
    /// `packet`, historical.
    Packet,
    /// Not in RFC 9669; defined by Linux.
    Linux,
    /// Not in RFC 9669; the `callx` of compilers and of the conformance suite.
    Callx,
}

/// clang's `-mcpu`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CpuVersion {
    /// The original set.
    V1,
    /// `<` and `<=` jumps.
    V2,
    /// 32-bit jumps, fetching atomics.
    V3,
    /// Sign extension, signed division, `bswap`, `gotol`.
    V4,
}

/// What may stand in a field of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// Anything; for `dst` and `src`: any register from r0 to r10.
    Any,
    /// This number alone. 0 for a reserved field.
    Is(i32),
}

impl Field {
    /// Whether `value` may stand there.
    pub const fn permits(self, value: i32) -> bool {
        match self {
            Field::Any => true,
            Field::Is(number) => number == value,
        }
    }
}

/// One row of the instruction table.
#[derive(Debug)]
pub struct Row {
    /// Which row it is.
    pub form: Form,
    /// First byte of the slot.
    pub opcode: u8,
    /// Destination register.
    pub dst: Field,
    /// Source register or pseudo source.
    pub src: Field,
    /// Offset.
    pub offset: Field,
    /// Immediate.
    pub imm: Field,
    /// Immediate of the second slot, if there is one; its other fields are zero.
    pub second: Option<Field>,
    /// Conformance group.
    pub group: Group,
    /// Lowest `-mcpu` with this encoding.
    pub cpu: CpuVersion,
    /// First version of Linux (major, minor) that runs it.
    pub linux: Option<(u8, u8)>,
    /// Text with placeholders: LLVM's and the kernel's notation.
    pub text: &'static str,
    pub(crate) build: fn(&Fields) -> Insn,
}

/// The fields of an instruction with its registers known to be registers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields {
    pub(crate) dst: Reg,
    pub(crate) src: Reg,
    pub(crate) offset: i16,
    pub(crate) imm: i32,
    pub(crate) next: i32,
}

macro_rules! spec {
    ($number:literal) => {
        Field::Is($number)
    };
    ($name:tt) => {
        Field::Any
    };
}

/// Binds the part of the instruction that a field holds.
macro_rules! bind {
    ($number:literal = $value:expr) => {};
    ($name:ident = $value:expr) => {
        let $name = $value;
    };
    ((unsigned $name:ident) = $value:expr) => {
        let $name = $value as u32;
    };
    ((wide $name:ident) = $value:expr) => {
        let $name = i32::from($value);
    };
    ((low $name:ident) = $value:expr) => {
        let $name = u64::from($value as u32);
    };
    ((high $name:ident) = $value:expr) => {
        let $name = $name | u64::from($value as u32) << 32;
    };
}

/// The inverse of [`bind!`], inside a function that returns an `Option`.
macro_rules! unbind {
    ($number:literal) => {
        $number
    };
    ($name:ident) => {
        $name
    };
    ((unsigned $name:ident)) => {
        $name as i32
    };
    ((wide $name:ident)) => {
        i16::try_from($name).ok()?
    };
    ((low $name:ident)) => {
        $name as u32 as i32
    };
    ((high $name:ident)) => {
        ($name >> 32) as i32
    };
}

/// [`unbind!`] for the register fields.
macro_rules! unbind_reg {
    ($number:literal) => {
        $number
    };
    ($name:ident) => {
        $name.number()
    };
}

macro_rules! version {
    (()) => {
        None
    };
    ($version:tt) => {
        Some($version)
    };
}

macro_rules! option {
    () => {
        None
    };
    ($value:expr) => {
        Some($value)
    };
}

/// Lets the rows name variants without their enums.
macro_rules! short_names {
    () => {
        use BinaryOp::{Add, And, Arsh, Div, Lsh, Mod, Mov, Mul, Or, Rsh, SDiv, SMod, Sub, Xor};
        use CallTarget::{Helper, Kfunc, Subprogram};
        use Condition::{Eq, Ge, Gt, Le, Lt, Ne, SGe, SGt, SLe, SLt, Set};
        use Imm64::{BtfId, Function, MapFd, MapIndex, MapIndexValue, MapValue, Value};
        use Insn::*;
        use Operand::{Imm, Reg};
        use PacketOffset::{Absolute, Indirect};
        use Size::{Byte, Double, Half, Word};
        use SwapKind::{ToBig, ToLittle};
        use Width::{W32, W64};
    };
}

macro_rules! define_forms {
    ($(
        $name:ident $opcode:literal [$dst:tt $src:tt $offset:tt $imm:tt $($next:tt)?]
        $group:ident $cpu:ident $linux:tt $text:literal => { $($insn:tt)+ }
    )*) => {
        /// The number of a table row: an instruction with its operands left open.
        ///
        /// Small and dense, to index dispatch tables with.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Form {
            $(#[doc = concat!("`", $text, "`")] $name,)*
        }

        /// The instruction table, in order of [`Form`].
        pub static INSTRUCTIONS: &[Row] = {
            short_names!();
            &[$(Row {
                form: Form::$name,
                opcode: $opcode,
                dst: spec!($dst),
                src: spec!($src),
                offset: spec!($offset),
                imm: spec!($imm),
                second: option!($(spec!($next))?),
                group: Group::$group,
                cpu: CpuVersion::$cpu,
                linux: version!($linux),
                text: $text,
                build: |_fields| {
                    bind!($dst = _fields.dst);
                    bind!($src = _fields.src);
                    bind!($offset = _fields.offset);
                    bind!($imm = _fields.imm);
                    $(bind!($next = _fields.next);)?
                    $($insn)+
                },
            },)*]
        };

        /// The row of an instruction, its first slot, and the immediate of its second slot.
        pub(crate) fn take_apart(insn: &Insn) -> Option<(Form, Slot, i32)> {
            short_names!();
            match *insn {
                $($($insn)+ => {
                    let _next = 0;
                    $(let _next = unbind!($next);)?
                    let slot = Slot {
                        opcode: $opcode,
                        dst: unbind_reg!($dst),
                        src: unbind_reg!($src),
                        offset: unbind!($offset),
                        imm: unbind!($imm),
                    };
                    Some((Form::$name, slot, _next))
                })*
                _ => None,
            }
        }
    };
}

for_each_instruction!(define_forms);

impl Form {
    /// What the table says about it.
    pub fn row(self) -> &'static Row {
        &INSTRUCTIONS[self as usize]
    }

    /// All of them, in order.
    pub fn all() -> impl ExactSizeIterator<Item = Form> {
        INSTRUCTIONS.iter().map(|row| row.form)
    }
}
