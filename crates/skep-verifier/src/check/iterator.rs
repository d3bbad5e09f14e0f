//! Iterators that programs step through themselves: an object on the stack, begun, advanced and ended by kernel
//! functions.
//!
//! A loop over an iterator ends because the kernel's sequence ends. So after each step the path on which there was an
//! element goes back into the loop with numbers that decided nothing widened, until its state is one seen before; the
//! path on which there was none leaves it. Source: `process_iter_next_call` in `kernel/bpf/verifier.c` of Linux 6.18.

use super::kfunc_signature::KfuncSignature;
use crate::domain::register::{Kind, PointerFlags, Register};
use crate::domain::stack::{ByteKind, STACK_BYTES, StackSlot, position};
use crate::domain::state::{Reference, State};
use crate::reason::Reason;
use crate::refusal::{Check, EINVAL, EPROTO, Refusal, invalid};
use crate::verifier::Verifier;
use skep_abi::attach_type::AttachType;
use skep_abi::kfunc::KfuncFlags;
use skep_btf::TypeId;
use skep_isa::Reg;

/// Where an iterator lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IteratorPlace {
    frame: usize,
    /// Its lowest address is that of this slot, the highest in number.
    first: usize,
    /// Slots.
    count: usize,
    /// Its type.
    ty: TypeId,
}

impl IteratorPlace {
    fn slots(&self) -> std::ops::RangeInclusive<usize> {
        self.first + 1 - self.count..=self.first
    }

    fn slot_set(&self) -> u64 {
        self.slots().fold(0, |set, slot| set | 1 << slot)
    }
}

