//! Pre-decoded instructions: what the interpreter's loop dispatches on.
//!
//! One [`Op`] per slot, so that slot numbers are program counters; the second slot of `lddw` is [`Code::Invalid`].

/// All codes that come in families, handed to the macro `$apply`: the interpreter's arms, the enum and the lowering are
/// made from these rows.
///
/// * `alu`: operation, then 64-bit by register and by immediate, 32-bit by register and by immediate;
/// * `jump`: condition, then the same four;
/// * `atomic`: operation, then 64-bit and 32-bit;
/// * `access`: size and its unsigned type and signed type, then load, sign-extending load, store of a register, store
///   of an immediate, load-acquire, store-release; then the loads again (zero-extending, sign-extending, acquire) in
///   the form that gives 0 where nothing can be read.
macro_rules! for_each_family {
    ($apply:ident) => {
        $apply! {
            alu {
                Add AddReg64 AddImm64 AddReg32 AddImm32;
                Sub SubReg64 SubImm64 SubReg32 SubImm32;
                Mul MulReg64 MulImm64 MulReg32 MulImm32;
                Div DivReg64 DivImm64 DivReg32 DivImm32;
                SDiv SDivReg64 SDivImm64 SDivReg32 SDivImm32;
                Mod ModReg64 ModImm64 ModReg32 ModImm32;
                SMod SModReg64 SModImm64 SModReg32 SModImm32;
                Or OrReg64 OrImm64 OrReg32 OrImm32;
                And AndReg64 AndImm64 AndReg32 AndImm32;
                Xor XorReg64 XorImm64 XorReg32 XorImm32;
                Lsh LshReg64 LshImm64 LshReg32 LshImm32;
                Rsh RshReg64 RshImm64 RshReg32 RshImm32;
                Arsh ArshReg64 ArshImm64 ArshReg32 ArshImm32;
                Mov MovReg64 MovImm64 MovReg32 MovImm32;
            }
            jump {
                Eq EqReg64 EqImm64 EqReg32 EqImm32;
                Ne NeReg64 NeImm64 NeReg32 NeImm32;
                Set SetReg64 SetImm64 SetReg32 SetImm32;
                Gt GtReg64 GtImm64 GtReg32 GtImm32;
                Ge GeReg64 GeImm64 GeReg32 GeImm32;
                Lt LtReg64 LtImm64 LtReg32 LtImm32;
                Le LeReg64 LeImm64 LeReg32 LeImm32;
                SGt SGtReg64 SGtImm64 SGtReg32 SGtImm32;
                SGe SGeReg64 SGeImm64 SGeReg32 SGeImm32;
                SLt SLtReg64 SLtImm64 SLtReg32 SLtImm32;
                SLe SLeReg64 SLeImm64 SLeReg32 SLeImm32;
            }
            atomic {
                (AtomicOp::Add { fetch: false }) AtomicAdd64 AtomicAdd32;
                (AtomicOp::Or { fetch: false }) AtomicOr64 AtomicOr32;
                (AtomicOp::And { fetch: false }) AtomicAnd64 AtomicAnd32;
                (AtomicOp::Xor { fetch: false }) AtomicXor64 AtomicXor32;
                (AtomicOp::Add { fetch: true }) FetchAdd64 FetchAdd32;
                (AtomicOp::Or { fetch: true }) FetchOr64 FetchOr32;
                (AtomicOp::And { fetch: true }) FetchAnd64 FetchAnd32;
                (AtomicOp::Xor { fetch: true }) FetchXor64 FetchXor32;
                (AtomicOp::Xchg) Xchg64 Xchg32;
                (AtomicOp::Cmpxchg) Cmpxchg64 Cmpxchg32;
            }
            access {
                Byte u8 i8 Load8 LoadSx8 StoreReg8 StoreImm8 Acquire8 Release8 Probe8 ProbeSx8 ProbeAcquire8;
                Half u16 i16 Load16 LoadSx16 StoreReg16 StoreImm16 Acquire16 Release16 Probe16 ProbeSx16 ProbeAcquire16;
                Word u32 i32 Load32 LoadSx32 StoreReg32 StoreImm32 Acquire32 Release32 Probe32 ProbeSx32 ProbeAcquire32;
                Double u64 i64 Load64 LoadSx64 StoreReg64 StoreImm64 Acquire64 Release64 Probe64 ProbeSx64 ProbeAcquire64;
            }
        }
    };
}
pub(crate) use for_each_family;

