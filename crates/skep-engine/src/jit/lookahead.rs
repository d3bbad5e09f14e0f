//! What comes next in a program, for instructions that the machine does together.

use skep_isa::Width;

use super::Program;
use super::inst::{Condition, Inst, Register, Source, Test};
use super::select::Leader;

/// Where a program goes on with a look-up's NULL that it does not look at again.
#[derive(Clone, Copy, Debug)]
pub(super) enum Null {
    /// There; it goes on behind its branch with an address.
    At(u32),
    /// Behind its branch, which leads there with an address.
    Next(u32),
}

impl Program {
    /// What comes after `slot`, if nothing jumps in between.
    pub(super) fn next_inst(&self, slot: usize) -> Option<(usize, Inst)> {
        let next = (slot + 1..self.insts.len()).find(|slot| self.insts[*slot] != Inst::Nop)?;
        let straight = (slot + 1..=next).all(|slot| self.leaders[slot] == Leader::No);
        straight.then_some((next, self.insts[next]))
    }

    /// The branch that comes after `slot`, if nothing jumps in between: its slot, its test, its target.
    pub(super) fn next_branch(&self, slot: usize) -> Option<(usize, Test, u32)> {
        match self.next_inst(slot)? {
            (next, Inst::Branch { test, target }) => Some((next, test, target)),
            _ => None,
        }
    }

    /// The branch that comes after `slot` and asks whether r0 is NULL, if r0 is not needed any more where it is.
    pub(super) fn null_branch(&self, slot: usize) -> Option<(usize, Null)> {
        let (next, test, target) = self.next_branch(slot)?;
        if (test.left, test.right, test.width) != (Register::R0, Source::Imm(0), Width::W64) {
            return None;
        }
        let null = match test.condition {
            Condition::Eq => {
                let needed = self.liveness.before(target).contains(Register::R0);
                (!needed).then_some(Null::At(target))?
            }
            Condition::Ne => {
                let behind = self.insts.get(next + 1)?;
                let live = self.liveness.before_inst(next + 1, behind, &self.calls);
                (!live.contains(Register::R0)).then_some(Null::Next(target))?
            }
            _ => return None,
        };
        Some((next, null))
    }
}
