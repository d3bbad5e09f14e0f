//! Dynptrs as arguments: made on the stack by some functions, used by others, given back, overwritten.
//!
//! A slice (memory behind a dynptr) lives as long as what the dynptr stands on: it carries the dynptr's identity and
//! reference, and is invalid when the reference is given back, when the dynptr is overwritten, or when the packet it
//! lies in moves. Source: `process_dynptr_func` in `kernel/bpf/verifier.c` of Linux 6.18.

use super::memory::{Access, Mode, Stored};
use crate::domain::dynptr::{DYNPTR_SLOTS, Dynptr};
use crate::domain::register::{Kind, PointerFlags, Register};
use crate::domain::stack::{STACK_BYTES, position};
use crate::domain::state::{Reference, State};
use crate::refusal::{Check, EINVAL, Refusal, invalid};
use crate::verifier::Verifier;
use skep_abi::helper::DynptrKind;
use skep_isa::Reg;

/// What a callee does with a dynptr argument.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DynptrUse {
    /// Makes one there. A clone shares the reference of what it was made from; 0 asks for one of its own where the kind
    /// has one.
    Makes { kind: DynptrKind, shares: u32 },
    /// Uses an existing one.
    Uses {
        /// It must stand on this.
        kind: Option<DynptrKind>,
        /// One that must not be changed suffices.
        constant: bool,
    },
}

/// Where a register says that a dynptr is.
enum Place {
    /// Frame and first slot.
    At(usize, usize),
    /// Outside of the stack used so far.
    Beyond,
    /// At no place for a dynptr; Linux's words.
    Wrong(String),
}

