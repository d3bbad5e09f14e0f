//! Which 32-bit results have their upper half read.
//!
//! The instruction set says that a 32-bit operation leaves zeroes above its result. A machine whose 32-bit operations
//! do not needs to be told where that matters. A backward data-flow over registers follows the *upper halves*: one is
//! live where some path reads all 64 bits of the register before writing them.
//!
//! Invariant: whatever a machine leaves in the upper half of a 32-bit result that is not listed, the program behaves
//! the same.

use crate::cfg::{Code, successors};
use skep_isa::{AtomicOp, BinaryOp, Insn, Reg, RegSet, Size, Width};

/// The slots, ascending, of instructions whose 32-bit result must be zero-extended. `kept` gives what remains of an
/// instruction, if it does.
pub(super) fn zero_extensions(code: &Code, kept: &dyn Fn(usize, &Insn) -> Option<Insn>) -> Vec<usize> {
    let live = live_upper_halves(code, &|slot, insn| kept(slot, insn).is_some());
    let needed = |(slot, insn): (usize, &Insn)| {
        let result = narrow_result(&kept(slot, insn)?)?;
        live[slot].contains(result).then_some(slot)
    };
    code.iter().filter_map(needed).collect()
}

/// For each slot, the registers whose upper half may be read after it.
fn live_upper_halves(code: &Code, kept: &dyn Fn(usize, &Insn) -> bool) -> Vec<RegSet> {
    let mut before = vec![RegSet::EMPTY; code.len()];
    let mut after = vec![RegSet::EMPTY; code.len()];
    let mut changed = true;
    while changed {
        changed = false;
        for (slot, insn) in code.iter().rev().filter(|(slot, insn)| kept(*slot, insn)) {
            let successors = successors(slot, insn);
            let mut live = RegSet::EMPTY;
            for to in [successors.next, successors.jump].into_iter().flatten() {
                let there = usize::try_from(to).ok().and_then(|to| before.get(to)).copied();
                live = live.union(there.unwrap_or(RegSet::EMPTY));
            }
            after[slot] = live;
            let now = transferred(insn, live);
            if before[slot] != now {
                before[slot] = now;
                changed = true;
            }
        }
    }
    after
}

/// What is live before an instruction, from what is live after it.
fn transferred(insn: &Insn, after: RegSet) -> RegSet {
    wide_reads(insn, after).union(after.without(insn.writes()))
}

/// The registers of which an instruction reads all 64 bits.
fn wide_reads(insn: &Insn, after: RegSet) -> RegSet {
    match *insn {
        Insn::Alu { width: Width::W32, .. }
        | Insn::Neg { width: Width::W32, .. }
        | Insn::MovSx { .. }
        | Insn::Swap { size: Size::Half | Size::Word, .. }
        | Insn::JumpIf { width: Width::W32, .. } => RegSet::EMPTY,
        // A copy reads the upper half for whoever reads that of the copy.
        Insn::Alu { op: BinaryOp::Mov, dst, .. } if !after.contains(dst) => RegSet::EMPTY,
        Insn::Store { size: Size::Byte | Size::Half | Size::Word, base, .. }
        | Insn::StoreRelease { size: Size::Byte | Size::Half | Size::Word, base, .. }
        | Insn::Atomic { size: Size::Word, base, .. } => RegSet::of(base),
        ref insn => insn.reads(),
    }
}

/// The register that receives a result of 32 bits or fewer, where a machine might leave something above it.
fn narrow_result(insn: &Insn) -> Option<Reg> {
    match *insn {
        Insn::Alu { width: Width::W32, dst, .. }
        | Insn::MovSx { width: Width::W32, dst, .. }
        | Insn::Neg { width: Width::W32, dst }
        | Insn::Swap { size: Size::Half | Size::Word, dst, .. } => Some(dst),
        Insn::Load { size, signed: false, dst, .. } if size != Size::Double => Some(dst),
        Insn::LoadAcquire { size, dst, .. } if size != Size::Double => Some(dst),
        Insn::Atomic { op: AtomicOp::Cmpxchg, size: Size::Word, .. } => Some(Reg::R0),
        Insn::Atomic { op, size: Size::Word, src, .. } if op.fetches() => Some(src),
        _ => None,
    }
}
