//! What the back ends translate: instructions after selection, closer to what machines can do than BPF's.
//!
//! There is one [`Inst`] per slot of the program, so that a slot number is an index until [`super::place`] puts the code in
//! another order; what became superfluous is [`Inst::Nop`]. Compared with BPF there are three-operand additions ([`Inst::Lea`]), addresses with an index register,
//! loads that swap bytes, and tests for bits that are all clear.

use skep_isa::{AtomicOp, BinaryOp, PacketOffset, Reg, Size, Width};

/// A register of the program, r0 to r10.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Register(u8);

impl Register {
    pub(crate) const R0: Register = Register(0);
    pub(crate) const R1: Register = Register(1);
    pub(crate) const R2: Register = Register(2);
    #[cfg(target_arch = "x86_64")]
    pub(crate) const R3: Register = Register(3);
    pub(crate) const R6: Register = Register(6);
    pub(crate) const FRAME: Register = Register(10);
    /// None of the program's: back ends have it in their first scratch register. Only [preludes](super::blind) write it, for
    /// the next instruction, where it may be the second operand of any but a shift.
    pub(crate) const BLINDING: Register = Register(11);
    /// How many numbers there are; a power of two, so that a masked number needs no bounds check.
    pub(crate) const COUNT: usize = 16;

    /// 0 to 15.
    pub(crate) const fn index(self) -> usize {
        (self.0 & 15) as usize
    }

    /// The set of this register alone.
    pub(crate) const fn bit(self) -> Registers {
        Registers(1 << (self.0 & 15))
    }
}

impl From<Reg> for Register {
    fn from(reg: Reg) -> Register {
        Register(reg.number())
    }
}

/// A set of registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Registers(pub(crate) u16);

impl Registers {
    pub(crate) const NONE: Registers = Registers(0);
    /// r0 to r5, which a call changes.
    pub(crate) const CALL_CLOBBERED: Registers = Registers(0x003f);
    /// r1 to r5.
    pub(crate) const ARGUMENTS: Registers = Registers(0x003e);
    /// r6 to r9, which a function gives back as they were.
    pub(crate) const CALLEE_SAVED: Registers = Registers(0x03c0);

    pub(crate) const fn contains(self, register: Register) -> bool {
        self.0 & register.bit().0 != 0
    }

    pub(crate) const fn union(self, other: Registers) -> Registers {
        Registers(self.0 | other.0)
    }

    pub(crate) const fn intersection(self, other: Registers) -> Registers {
        Registers(self.0 & other.0)
    }

    pub(crate) const fn without(self, other: Registers) -> Registers {
        Registers(self.0 & !other.0)
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[cfg(target_arch = "x86_64")]
    pub(crate) const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Its registers, ascending.
    pub(crate) fn iter(self) -> impl Iterator<Item = Register> {
        (0..16).map(Register).filter(move |register| self.contains(*register))
    }
}

/// The second operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Reg(Register),
    /// Sign-extended to 64 bits.
    Imm(i32),
}

impl Source {
    pub(crate) const fn registers(self) -> Registers {
        match self {
            Source::Reg(register) => register.bit(),
            Source::Imm(_) => Registers::NONE,
        }
    }
}

/// `base + (index << shift) + offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) base: Register,
    pub(crate) index: Option<Index>,
    pub(crate) offset: i32,
}

/// A scaled register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) register: Register,
    /// 0 to 3.
    pub(crate) shift: u8,
}

impl Address {
    pub(crate) const fn new(base: Register, offset: i32) -> Address {
        Address { base, index: None, offset }
    }

    pub(crate) const fn registers(self) -> Registers {
        match self.index {
            Some(index) => self.base.bit().union(index.register.bit()),
            None => self.base.bit(),
        }
    }
}

/// A comparison of a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Eq,
    Ne,
    /// Some of these bits are set.
    Set,
    /// None of these bits is set.
    Clear,
    Gt,
    Ge,
    Lt,
    Le,
    SGt,
    SGe,
    SLt,
    SLe,
}

impl Condition {
    /// What holds where this one does not.
    pub(crate) const fn inverted(self) -> Condition {
        match self {
            Condition::Eq => Condition::Ne,
            Condition::Ne => Condition::Eq,
            Condition::Set => Condition::Clear,
            Condition::Clear => Condition::Set,
            Condition::Gt => Condition::Le,
            Condition::Ge => Condition::Lt,
            Condition::Lt => Condition::Ge,
            Condition::Le => Condition::Gt,
            Condition::SGt => Condition::SLe,
            Condition::SGe => Condition::SLt,
            Condition::SLt => Condition::SGe,
            Condition::SLe => Condition::SGt,
        }
    }