macro_rules! define_code {
    (
        alu { $($alu:ident $ar64:ident $ai64:ident $ar32:ident $ai32:ident;)* }
        jump { $($cond:ident $jr64:ident $ji64:ident $jr32:ident $ji32:ident;)* }
        atomic { $(($atomic:expr) $at64:ident $at32:ident;)* }
        access { $($size:ident $u:ident $s:ident $ld:ident $ldsx:ident $stx:ident $st:ident $acq:ident $rel:ident $pb:ident $pbsx:ident $pbacq:ident;)* }
    ) => {
        /// What an [`Op`] does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Code {
            $($ar64, $ai64, $ar32, $ai32,)*
            $($jr64, $ji64, $jr32, $ji32,)*
            $($at64, $at32,)*
            $($ld, $ldsx, $stx, $st, $acq, $rel, $pb, $pbsx, $pbacq,)*
            /// `dst` = sign extension of `src`: result width, then source size.
            MovSx64From8, MovSx64From16, MovSx64From32, MovSx32From8, MovSx32From16,
            Neg64, Neg32,
            Swap16, Swap32, Swap64,
            /// To little-endian: what is above 16 or 32 bits becomes zero.
            Low16, Low32,
            /// `dst` = `imm`, two slots.
            LoadImm64,
            /// Packet at `imm`, or at `src + imm`.
            PacketAbs8, PacketAbs16, PacketAbs32, PacketInd8, PacketInd16, PacketInd32,
            /// To `target`.
            Jump,
            /// To `target` once the loop budget is used up.
            MayGoto,
            /// Helper `imm`.
            CallHelper,
            /// Function at `target` with `imm` bytes of stack.
            CallFunction,
            /// Kernel function `imm`, BTF index `target`.
            CallKfunc,
            /// What `dst` holds.
            CallReg,
            Exit,
            /// No instruction stands here.
            Invalid,
        }

        impl Code {
            pub(crate) const fn alu(op: BinaryOp, width: Width, by_register: bool) -> Code {
                match (op, width, by_register) {
                    $((BinaryOp::$alu, Width::W64, true) => Code::$ar64,
                    (BinaryOp::$alu, Width::W64, false) => Code::$ai64,
                    (BinaryOp::$alu, Width::W32, true) => Code::$ar32,
                    (BinaryOp::$alu, Width::W32, false) => Code::$ai32,)*
                }
            }

            pub(crate) const fn jump_if(condition: Condition, width: Width, by_register: bool) -> Code {
                match (condition, width, by_register) {
                    $((Condition::$cond, Width::W64, true) => Code::$jr64,
                    (Condition::$cond, Width::W64, false) => Code::$ji64,
                    (Condition::$cond, Width::W32, true) => Code::$jr32,
                    (Condition::$cond, Width::W32, false) => Code::$ji32,)*
                }
            }

            /// `None` for sizes below 32 bits.
            pub(crate) fn atomic(op: AtomicOp, size: Size) -> Option<Code> {
                let (wide, narrow) = [$(($atomic, Code::$at64, Code::$at32),)*]
                    .into_iter()
                    .find_map(|(row, wide, narrow)| (row == op).then_some((wide, narrow)))?;
                match size {
                    Size::Double => Some(wide),
                    Size::Word => Some(narrow),
                    Size::Byte | Size::Half => None,
                }
            }

            pub(crate) const fn load(size: Size, signed: bool) -> Code {
                match size { $(Size::$size => if signed { Code::$ldsx } else { Code::$ld },)* }
            }

            /// The same load in the form that gives 0 where nothing can be read; what is no load stays as it is.
            pub(crate) const fn probing(self) -> Code {
                match self {
                    $(Code::$ld => Code::$pb, Code::$ldsx => Code::$pbsx, Code::$acq => Code::$pbacq,)*
                    other => other,
                }
            }

            pub(crate) const fn store(size: Size, register: bool) -> Code {
                match size { $(Size::$size => if register { Code::$stx } else { Code::$st },)* }
            }

            pub(crate) const fn load_acquire(size: Size) -> Code {
                match size { $(Size::$size => Code::$acq,)* }
            }

            pub(crate) const fn store_release(size: Size) -> Code {
                match size { $(Size::$size => Code::$rel,)* }
            }
        }
    };
}

use skep_isa::{AtomicOp, BinaryOp, Condition, Size, Width};

for_each_family!(define_code);

/// One pre-decoded instruction: 16 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Op {
    pub(crate) code: Code,
    /// Destination, left operand, or address register of stores and atomics.
    pub(crate) dst: u8,
    /// Source, right operand, or address register of loads.
    pub(crate) src: u8,
    /// Byte offset of an access, or slot that is jumped to or called.
    pub(crate) offset: i32,
    /// Immediate, already extended.
    pub(crate) imm: i64,
}

impl Op {
    pub(crate) const INVALID: Op = Op::new(Code::Invalid);

    pub(crate) const fn new(code: Code) -> Op {
        Op { code, dst: 0, src: 0, offset: 0, imm: 0 }
    }

    pub(crate) const fn dst(mut self, register: Reg) -> Op {
        self.dst = register.number();
        self
    }

    pub(crate) const fn src(mut self, register: Reg) -> Op {
        self.src = register.number();
        self
    }

    /// The second operand of those that take a register or an immediate.
    pub(crate) const fn operand(mut self, operand: Operand) -> Op {
        match operand {
            Operand::Reg(register) => self.src = register.number(),
            Operand::Imm(imm) => self.imm = imm as i64,
        }
        self
    }

    pub(crate) const fn offset(mut self, offset: i32) -> Op {
        self.offset = offset;
        self
    }

    pub(crate) const fn imm(mut self, imm: i64) -> Op {
        self.imm = imm;
        self
    }

    /// The slot jumped to or called: linking has put one inside of the program there.
    #[inline(always)]
    pub(crate) const fn target(self) -> usize {
        self.offset as u32 as usize
    }
}

use skep_isa::{Operand, Reg};

const _: () = assert!(size_of::<Op>() == 16);
