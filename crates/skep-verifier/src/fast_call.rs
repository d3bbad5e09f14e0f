//! Stack that is used only to save registers around fast calls.
//!
//! Some helpers and kernel functions leave r1 to r5 alone (`bpf_fastcall`). A compiler that does not rely on it stores
//! the registers it needs right before such a call and loads them right after it, in slots below all others of the
//! function. Linux removes these stores and loads, and does not count the slots when it adds up the stack of call
//! chains; so neither do we. It does so only while nothing else in the function touches the slots.

use crate::cfg::Code;
use skep_isa::{Insn, Operand, Reg, RegSet, Size};

/// What a callee does to the registers that calls may change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Callee {
    /// How many arguments it takes.
    pub(crate) arguments: usize,
    /// It leaves r0 alone too.
    pub(crate) returns_nothing: bool,
    /// It changes nothing but arguments and result.
    pub(crate) fast: bool,
}

/// The saves of one function.
#[derive(Clone, Copy, Debug, Default)]
struct Saves {
    /// Offsets below this one belong to saves.
    below: Option<i32>,
    /// There are saves around fast calls.
    removable: bool,
    /// There are saves around calls that are not fast: those stay.
    kept: bool,
}

/// The saves of all functions.
#[derive(Debug)]
pub(crate) struct FastCalls {
    functions: Vec<Saves>,
    /// By slot: a store or load that is part of a save.
    parts: Vec<bool>,
}

impl FastCalls {
    /// Finds all saves. `callee` knows helpers and kernel functions.
    pub(crate) fn new(code: &Code, callee: &dyn Fn(&Insn) -> Option<Callee>) -> Self {
        let mut found =
            FastCalls { functions: vec![Saves::default(); code.subprograms()], parts: vec![false; code.len()] };
        for subprogram in 0..code.subprograms() {
            let lowest = code.range(subprogram).filter_map(|slot| lowest_store(code.get(slot)?)).min().unwrap_or(0);
            for slot in code.range(subprogram) {
                if let Some(callee) = code.get(slot).and_then(callee) {
                    found.find_saves(code, subprogram, (slot, callee), lowest.into());
                }
            }
        }
        found
    }

    /// Pairs of a store before the call and a load after it, from the call outwards, slot by slot upwards.
    fn find_saves(&mut self, code: &Code, subprogram: usize, (slot, callee): (usize, Callee), lowest: i32) {
        let mut clobbered: RegSet = Reg::all().skip(1).take(callee.arguments).collect();
        if !callee.returns_nothing {
            clobbered = clobbered.with(Reg::R0);
        }
        let mut expected = RegSet::CALLER_SAVED.without(clobbered);
        let mut offset = lowest;
        for distance in 1..=slot.min(6) {
            let (store, load) = (code.get(slot - distance), code.get(slot + distance));
            let Some(reg) = save(store, load, offset).filter(|reg| expected.contains(*reg)) else { break };
            expected = expected.without(RegSet::of(reg));
            offset += 8;
            self.parts[slot - distance] = true;
            self.parts[slot + distance] = true;
        }
        if offset == lowest {
            return;
        }
        let saves = &mut self.functions[subprogram];
        saves.below = saves.below.max(Some(offset));
        saves.removable |= callee.fast;
        saves.kept |= !callee.fast;
    }

    /// Something in a function touches its stack, from `offset` upwards.
    pub(crate) fn note_access(&mut self, subprogram: usize, slot: usize, offset: i32) {
        let Some(saves) = self.functions.get_mut(subprogram) else { return };
        if saves.below.is_some_and(|below| offset < below) && !self.parts.get(slot).is_some_and(|part| *part) {
            *saves = Saves::default();
        }
    }

    /// Bytes of stack that count for a function that uses `used` bytes.
    pub(crate) fn counted_bytes(&self, subprogram: usize, used: u16) -> u32 {
        match self.functions.get(subprogram) {
            Some(Saves { below: Some(below), removable: true, kept: false }) => below.unsigned_abs(),
            _ => used.into(),
        }
    }
}

/// The offset of a store to the stack.
fn lowest_store(insn: &Insn) -> Option<i16> {
    match *insn {
        Insn::Store { base: Reg::R10, src: Operand::Reg(_), offset, .. } => Some(offset),
        _ => None,
    }
}

/// The register that `store` puts at an offset and `load` takes from there.
fn save(store: Option<&Insn>, load: Option<&Insn>, offset: i32) -> Option<Reg> {
    let (
        Some(&Insn::Store { size: Size::Double, base: Reg::R10, offset: to, src: Operand::Reg(saved) }),
        Some(&Insn::Load { size: Size::Double, signed: false, dst, base: Reg::R10, offset: from }),
    ) = (store, load)
    else {
        return None;
    };
    (saved == dst && i32::from(to) == offset && from == to).then_some(saved)
}