    /// Whether it holds of two numbers.
    pub(crate) fn eval(self, width: Width, left: u64, right: u64) -> bool {
        use skep_isa::Condition as Isa;
        let isa = match self {
            Condition::Eq => Isa::Eq,
            Condition::Ne => Isa::Ne,
            Condition::Set => Isa::Set,
            Condition::Clear => return !Isa::Set.eval(width, left, right),
            Condition::Gt => Isa::Gt,
            Condition::Ge => Isa::Ge,
            Condition::Lt => Isa::Lt,
            Condition::Le => Isa::Le,
            Condition::SGt => Isa::SGt,
            Condition::SGe => Isa::SGe,
            Condition::SLt => Isa::SLt,
            Condition::SLe => Isa::SLe,
        };
        isa.eval(width, left, right)
    }
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Test {
    pub(crate) condition: Condition,
    pub(crate) width: Width,
    pub(crate) left: Register,
    pub(crate) right: Source,
}

impl Test {
    pub(crate) const fn inverted(self) -> Test {
        Test { condition: self.condition.inverted(), ..self }
    }

    pub(crate) const fn registers(self) -> Registers {
        self.left.bit().union(self.right.registers())
    }
}

impl From<skep_isa::Condition> for Condition {
    fn from(condition: skep_isa::Condition) -> Condition {
        match condition {
            skep_isa::Condition::Eq => Condition::Eq,
            skep_isa::Condition::Ne => Condition::Ne,
            skep_isa::Condition::Set => Condition::Set,
            skep_isa::Condition::Gt => Condition::Gt,
            skep_isa::Condition::Ge => Condition::Ge,
            skep_isa::Condition::Lt => Condition::Lt,
            skep_isa::Condition::Le => Condition::Le,
            skep_isa::Condition::SGt => Condition::SGt,
            skep_isa::Condition::SGe => Condition::SGe,
            skep_isa::Condition::SLt => Condition::SLt,
            skep_isa::Condition::SLe => Condition::SLe,
        }
    }
}

/// How a load treats the bytes it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extension {
    /// What is above them becomes zero.
    Zero,
    /// What is above them becomes their sign.
    Sign,
    /// They are swapped, what is above them becomes zero.
    SwappedZero,
}

/// One instruction. All registers of 32-bit results have a zero upper half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inst {
    /// Nothing; also the second slot of a `lddw`.
    Nop,
    /// `dst = src`, 64 bits.
    Move { dst: Register, src: Register },
    /// `dst = value`
    Constant { dst: Register, value: u64 },
    /// `dst = dst op src`; never a move.
    Binary { op: BinaryOp, width: Width, dst: Register, src: Source },
    /// `dst` = the address, 64 bits.
    Lea { dst: Register, address: Address },
    /// `dst = src << shift`, 64 bits, 1 to 3.
    ShiftedMove { dst: Register, src: Register, shift: u8 },
    /// `dst` = the low `size` of `src`, extended to `width` with zeroes or its sign.
    Extend { dst: Register, src: Register, size: Size, signed: bool, width: Width },
    /// `dst = -dst`
    Negate { width: Width, dst: Register },
    /// Swaps the low bytes; what is above them becomes zero.
    Swap { size: Size, dst: Register },
    /// `dst` = memory. A probing load gives 0 where nothing can be read.
    Load { size: Size, extension: Extension, probing: bool, dst: Register, address: Address },
    /// memory = `src`
    Store { size: Size, address: Address, src: Source },
    /// A load with acquire order.
    LoadAcquire { size: Size, probing: bool, dst: Register, address: Address },
    /// A store with release order.
    StoreRelease { size: Size, address: Address, src: Register },
    /// Atomic read-modify-write.
    Atomic { op: AtomicOp, size: Size, address: Address, src: Register },
    /// `r0` = packet bytes in network order, or the function ends with 0.
    LoadPacket { size: Size, from: PacketOffset },
    /// To the slot.
    Jump { target: u32 },
    /// To the slot if the comparison holds.
    Branch { test: Test, target: u32 },
    /// `dst = value` if the comparison holds.
    Select { test: Test, dst: Register, value: Source },
    /// `dst` = 1 if the comparison holds, else 0.
    Flag { test: Test, dst: Register },
    /// `dst += left < right`, 64 bits, the comparison unsigned.
    AddCarry { width: Width, left: Register, right: Source, dst: Register },
    /// To the slot once the loop budget of the frame is used up.
    MayGoto { target: u32 },
    /// A call, an index into [`super::select::Selected::calls`].
    Call(u32),
    /// The function returns.
    Exit,
}

const _: () = assert!(size_of::<Inst>() <= 32);
