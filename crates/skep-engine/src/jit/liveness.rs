//! The backward pass: which registers are still needed after each instruction, and the end of those that compute
//! something nobody reads.

use skep_isa::{BinaryOp, PacketOffset, Width};

use super::call::Call;
use super::inst::{Condition, Inst, Register, Registers, Source, Test};
use super::select::{Leader, Selected};

/// For each instruction, the registers that are read later.
#[derive(Debug)]
pub(crate) struct Liveness {
    after: Vec<Registers>,
    before_leader: Vec<Registers>,
}

impl Liveness {
    /// The registers that are read after the instruction at `slot`.
    pub(crate) fn after(&self, slot: usize) -> Registers {
        self.after[slot]
    }

    /// The registers that are read from `slot` on, where `inst` stands.
    pub(crate) fn before_inst(&self, slot: usize, inst: &Inst, calls: &[Call]) -> Registers {
        let effect = effect(inst, calls);
        self.after[slot].without(effect.defines).union(effect.uses)
    }

    /// The registers that are read from `slot` on, where something jumps to.
    pub(crate) fn before(&self, slot: u32) -> Registers {
        self.before_leader[slot as usize]
    }
}

/// What an instruction reads and writes, and whether that is all it does.
pub(super) struct Effect {
    pub(super) uses: Registers,
    pub(super) defines: Registers,
    pub(super) pure: bool,
}

impl Effect {
    fn computes(dst: Register, uses: Registers) -> Effect {
        Effect { uses, defines: dst.bit(), pure: true }
    }

    fn acts(defines: Registers, uses: Registers) -> Effect {
        Effect { uses, defines, pure: false }
    }
}

pub(super) fn effect(inst: &Inst, calls: &[Call]) -> Effect {
    match *inst {
        Inst::Nop | Inst::Jump { .. } | Inst::MayGoto { .. } => Effect::acts(Registers::NONE, Registers::NONE),
        Inst::Constant { dst, .. } => Effect::computes(dst, Registers::NONE),
        Inst::Move { dst, src } | Inst::ShiftedMove { dst, src, .. } | Inst::Extend { dst, src, .. } => {
            Effect::computes(dst, src.bit())
        }
        Inst::Binary { dst, src, .. } => Effect::computes(dst, dst.bit().union(src.registers())),
        Inst::Negate { dst, .. } | Inst::Swap { dst, .. } => Effect::computes(dst, dst.bit()),
        Inst::Lea { dst, address } | Inst::Load { dst, address, .. } => Effect::computes(dst, address.registers()),
        Inst::LoadAcquire { dst, address, .. } => Effect::acts(dst.bit(), address.registers()),
        Inst::Store { address, src, .. } => Effect::acts(Registers::NONE, address.registers().union(src.registers())),
        Inst::StoreRelease { address, src, .. } => Effect::acts(Registers::NONE, address.registers().union(src.bit())),
        Inst::Atomic { op, address, src, .. } => {
            let uses = address.registers().union(src.bit());
            match op {
                skep_isa::AtomicOp::Cmpxchg => Effect::acts(Register::R0.bit(), uses.union(Register::R0.bit())),
                _ if op.fetches() => Effect::acts(src.bit(), uses),
                _ => Effect::acts(Registers::NONE, uses),
            }
        }
        Inst::LoadPacket { from, .. } => {
            let index = match from {
                PacketOffset::Absolute(_) => Registers::NONE,
                PacketOffset::Indirect(register, _) => Register::from(register).bit(),
            };
            Effect::acts(Registers::CALL_CLOBBERED, Register::R6.bit().union(index))
        }
        Inst::Branch { test, .. } => Effect::acts(Registers::NONE, test.registers()),
        Inst::Select { test, dst, value } => {
            Effect::computes(dst, dst.bit().union(test.registers()).union(value.registers()))
        }
        Inst::Flag { test, dst } => Effect::computes(dst, test.registers()),
        Inst::AddCarry { left, right, dst, .. } => {
            Effect::computes(dst, dst.bit().union(left.bit()).union(right.registers()))
        }
        Inst::Call(index) => calls.get(index as usize).map_or(Effect::acts(Registers::NONE, Registers::NONE), |call| {
            Effect::acts(Register::R0.bit(), call.uses())
        }),
        Inst::Exit => Effect::acts(Registers::NONE, Register::R0.bit()),
    }
}

