//! What each function needs of its frame.

use super::inst::{Inst, Registers};
use super::liveness::effect;
use super::select::Selected;

/// What a function needs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Registers that it reads or writes.
    pub(crate) registers: Registers,
    /// Registers that it writes.
    pub(crate) defined: Registers,
    /// It calls machine code.
    pub(crate) calls: bool,
    /// It has `may_goto`.
    pub(crate) loops: bool,
    /// Bytes of the program's stack.
    pub(crate) stack_bytes: u16,
    /// The stack must be zero at the beginning.
    pub(crate) zeroed: bool,
}

/// For each function, in order.
pub(super) fn usage(selected: &Selected, stack_of: impl Fn(u32) -> u16, zeroed: bool) -> Vec<Usage> {
    let slot_of = |index: usize| selected.origin.get(index).copied().unwrap_or(index as u32);
    let ranges = selected.function_ranges();
    ranges.map(|range| of_function(selected, range.clone(), stack_of(slot_of(range.start)), zeroed)).collect()
}

fn of_function(selected: &Selected, range: std::ops::Range<usize>, stack_bytes: u16, zeroed: bool) -> Usage {
    let mut usage = Usage { stack_bytes, zeroed, ..Usage::default() };
    for inst in &selected.insts[range] {
        let effect = effect(inst, &selected.calls);
        usage.registers = usage.registers.union(effect.uses).union(effect.defines);
        usage.defined = usage.defined.union(effect.defines);
        match inst {
            Inst::Call(index) => usage.calls |= selected.calls.get(*index as usize).is_some_and(|call| call.leaves()),
            Inst::LoadPacket { .. } => usage.calls = true,
            Inst::MayGoto { .. } => usage.loops = true,
            _ => {}
        }
    }
    usage
}