impl Verifier<'_> {
    /// The iterator argument of a function: checked, and for functions that begin or end iterations, done.
    pub(crate) fn check_iterator(
        &mut self,
        state: &mut State,
        function: &KfuncSignature,
        ty: TypeId,
    ) -> Check<(IteratorPlace, u32)> {
        let place = self.iterator_place(state, ty)?;
        let name = self.kernel_btf()?.name(ty);
        let name = name.strip_prefix("bpf_").unwrap_or(name).to_owned();
        let stack = &state.frames[place.frame].stack;
        let slot = |index: usize| stack.get(index).unwrap_or(&StackSlot::EMPTY);
        if function.has(KfuncFlags::ITER_NEW) {
            if place.slots().any(|index| slot(index).bytes.contains(&ByteKind::Iterator)) {
                return invalid(format!("expected uninitialized {name} as arg #0"));
            }
            for index in place.slots() {
                self.overwrite_dynptr(state, place.frame, index)?;
            }
            let id = self.new_id();
            state.references.push(Reference::new(id, state.slot));
            self.begin(state, function, place, id);
            return Ok((place, id));
        }
        let reference = slot(place.first).spilled.reference;
        let begun = reference != 0 && place.slots().all(|index| is_iterator(slot(index), ty, index == place.first));
        if !begun {
            return Err(Refusal::new(EINVAL, format!("expected an initialized {name} as arg #0"))
                .hint("an iterator must be begun before it is advanced, and not used after it was ended"));
        }
        if slot(place.first).spilled.flags.contains(PointerFlags::UNTRUSTED) {
            return Err(Refusal::new(EPROTO, format!("expected an RCU CS when using {}", function.row.name))
                .hint("the RCU read section must last from the beginning of the iteration to its end"));
        }
        self.mark_stack_read(state, place.frame, place.slot_set());
        Ok((place, reference))
    }

    /// Where the first argument points to.
    fn iterator_place(&mut self, state: &State, ty: TypeId) -> Check<IteratorPlace> {
        let register = *state.register(Reg::R1);
        let Kind::Stack(frame) = register.kind else {
            return Reason::Argument.invalid("arg#0 expected pointer to an iterator on stack");
        };
        let bytes = self.kernel_btf()?.size_of(ty).and_then(|size| usize::try_from(size).ok());
        let Some(count) = bytes.map(|bytes| bytes.div_ceil(8)).filter(|count| (1..=64).contains(count)) else {
            return invalid("arg#0 is of an unknown iterator type");
        };
        let Some(variable) = register.value.as_constant() else {
            return invalid("iter has to be at a constant offset");
        };
        let offset = (variable as i64).saturating_add(register.offset.into());
        if offset % 8 != 0 || !(-i64::from(STACK_BYTES)..0).contains(&offset) {
            return invalid(format!("cannot pass in iter at an offset={offset}"));
        }
        let first = position(offset as i32).0;
        if first + 1 < count {
            return invalid(format!("cannot pass in iter at an offset={offset}"));
        }
        self.stack_range(state, Reg::R1, &register, 0, (8 * count) as u32, true)?;
        Ok(IteratorPlace { frame: frame.into(), first, count, ty })
    }

    /// Whether the program may go over the tasks of a cgroup.
    pub(crate) fn check_css_task_iterator(&self, state: &State) -> Check {
        if state.sleepable || self.attach_type.is_some_and(AttachType::iterates_css_tasks) {
            return Ok(());
        }
        Reason::Sleeping.invalid("css_task_iter is only allowed in bpf_lsm, bpf_iter and sleepable progs")
    }

    fn begin(&mut self, state: &mut State, function: &KfuncSignature, place: IteratorPlace, id: u32) {
        let trust = match function.has(KfuncFlags::RCU_PROTECTED) {
            true if self.in_rcu_section(state) => PointerFlags::RCU,
            true => PointerFlags::UNTRUSTED,
            false => PointerFlags::TRUSTED,
        };
        let stack = state.stack_mut(place.frame, place.first + 1);
        for index in place.slots() {
            let kind = Kind::Iterator { ty: place.ty, active: true };
            let reference = if index == place.first { id } else { 0 };
            stack[index] = StackSlot {
                bytes: [ByteKind::Iterator; 8],
                spilled: Register { reference, ..Register::pointer(kind).with_flags(trust) },
            };
        }
        self.mark_stack_written(state, place.frame, place.slot_set());
    }

    /// The iterator is gone; its bytes hold nothing.
    pub(crate) fn end_iterator(&mut self, state: &mut State, place: IteratorPlace, reference: u32) -> Check {
        self.release(state, reference)?;
        let stack = state.stack_mut(place.frame, place.first + 1);
        for index in place.slots() {
            stack[index] = StackSlot::EMPTY;
        }
        self.mark_stack_written(state, place.frame, place.slot_set());
        Ok(())
    }

    /// After a step: the path with an element waits, the path without one goes on.
    pub(crate) fn advance_iterator(&mut self, state: &mut State, slot: usize, place: IteratorPlace) -> Check {
        let stack = &state.frames[place.frame].stack;
        let active = is_active(stack, place.first);
        let reference = stack.get(place.first).map_or(0, |slot| slot.spilled.reference);
        if active {
            let mut again = state.clone();
            again.count_steps(reference, |steps| steps.saturating_add(1));
            let element = again.register_mut(Reg::R0);
            element.flags -= PointerFlags::NULLABLE;
            element.id = 0;
            let before = state.parent.and_then(|here| self.exploration.checkpoints.parent(here));
            self.widen_since_last_visit(&mut again, before);
            again.slot = slot + 1;
            again.step = self.record(state.step, slot);
            self.put_aside(again, slot)?;
        }
        // An iterator that has ended keeps no loop going.
        state.count_steps(reference, |_| 0);
        let stack = state.stack_mut(place.frame, place.first + 1);
        for index in place.slots() {
            stack[index].spilled.kind = Kind::Iterator { ty: place.ty, active: false };
        }
        state.set(Reg::R0, Register::constant(0));
        Ok(())
    }

    /// Whether the call at the state's slot would advance an iterator that may have another element.
    pub(crate) fn may_have_next(&self, state: &State) -> bool {
        let register = state.register(Reg::R1);
        let (Kind::Stack(frame), Some(variable)) = (register.kind, register.value.as_constant()) else { return false };
        let offset = (variable as i64).saturating_add(register.offset.into());
        let inside = (-i64::from(STACK_BYTES)..0).contains(&offset);
        inside
            && state
                .frames
                .get(usize::from(frame))
                .is_some_and(|frame| is_active(&frame.stack, position(offset as i32).0))
    }
}

fn is_active(stack: &[StackSlot], index: usize) -> bool {
    let kind = stack.get(index).map(|slot| slot.spilled.kind);
    matches!(kind, Some(Kind::Iterator { active: true, .. }))
}

/// Whether all of a slot belongs to an iterator of that type; only its first slot has the reference.
fn is_iterator(slot: &StackSlot, ty: TypeId, first: bool) -> bool {
    slot.bytes == [ByteKind::Iterator; 8]
        && matches!(slot.spilled.kind, Kind::Iterator { ty: found, .. } if found == ty)
        && (slot.spilled.reference != 0) == first
}
