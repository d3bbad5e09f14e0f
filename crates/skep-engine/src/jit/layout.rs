//! Jumps to jumps, around jumps and to the function's end are shortened. The order of the code stays.

use super::inst::Inst;
use super::select::{Leader, Selected};

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
        mark_loop(selected, slot);
    }
}

/// What a jump that was shortened leads back to begins a loop, if none did before.
fn mark_loop(selected: &mut Selected, slot: usize) {
    if let Inst::Jump { target } | Inst::Branch { target, .. } = selected.insts[slot]
        && target as usize <= slot
    {
        selected.leaders[target as usize] = Leader::Loop;
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
    let jumped_to = (slot + 1..=jump).any(|slot| selected.leaders[slot] != Leader::No);
    if jumped_to || next_inst(selected, jump + 1) != next_inst(selected, target as usize) {
        return;
    }
    let target = destination(selected, other);
    selected.insts[slot] = Inst::Branch { test: test.inverted(), target };
    selected.insts[jump] = Inst::Nop;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::direct::References;
    use crate::jit::select::{Facts, select};

    /// A jump back to a jump that leads forwards, to a place that was no loop's beginning.
    #[test]
    fn shortened_jumps_make_loops() {
        let text = "first:\nif r1 == 0 goto over\ngoto middle\nover:\nr2 = 1\nmiddle:\nr2 += 1\nif r2 > 9 goto first\n\
                    if r3 > 9 goto second\nr0 = 0\nexit\nsecond:\nr4 += 1\ngoto pc-9\n";
        let slots = skep_isa::text::assemble(text).expect("the text assembles");
        let insns = crate::jit::decode(&slots).expect("it decodes");
        let mut selected = select(&insns, slots.len(), Facts::default(), &mut References(|_| None)).expect("selected");
        let jump = slots.len() - 1;
        assert_eq!((selected.insts[jump], selected.insts[1]), (Inst::Jump { target: 1 }, Inst::Jump { target: 3 }));
        assert_eq!(selected.leaders[3], Leader::Forward);
        straighten(&mut selected);
        assert_eq!((selected.insts[jump], selected.leaders[3]), (Inst::Jump { target: 3 }, Leader::Loop));
    }
}
