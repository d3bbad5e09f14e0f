//! Jumps to jumps, around jumps and to the function's end are shortened. The order of the code stays.

use super::inst::Inst;
use super::select::Selected;

/// How far a chain of jumps is followed.
const CHAIN: usize = 8;

/// Straightens all jumps.
pub(super) fn straighten(selected: &mut Selected) {
    for slot in 0..selected.insts.len() {
        match selected.insts[slot] {
            Inst::Jump { target } => {
                let target = destination(selected, target);
                let leaves = next_inst(selected, target as usize).is_some_and(|at| selected.insts[at] == Inst::Exit);
                selected.insts[slot] = if leaves { Inst::Exit } else { Inst::Jump { target } };
            }
            Inst::Branch { test, target } => {
                let target = destination(selected, target);
                selected.insts[slot] = Inst::Branch { test, target };
                turn_around(selected, slot);
            }
            _ => {}
        }
    }
}

/// The first slot from `slot` on where something stands.
fn next_inst(selected: &Selected, slot: usize) -> Option<usize> {
    let rest = selected.insts.get(slot..)?;
    rest.iter().position(|inst| *inst != Inst::Nop).map(|distance| slot + distance)
}

/// Where a jump to `target` ends up.
fn destination(selected: &Selected, mut target: u32) -> u32 {
    for _ in 0..CHAIN {
        match next_inst(selected, target as usize).map(|at| selected.insts[at]) {
            Some(Inst::Jump { target: next }) => target = next,
            _ => break,
        }
    }
    target
}

/// `if … goto T; goto L; T:` is `if not … goto L; T:`.
fn turn_around(selected: &mut Selected, slot: usize) {
    let Inst::Branch { test, target } = selected.insts[slot] else { return };
    let Some(jump) = next_inst(selected, slot + 1) else { return };
    let Inst::Jump { target: other } = selected.insts[jump] else { return };
    let jumped_to = (slot + 1..=jump).any(|slot| selected.leaders[slot] != super::select::Leader::No);
    if jumped_to || next_inst(selected, jump + 1) != next_inst(selected, target as usize) {
        return;
    }
    let target = destination(selected, other);
    selected.insts[slot] = Inst::Branch { test: test.inverted(), target };
    selected.insts[jump] = Inst::Nop;
}