/// Finds what is live and removes what is dead. `lost` are registers that no call keeps for whoever made it.
pub(super) fn eliminate(selected: &mut Selected, lost: Registers) -> Liveness {
    let slots = selected.insts.len();
    let mut walk = Walk {
        after: vec![Registers::NONE; slots],
        before_leader: vec![Registers::NONE; slots],
        lost: lost.union(Register::R0.bit()),
    };
    // Only at the beginnings of loops and functions can something be found live after it was asked for.
    while walk.all(selected) {}
    let Walk { after, before_leader, .. } = walk;
    for (inst, after) in selected.insts.iter_mut().zip(&after) {
        let effect = effect(inst, &selected.calls);
        if effect.pure && effect.defines.intersection(*after).is_empty() {
            *inst = Inst::Nop;
        }
    }
    test_in_place(selected, &after);
    Liveness { after, before_leader }
}

struct Walk {
    after: Vec<Registers>,
    /// Of slots that something jumps to or calls.
    before_leader: Vec<Registers>,
    lost: Registers,
}

impl Walk {
    /// From the end to the beginning. Says whether something now needs more than was assumed.
    fn all(&mut self, selected: &Selected) -> bool {
        let mut again = false;
        let mut live = Registers::NONE;
        for (slot, inst) in selected.insts.iter().enumerate().rev() {
            live = match *inst {
                Inst::Exit => Registers::NONE,
                Inst::Jump { target } => self.before_leader[target as usize],
                Inst::Branch { target, .. } | Inst::MayGoto { target } => {
                    live.union(self.before_leader[target as usize])
                }
                _ => live,
            };
            self.after[slot] = live;
            live = match *inst {
                Inst::Call(index) => {
                    let call = selected.calls.get(index as usize);
                    live.without(self.lost).union(call.map_or(Registers::NONE, |call| self.uses(call)))
                }
                _ => {
                    let effect = effect(inst, &selected.calls);
                    if effect.pure && effect.defines.intersection(live).is_empty() {
                        live
                    } else {
                        live.without(effect.defines).union(effect.uses)
                    }
                }
            };
            if selected.leaders[slot] != Leader::No {
                // Whoever jumps here from behind, and whoever calls it from behind, has already asked.
                again |= self.before_leader[slot] != live;
                self.before_leader[slot] = live;
            }
        }
        again && selected.has_back_edges
    }

    /// A function of the program reads what is live at its beginning.
    fn uses(&self, call: &Call) -> Registers {
        match call {
            Call::Function { slot } => self.before_leader[*slot as usize].intersection(Registers::ARGUMENTS),
            other => other.uses(),
        }
    }
}

/// `x &= y; if x == 0 …` where x is not needed any more: a test that leaves x alone.
fn test_in_place(selected: &mut Selected, after: &[Registers]) {
    let mut previous: Option<usize> = None;
    for (slot, after) in after.iter().enumerate() {
        if selected.leaders[slot] != Leader::No {
            previous = None;
        }
        let inst = selected.insts[slot];
        if let (Some(before), Inst::Branch { test, target }) = (previous, inst)
            && let Inst::Binary { op: BinaryOp::And, width: masked, dst, src } = selected.insts[before]
            && test.right == Source::Imm(0)
            && dst == test.left
            && !after.contains(dst)
            && src != Source::Reg(dst)
            && let Some(condition) = bits(test.condition)
        {
            let width = if masked == Width::W32 || test.width == Width::W32 { Width::W32 } else { Width::W64 };
            selected.insts[before] = Inst::Nop;
            selected.insts[slot] = Inst::Branch { test: Test { condition, width, left: dst, right: src }, target };
        }
        if inst != Inst::Nop {
            previous = Some(slot);
        }
    }
}

fn bits(condition: Condition) -> Option<Condition> {
    match condition {
        Condition::Eq => Some(Condition::Clear),
        Condition::Ne => Some(Condition::Set),
        _ => None,
    }
}