impl Verifier<'_> {
    /// Checks a dynptr argument and makes what the callee makes.
    pub(crate) fn check_dynptr(&mut self, state: &mut State, reg: Reg, usage: DynptrUse) -> Check<Dynptr> {
        match usage {
            DynptrUse::Makes { kind, shares } => self.make_dynptr(state, reg, kind, shares),
            DynptrUse::Uses { kind, constant } => self.use_dynptr(state, reg, kind, constant),
        }
    }

    fn make_dynptr(&mut self, state: &mut State, reg: Reg, kind: DynptrKind, shares: u32) -> Check<Dynptr> {
        let register = *state.register(reg);
        let unfit = || Refusal::new(EINVAL, "Dynptr has to be an uninitialized dynptr");
        if !matches!(register.kind, Kind::Stack(_)) {
            return Err(unfit());
        }
        if let Place::Wrong(line) = dynptr_place(state, &register) {
            return Err(unfit().after(line));
        }
        // As if the program wrote there: bounds are checked, what was there is gone.
        for half in 0..DYNPTR_SLOTS {
            let offset = 8 * half as i32;
            let write = Access { base: reg, offset, size: 8, mode: Mode::Write(Stored::Data), aligned: false };
            self.check_access(state, write)?;
        }
        let Place::At(frame, first) = dynptr_place(state, &register) else { return Err(unfit()) };
        let mut dynptr = Dynptr { kind, id: self.new_id(), reference: shares };
        if kind.is_referenced() && shares == 0 {
            dynptr.reference = self.new_id();
            state.references.push(Reference::new(dynptr.reference, state.slot));
        }
        state.put_dynptr(frame, first, dynptr);
        self.mark_stack_written(state, frame, halves(first));
        Ok(dynptr)
    }

    fn use_dynptr(&mut self, state: &mut State, reg: Reg, wanted: Option<DynptrKind>, constant: bool) -> Check<Dynptr> {
        let register = *state.register(reg);
        let index = reg.number() - 1;
        let dynptr = if let Kind::ConstantDynptr(kind) = register.kind {
            if !constant {
                return invalid("cannot pass pointer to const bpf_dynptr, the helper mutates it");
            }
            Dynptr { kind, id: register.id, reference: 0 }
        } else {
            let expected = || {
                Refusal::new(EINVAL, format!("Expected an initialized dynptr as arg #{index}"))
                    .hint("a dynptr must be made before it is used, and is gone once it was given back or overwritten")
            };
            let (frame, first) = match dynptr_place(state, &register) {
                Place::At(frame, first) => (frame, first),
                Place::Beyond => return Err(expected()),
                Place::Wrong(line) => return Err(expected().after(line)),
            };
            let dynptr = state.dynptr(frame, first).ok_or_else(expected)?;
            self.mark_stack_read(state, frame, halves(first));
            dynptr
        };
        match wanted {
            Some(wanted) if wanted != dynptr.kind => {
                invalid(format!("Expected a dynptr of type {} as arg #{index}", wanted.name()))
            }
            _ => Ok(dynptr),
        }
    }

    /// Checks that an argument is a dynptr that can be given back.
    pub(crate) fn check_dynptr_release(&self, state: &State, reg: Reg) -> Check {
        let register = state.register(reg);
        if !matches!(register.kind, Kind::Stack(_)) {
            return Err(Refusal::new(EINVAL, "cannot release unowned const bpf_dynptr")
                .hint("a dynptr that was handed in is given back by whoever made it"));
        }
        let unacquired = || Refusal::new(EINVAL, format!("arg {} is an unacquired reference", reg.number()));
        match dynptr_place(state, register) {
            Place::At(frame, first) => match state.dynptr_over(frame, first) {
                Some((_, dynptr)) if dynptr.reference != 0 => Ok(()),
                _ => Err(unacquired()),
            },
            Place::Beyond => Err(unacquired()),
            Place::Wrong(line) => Err(unacquired().after(line)),
        }
    }

    /// Gives back what a dynptr stands on: it, its clones and all their slices are gone. Linux 6.18 overlooks clones in
    /// other frames and the slices that kernel functions gave, and lets programs use them.
    pub(crate) fn release_dynptr(&mut self, state: &mut State, dynptr: &Dynptr) -> Check {
        for (frame, first, clone) in state.dynptrs_of(dynptr.reference) {
            state.remove_dynptr(frame, first);
            self.mark_stack_written(state, frame, halves(first));
            self.invalidate_slices(state, |slice| slice.is_slice_of(clone.id));
        }
        self.release(state, dynptr.reference)
    }

    /// A slot is about to be written. A dynptr there is gone, with its slices; one that must be given back stays.
    /// `true` if there was one.
    pub(crate) fn overwrite_dynptr(&mut self, state: &mut State, frame: usize, slot: usize) -> Check<bool> {
        let Some((first, dynptr)) = state.dynptr_over(frame, slot) else { return Ok(false) };
        if dynptr.kind.is_referenced() {
            return Err(Refusal::new(EINVAL, "cannot overwrite referenced dynptr")
                .hint("what the dynptr stands on could never be given back"));
        }
        self.mark_stack_read(state, frame, halves(first));
        state.remove_dynptr(frame, first);
        let plain = |slice: &Register| (slice.flags - PointerFlags::NULLABLE).is_empty();
        self.invalidate_slices(state, |slice| slice.is_slice_of(dynptr.id) && plain(slice));
        Ok(true)
    }

    fn invalidate_slices(&self, state: &mut State, gone: impl Fn(&Register) -> bool) {
        let left = self.invalidated();
        state.change_each(gone, |slice| *slice = left);
    }
}

/// Bit set of the slots of a dynptr.
fn halves(first: usize) -> u64 {
    1 << first | 1 << (first - 1)
}

fn dynptr_place(state: &State, register: &Register) -> Place {
    let Kind::Stack(frame) = register.kind else { return Place::Beyond };
    let Some(variable) = register.value.as_constant() else {
        return Place::Wrong("dynptr has to be at a constant offset".into());
    };
    let offset = (variable as i64).saturating_add(register.offset.into());
    let wrong = || Place::Wrong(format!("cannot pass in dynptr at an offset={offset}"));
    if offset % 8 != 0 || offset >= 0 {
        return wrong();
    }
    if offset < -i64::from(STACK_BYTES) {
        return Place::Beyond;
    }
    let first = position(offset as i32).0;
    let used = state.frames.get(usize::from(frame)).map_or(0, |frame| frame.stack.len());
    match first {
        first if first + 1 < DYNPTR_SLOTS => wrong(),
        first if first < used => Place::At(frame.into(), first),
        _ => Place::Beyond,
    }
}
