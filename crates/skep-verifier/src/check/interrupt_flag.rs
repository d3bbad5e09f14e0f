//! Interrupts held off: the flag is saved in a slot of the stack, and restored from it in the opposite order.
//!
//! A slot with a flag has [`ByteKind::InterruptFlag`] in all its bytes and, as its register, the flag's identity and
//! whose it is. Only restoring empties it; overwriting it loses the flag, which then can never be restored.

use crate::domain::register::{Kind, Register};
use crate::domain::sections::{FlagOwner, InterruptsOff};
use crate::domain::stack::{ByteKind, STACK_BYTES, StackSlot, position};
use crate::domain::state::State;
use crate::refusal::{Check, EACCES, EINVAL, Refusal, invalid};
use crate::verifier::Verifier;
use skep_isa::Reg;

/// The slot of a frame's stack that an argument names.
#[derive(Clone, Copy, Debug)]
struct FlagPlace {
    frame: usize,
    index: usize,
}

impl Verifier<'_> {
    /// Interrupts are held off from here on; the argument says where the flag is kept.
    pub(crate) fn save_interrupt_flag(&mut self, state: &mut State, reg: Reg, owner: FlagOwner) -> Check {
        let argument = reg.number() - 1;
        let uninitialised = format!("expected uninitialized irq flag as arg#{argument}");
        let place = self.flag_place(state, reg).map_err(|refusal| concluded(&refusal, &uninitialised))?;
        let register = *state.register(reg);
        let taken = |slot: &StackSlot| slot.bytes.contains(&ByteKind::InterruptFlag);
        if state.frames[place.frame].stack.get(place.index).is_some_and(taken) {
            return invalid(uninitialised);
        }
        self.stack_range(state, reg, &register, 0, 8, true)?;
        self.overwrite_dynptr(state, place.frame, place.index)?;
        let id = self.new_id();
        state.sections.interrupts_off.push(InterruptsOff { id, slot: state.slot });
        let flag = Register { reference: id, ..Register::pointer(Kind::InterruptFlag(owner)) };
        state.stack_mut(place.frame, place.index + 1)[place.index] =
            StackSlot { bytes: [ByteKind::InterruptFlag; 8], spilled: flag };
        self.mark_stack_written(state, place.frame, 1 << place.index);
        Ok(())
    }

    /// Interrupts are as they were before the flag was saved.
    pub(crate) fn restore_interrupt_flag(&mut self, state: &mut State, reg: Reg, owner: FlagOwner) -> Check {
        let missing = format!("expected an initialized irq flag as arg#{}", reg.number() - 1);
        let place = self.flag_place(state, reg).map_err(|refusal| concluded(&refusal, &missing))?;
        let found = state.frames[place.frame].stack.get(place.index);
        let found = found.filter(|slot| slot.bytes == [ByteKind::InterruptFlag; 8]).map(|slot| slot.spilled);
        let Some(Register { kind: Kind::InterruptFlag(saved_by), reference, .. }) = found else {
            return Err(Refusal::new(EINVAL, missing).hint("a flag is restored once, from where it was saved"));
        };
        self.mark_stack_read(state, place.frame, 1 << place.index);
        if saved_by != owner {
            return invalid(format!(
                "irq flag acquired by {} kfuncs cannot be restored with {} kfuncs",
                saved_by.name(),
                owner.name()
            ));
        }
        match state.sections.interrupts_off.last() {
            Some(last) if last.id == reference => state.sections.interrupts_off.pop(),
            last => {
                let (id, slot) = last.map_or((0, 0), |last| (last.id, last.slot));
                return Err(Refusal::new(
                    EACCES,
                    format!("cannot restore irq state out of order, expected id={id} acquired at insn_idx={slot}"),
                )
                .hint("flags are restored in the opposite order of saving"));
            }
        };
        state.stack_mut(place.frame, place.index + 1)[place.index] = StackSlot::EMPTY;
        self.mark_stack_written(state, place.frame, 1 << place.index);
        Ok(())
    }

    fn flag_place(&self, state: &State, reg: Reg) -> Check<FlagPlace> {
        let register = state.register(reg);
        let Kind::Stack(frame) = register.kind else {
            return invalid(format!("arg#{} doesn't point to an irq flag on stack", reg.number() - 1));
        };
        let Some(variable) = register.value.as_constant() else {
            return invalid("irq_flag has to be at a constant offset");
        };
        let offset = (variable as i64).saturating_add(register.offset.into());
        if offset % 8 != 0 || offset >= 0 {
            return invalid(format!("cannot pass in irq_flag at an offset={offset}"));
        }
        // What lies below the stack is in no slot.
        let lowest = -i64::from(STACK_BYTES) - 8;
        Ok(FlagPlace { frame: frame.into(), index: position(offset.max(lowest) as i32).0 })
    }
}

/// What is wrong with the place, and then that there is no flag; a pointer to elsewhere is all there is to say.
fn concluded(refusal: &Refusal, conclusion: &str) -> Refusal {
    if refusal.message.starts_with("arg#") {
        return refusal.clone();
    }
    Refusal::new(refusal.errno, conclusion).after(refusal.message.clone())
}
