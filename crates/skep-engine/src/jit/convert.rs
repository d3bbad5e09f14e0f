//! Branches over a single assignment become conditional assignments: compilers for BPF have no other way to write one.

use super::inst::{Inst, Register, Source};
use super::select::{Leader, Selected};

/// Converts all of them. Where nothing jumps any more, straight code goes on.
pub(super) fn convert(selected: &mut Selected) {
    let mut jumps_to: Option<Vec<u32>> = None;
    for slot in 0..selected.insts.len() {
        let Some((assignment, target)) = candidate(selected, slot) else { continue };
        let Inst::Branch { test, .. } = selected.insts[slot] else { continue };
        let Some((dst, value)) = assigned(selected.insts[assignment]) else { continue };
        let jumps_to = jumps_to.get_or_insert_with(|| count_jumps(selected));
        let count = &mut jumps_to[target as usize];
        *count -= 1;
        selected.insts[assignment] = Inst::Select { test: test.inverted(), dst, value };
        selected.insts[slot] = Inst::Nop;
        if *count == 0 && selected.leaders[target as usize] == Leader::Forward && !is_function(selected, target) {
            selected.leaders[target as usize] = Leader::No;
        }
    }
}

/// `if … goto T; x = y; T:` or `if … goto T; x = y; goto T`: where the assignment is, and T.
fn candidate(selected: &Selected, slot: usize) -> Option<(usize, u32)> {
    let Inst::Branch { target, .. } = selected.insts[slot] else { return None };
    let assignment = slot + 1;
    assigned(*selected.insts.get(assignment)?)?;
    if selected.leaders[assignment] != Leader::No {
        return None;
    }
    // A constant may take two slots.
    let next = assignment + selected.insts[assignment + 1..].iter().take_while(|inst| **inst == Inst::Nop).count() + 1;
    let joins = next == target as usize
        || selected.leaders.get(next) == Some(&Leader::No) && selected.insts.get(next) == Some(&Inst::Jump { target });
    joins.then_some((assignment, target))
}

/// What is assigned, if the instruction does nothing else and a conditional assignment can hold it.
fn assigned(inst: Inst) -> Option<(Register, Source)> {
    match inst {
        Inst::Constant { dst, value } => Some((dst, Source::Imm(i32::try_from(value.cast_signed()).ok()?))),
        Inst::Move { dst, src } => Some((dst, Source::Reg(src))),
        _ => None,
    }
}

fn is_function(selected: &Selected, slot: u32) -> bool {
    selected.functions.binary_search(&slot).is_ok()
}

/// By slot: how many instructions jump there.
fn count_jumps(selected: &Selected) -> Vec<u32> {
    let mut counts = vec![0; selected.insts.len()];
    for inst in &selected.insts {
        if let Inst::Branch { target, .. } | Inst::Jump { target } | Inst::MayGoto { target } = inst {
            counts[*target as usize] += 1;
        }
    }
    counts
}
