//! Where instructions lead and which registers they touch.

use crate::insn::{AtomicOp, BinaryOp, CallTarget, Imm64, Insn, Operand, PacketOffset, Reg};

/// A set of registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RegSet(u16);

impl RegSet {
    /// No register.
    pub const EMPTY: RegSet = RegSet(0);
    /// All registers.
    pub const ALL: RegSet = RegSet(0b111_1111_1111);
    /// r0 to r5: what a call leaves without a known value (r0: its result).
    pub const CALLER_SAVED: RegSet = RegSet(0b11_1111);
    /// r1 to r5.
    pub const ARGUMENTS: RegSet = RegSet(0b11_1110);

    /// The set of one register.
    pub const fn of(reg: Reg) -> RegSet {
        RegSet(1 << reg.number())
    }

    /// Both sets' registers.
    pub const fn union(self, other: RegSet) -> RegSet {
        RegSet(self.0 | other.0)
    }

    /// This set with one more register.
    pub const fn with(self, reg: Reg) -> RegSet {
        self.union(RegSet::of(reg))
    }

    /// The registers of this set that the other has not.
    pub const fn without(self, other: RegSet) -> RegSet {
        RegSet(self.0 & !other.0)
    }

    /// Whether a register is in it.
    pub const fn contains(self, reg: Reg) -> bool {
        self.0 & RegSet::of(reg).0 != 0
    }

    /// Whether it has none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its registers in order.
    pub fn iter(self) -> impl Iterator<Item = Reg> {
        Reg::all().filter(move |reg| self.contains(*reg))
    }
}

impl FromIterator<Reg> for RegSet {
    fn from_iter<I: IntoIterator<Item = Reg>>(regs: I) -> RegSet {
        regs.into_iter().fold(RegSet::EMPTY, RegSet::with)
    }
}

impl Operand {
    /// The register, if it is one.
    pub const fn reg(self) -> Option<Reg> {
        match self {
            Operand::Reg(reg) => Some(reg),
            Operand::Imm(_) => None,
        }
    }

    const fn set(self) -> RegSet {
        match self {
            Operand::Reg(reg) => RegSet::of(reg),
            Operand::Imm(_) => RegSet::EMPTY,
        }
    }
}

impl Insn {
    /// Offset of a jump, conditional or not, from the next slot.
    pub const fn jump_offset(&self) -> Option<i32> {
        match *self {
            Insn::Jump { offset, .. } => Some(offset),
            Insn::JumpIf { offset, .. } | Insn::MayGoto { offset } => Some(offset as i32),
            _ => None,
        }
    }

    /// Offset from the next slot (after the first of this instruction) of the subprogram that it calls or takes the
    /// address of.
    pub const fn subprogram_offset(&self) -> Option<i32> {
        match *self {
            Insn::Call(CallTarget::Subprogram { offset }) | Insn::LoadImm64 { imm: Imm64::Function { offset }, .. } => {
                Some(offset)
            }
            _ => None,
        }
    }

    /// The same jump, call or address of a subprogram with another offset (see [`Insn::jump_offset`],
    /// [`Insn::subprogram_offset`]). `None` if it leads nowhere, or not so far.
    pub fn with_target(self, to: i32) -> Option<Insn> {
        let near = i16::try_from(to).ok();
        Some(match self {
            Insn::Jump { long, .. } => Insn::Jump { offset: to, long: long || near.is_none() },
            Insn::JumpIf { condition, width, dst, src, .. } => {
                Insn::JumpIf { condition, width, dst, src, offset: near? }
            }
            Insn::MayGoto { .. } => Insn::MayGoto { offset: near? },
            Insn::Call(CallTarget::Subprogram { .. }) => Insn::Call(CallTarget::Subprogram { offset: to }),
            Insn::LoadImm64 { dst, imm: Imm64::Function { .. } } => {
                Insn::LoadImm64 { dst, imm: Imm64::Function { offset: to } }
            }
            _ => return None,
        })
    }

    /// Whether execution may go on with the following instruction. (It does after a call.)
    pub const fn falls_through(&self) -> bool {
        !matches!(self, Insn::Jump { .. } | Insn::Exit)
    }

    /// Registers whose values it reads. For a call all of r1 to r5; how many are arguments the callee says.
    pub const fn reads(&self) -> RegSet {
        match *self {
            Insn::Alu { op: BinaryOp::Mov, src, .. } => src.set(),
            Insn::Alu { dst, src, .. } | Insn::JumpIf { dst, src, .. } => src.set().with(dst),
            Insn::MovSx { src, .. } | Insn::AddrSpaceCast { src, .. } => RegSet::of(src),
            Insn::Neg { dst, .. } | Insn::Swap { dst, .. } => RegSet::of(dst),
            Insn::Load { base, .. } | Insn::LoadAcquire { base, .. } => RegSet::of(base),
            Insn::Store { base, src, .. } => src.set().with(base),
            Insn::Atomic { op: AtomicOp::Cmpxchg, base, src, .. } => RegSet::of(base).with(src).with(Reg::R0),
            Insn::Atomic { base, src, .. } | Insn::StoreRelease { base, src, .. } => RegSet::of(base).with(src),
            Insn::LoadPacket { from: PacketOffset::Indirect(index, _), .. } => RegSet::of(Reg::R6).with(index),
            Insn::LoadPacket { from: PacketOffset::Absolute(_), .. } => RegSet::of(Reg::R6),
            Insn::Call(_) => RegSet::ARGUMENTS,
            Insn::CallReg(target) => RegSet::ARGUMENTS.with(target),
            Insn::Exit => RegSet::of(Reg::R0),
            Insn::LoadImm64 { .. } | Insn::Jump { .. } | Insn::MayGoto { .. } => RegSet::EMPTY,
        }
    }

    /// Registers that have another value afterwards, or none that may be read.
    pub const fn writes(&self) -> RegSet {
        match *self {
            Insn::Alu { dst, .. }
            | Insn::MovSx { dst, .. }
            | Insn::Neg { dst, .. }
            | Insn::Swap { dst, .. }
            | Insn::AddrSpaceCast { dst, .. }
            | Insn::LoadImm64 { dst, .. }
            | Insn::Load { dst, .. }
            | Insn::LoadAcquire { dst, .. } => RegSet::of(dst),
            Insn::Atomic { op: AtomicOp::Cmpxchg, .. } => RegSet::of(Reg::R0),
            Insn::Atomic { op, src, .. } if op.fetches() => RegSet::of(src),
            Insn::LoadPacket { .. } | Insn::Call(_) | Insn::CallReg(_) => RegSet::CALLER_SAVED,
            Insn::Atomic { .. }
            | Insn::Store { .. }
            | Insn::StoreRelease { .. }
            | Insn::Jump { .. }
            | Insn::JumpIf { .. }
            | Insn::MayGoto { .. }
            | Insn::Exit => RegSet::EMPTY,
        }
    }
}
