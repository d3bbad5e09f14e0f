//! Classic BPF: the packet filters of `SO_ATTACH_FILTER`, libpcap and seccomp.
//!
//! A classic program has two 32-bit registers, A and X, sixteen 32-bit memory words M\[0\] to M\[15\], jumps only forwards, and
//! reads the packet in network order. A load past the packet's end, or a division by zero, ends it with 0.
//!
//! * [`ClassicInsn`] is Linux's `struct sock_filter`; [`ClassicInsn::operation`] says what it means. One table of the
//!   codes feeds that, the text, the check, the interpreter and the translation.
//! * [`check`] applies Linux's rules. [`run`] and [`translate`] take only a [`Checked`] program, so they meet no bad one.
//! * [`Listing`] is the text of `tcpdump -d`, [`ClassicInsn::read_numbers`] reads that of `tcpdump -ddd`.

mod ancillary;
mod check;
mod interpret;
mod text;
mod translate;

pub use ancillary::{ANCILLARY_OFFSET, Ancillary};
pub use check::{CheckError, CheckErrorReason, Checked, MAX_LEN, check};
pub use interpret::{Packet, run};
pub use text::Listing;
pub use translate::{Context, ContextField, SK_BUFF, Source, TranslateError, Translation, translate};

use crate::insn::{BinaryOp, Condition, Size};

/// One classic instruction: Linux's `struct sock_filter`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClassicInsn {
    /// Class, operation, mode.
    pub code: u16,
    /// Instructions to skip where the condition holds.
    pub jt: u8,
    /// Instructions to skip where it does not.
    pub jf: u8,
    /// Immediate, packet offset, memory word or jump distance.
    pub k: u32,
}

/// Which register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClassicReg {
    /// The accumulator.
    A,
    /// The index register.
    X,
}

/// The second operand: the instruction's `k`, or X.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClassicOperand {
    /// The immediate.
    K,
    /// The index register.
    X,
}

/// What a classic code means. Numbers are in the instruction's `k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClassicOperation {
    /// `A = packet[k]`; beyond [`ANCILLARY_OFFSET`] something other than the packet.
    LoadAbsolute(Size),
    /// `A = packet[X + k]`
    LoadIndirect(Size),
    /// The packet's length.
    LoadLength(ClassicReg),
    /// `k`
    LoadImm(ClassicReg),
    /// `M[k]`
    LoadMemory(ClassicReg),
    /// `X = 4 * (packet[k] & 0xf)`: the length of an IPv4 header.
    LoadHeaderLength,
    /// `M[k] = …`
    Store(ClassicReg),
    /// `A = A op operand`
    Alu(BinaryOp, ClassicOperand),
    /// `A = -A`
    Neg,
    /// Skips `k` instructions.
    Jump,
    /// Compares A with the operand and skips `jt` or `jf` instructions.
    JumpIf(Condition, ClassicOperand),
    /// Ends the program with `k`.
    ReturnK,
    /// Ends the program with A.
    ReturnA,
    /// `X = A`
    CopyToX,
    /// `A = X`
    CopyToA,
}

/// How an operand is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OperandText {
    None,
    /// `#5`
    Decimal,
    /// `#0x5`
    Hexadecimal,
    /// `x`
    X,
    /// `[12]` or `[ifidx]`
    Packet,
    /// `[x + 12]`
    PacketAtX,
    /// `#pktlen`
    Length,
    /// `4*([14]&0xf)`
    HeaderLength,
    /// `M[3]`
    Memory,
    /// `9`
    Target,
}

