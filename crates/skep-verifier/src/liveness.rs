//! Which registers may still be read, by a backward data-flow over the code.
//!
//! Invariant: if some path from an instruction reads a register before writing it, the register is in the live set
//! before that instruction. Registers outside of it are not compared when states are.

use crate::cfg::{Code, successors};
use crate::planted::{Fault, is_planted};
use skep_isa::{CallTarget, Insn, Reg, RegSet};

/// The live set before each slot. `arguments` says how many a callee takes.
pub(crate) fn live_registers(code: &Code, arguments: &dyn Fn(&CallTarget) -> Option<usize>) -> Vec<RegSet> {
    let mut live = vec![RegSet::EMPTY; code.len()];
    let mut changed = true;
    while changed {
        changed = false;
        for (slot, insn) in code.iter().rev() {
            let successors = successors(slot, insn);
            let mut after = RegSet::EMPTY;
            for to in [successors.next, successors.jump].into_iter().flatten() {
                let there = usize::try_from(to).ok().and_then(|to| live.get(to)).copied();
                after = after.union(there.unwrap_or(RegSet::EMPTY));
            }
            let before = reads(insn, arguments).union(after.without(insn.writes()));
            if live[slot] != before {
                live[slot] = before;
                changed = true;
            }
        }
    }
    live
}

/// What an instruction reads; of a callee's arguments only those it has.
fn reads(insn: &Insn, arguments: &dyn Fn(&CallTarget) -> Option<usize>) -> RegSet {
    match insn {
        Insn::Call(target @ (CallTarget::Helper(_) | CallTarget::Kfunc { .. })) => match arguments(target) {
            Some(count) => Reg::all().skip(1).take(count).collect(),
            None => RegSet::ARGUMENTS,
        },
        Insn::Load { .. } if is_planted(Fault::BaseNotLive) => RegSet::EMPTY,
        insn => insn.reads(),
    }
}