/// A row of the table of classic codes: code, mnemonic, operand, meaning.
struct Row(u16, &'static str, OperandText, ClassicOperation);

/// All codes that Linux takes (`bpf_check_classic`).
const CODES: [Row; 49] = {
    use BinaryOp::{Add, And, Div, Lsh, Mod, Mul, Or, Rsh, Sub, Xor};
    use ClassicOperand::{K, X};
    use ClassicOperation::*;
    use Condition::{Eq, Ge, Gt, Set};
    use OperandText as T;
    use Size::{Byte, Half, Word};
    [
        Row(0x20, "ld", T::Packet, LoadAbsolute(Word)),
        Row(0x28, "ldh", T::Packet, LoadAbsolute(Half)),
        Row(0x30, "ldb", T::Packet, LoadAbsolute(Byte)),
        Row(0x40, "ld", T::PacketAtX, LoadIndirect(Word)),
        Row(0x48, "ldh", T::PacketAtX, LoadIndirect(Half)),
        Row(0x50, "ldb", T::PacketAtX, LoadIndirect(Byte)),
        Row(0x80, "ld", T::Length, LoadLength(ClassicReg::A)),
        Row(0x81, "ldx", T::Length, LoadLength(ClassicReg::X)),
        Row(0x00, "ld", T::Hexadecimal, LoadImm(ClassicReg::A)),
        Row(0x01, "ldx", T::Hexadecimal, LoadImm(ClassicReg::X)),
        Row(0x60, "ld", T::Memory, LoadMemory(ClassicReg::A)),
        Row(0x61, "ldx", T::Memory, LoadMemory(ClassicReg::X)),
        Row(0xb1, "ldxb", T::HeaderLength, LoadHeaderLength),
        Row(0x02, "st", T::Memory, Store(ClassicReg::A)),
        Row(0x03, "stx", T::Memory, Store(ClassicReg::X)),
        Row(0x04, "add", T::Decimal, Alu(Add, K)),
        Row(0x0c, "add", T::X, Alu(Add, X)),
        Row(0x14, "sub", T::Decimal, Alu(Sub, K)),
        Row(0x1c, "sub", T::X, Alu(Sub, X)),
        Row(0x24, "mul", T::Decimal, Alu(Mul, K)),
        Row(0x2c, "mul", T::X, Alu(Mul, X)),
        Row(0x34, "div", T::Decimal, Alu(Div, K)),
        Row(0x3c, "div", T::X, Alu(Div, X)),
        Row(0x44, "or", T::Hexadecimal, Alu(Or, K)),
        Row(0x4c, "or", T::X, Alu(Or, X)),
        Row(0x54, "and", T::Hexadecimal, Alu(And, K)),
        Row(0x5c, "and", T::X, Alu(And, X)),
        Row(0x64, "lsh", T::Decimal, Alu(Lsh, K)),
        Row(0x6c, "lsh", T::X, Alu(Lsh, X)),
        Row(0x74, "rsh", T::Decimal, Alu(Rsh, K)),
        Row(0x7c, "rsh", T::X, Alu(Rsh, X)),
        Row(0x84, "neg", T::None, Neg),
        Row(0x94, "mod", T::Decimal, Alu(Mod, K)),
        Row(0x9c, "mod", T::X, Alu(Mod, X)),
        Row(0xa4, "xor", T::Hexadecimal, Alu(Xor, K)),
        Row(0xac, "xor", T::X, Alu(Xor, X)),
        Row(0x05, "ja", T::Target, Jump),
        Row(0x15, "jeq", T::Hexadecimal, JumpIf(Eq, K)),
        Row(0x1d, "jeq", T::X, JumpIf(Eq, X)),
        Row(0x25, "jgt", T::Hexadecimal, JumpIf(Gt, K)),
        Row(0x2d, "jgt", T::X, JumpIf(Gt, X)),
        Row(0x35, "jge", T::Hexadecimal, JumpIf(Ge, K)),
        Row(0x3d, "jge", T::X, JumpIf(Ge, X)),
        Row(0x45, "jset", T::Hexadecimal, JumpIf(Set, K)),
        Row(0x4d, "jset", T::X, JumpIf(Set, X)),
        Row(0x06, "ret", T::Decimal, ReturnK),
        Row(0x16, "ret", T::None, ReturnA),
        Row(0x07, "tax", T::None, CopyToX),
        Row(0x87, "txa", T::None, CopyToA),
    ]
};

fn row(code: u16) -> Option<&'static Row> {
    CODES.iter().find(|row| row.0 == code)
}

impl ClassicInsn {
    /// Size of `struct sock_filter` in bytes.
    pub const SIZE: usize = 8;

    /// What it means; `None` for codes that Linux does not take.
    pub fn operation(&self) -> Option<ClassicOperation> {
        row(self.code).map(|row| row.3)
    }

    /// The instruction that means this; `None` for operations that classic BPF lacks, such as a 64-bit load.
    pub fn new(operation: ClassicOperation, k: u32) -> Option<ClassicInsn> {
        let row = CODES.iter().find(|row| row.3 == operation)?;
        Some(ClassicInsn { code: row.0, jt: 0, jf: 0, k })
    }

    /// The same with distances to skip.
    pub const fn with_jumps(self, jt: u8, jf: u8) -> ClassicInsn {
        ClassicInsn { jt, jf, ..self }
    }

    /// Reads a little-endian `struct sock_filter`.
    pub const fn from_le_bytes(b: [u8; 8]) -> ClassicInsn {
        ClassicInsn {
            code: u16::from_le_bytes([b[0], b[1]]),
            jt: b[2],
            jf: b[3],
            k: u32::from_le_bytes([b[4], b[5], b[6], b[7]]),
        }
    }

    /// Writes a little-endian `struct sock_filter`.
    pub const fn to_le_bytes(self) -> [u8; 8] {
        let (code, k) = (self.code.to_le_bytes(), self.k.to_le_bytes());
        [code[0], code[1], self.jt, self.jf, k[0], k[1], k[2], k[3]]
    }

    /// Reads what `tcpdump -ddd` prints: the number of instructions, then one per line.
    ///
    /// # Errors
    /// The number of the line (from 1) that is not as expected.
    pub fn read_numbers(text: &str) -> Result<Vec<ClassicInsn>, usize> {
        let mut lines = text.lines();
        let len: usize = lines.next().and_then(|line| line.trim().parse().ok()).ok_or(1usize)?;
        let mut program = Vec::new();
        for (i, line) in lines.enumerate() {
            program.push(read_numbers(line).ok_or(i + 2)?);
        }
        if program.len() == len { Ok(program) } else { Err(program.len() + 2) }
    }
}

fn read_numbers(line: &str) -> Option<ClassicInsn> {
    let mut words = line.split_whitespace();
    let insn = ClassicInsn {
        code: words.next()?.parse().ok()?,
        jt: words.next()?.parse().ok()?,
        jf: words.next()?.parse().ok()?,
        k: words.next()?.parse().ok()?,
    };
    words.next().is_none().then_some(insn)
}
