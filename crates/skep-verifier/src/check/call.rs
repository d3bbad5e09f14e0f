//! Calls of helpers: whether the program may make them, their arguments, and what they leave behind.

use super::arguments::CallFacts;
use super::lock::LockUse;
use crate::domain::register::{Kind, Register};
use crate::domain::state::{LockKind, State};
use crate::reason::Reason;
use crate::refusal::{Check, EINVAL, Refusal, denied, invalid};
use crate::tables;
use crate::verifier::Verifier;
use skep_abi::helper::{HelperFlags, HelperProto};
use skep_isa::Reg;

/// Registers that a call leaves undefined.
const CALLER_SAVED: [Reg; 6] = [Reg::R0, Reg::R1, Reg::R2, Reg::R3, Reg::R4, Reg::R5];

impl Verifier<'_> {
    /// A call of the helper of that number.
    pub(crate) fn call_helper(&mut self, state: &mut State, slot: usize, id: i32) -> Check {
        let helper = u32::try_from(id).ok().and_then(tables::helper);
        let Some(helper) = helper else {
            return Reason::HelperNotAllowed.invalid(format!("invalid func unknown#{id}"));
        };
        self.check_may_call(helper)?;
        self.check_helper_may_sleep(state, helper)?;
        self.check_state_for_call(state, helper)?;
        let mut facts = CallFacts::default();
        for index in 0..self.helper_args(helper).len() {
            self.check_argument(state, helper, index, &mut facts)?;
        }
        self.check_map_argument(helper, &facts)?;
        self.note_call(state, slot, helper, &facts);
        if helper.flags.contains(HelperFlags::TAIL_CALL) {
            self.check_nothing_held(state, helper.name)?;
        }
        if let Some(reg) = facts.lock {
            if self.orders_tree(state) {
                return denied("can't spin_{lock,unlock} in rbtree cb");
            }
            let take = helper.flags.contains(HelperFlags::LOCKS);
            self.use_lock(state, reg, LockUse { take, kind: LockKind::Spin })?;
        }
        self.check_kept_memory(state, helper)?;
        self.check_format(state, helper)?;
        for range in std::mem::take(&mut facts.fills) {
            self.fill_stack(state, range);
        }
        if let Some(reference) = facts.released.filter(|r| *r != 0) {
            match facts.exchange {
                Some(_) => self.move_into_field(state, reference)?,
                None => self.release(state, reference)?,
            }
        }
        if helper.flags.contains(HelperFlags::RELEASES)
            && let Some(dynptr) = facts.dynptr
        {
            self.release_dynptr(state, &dynptr)?;
        }
        if helper.flags.contains(HelperFlags::WRITES_DYNPTR) {
            self.write_through_dynptr(state, facts.dynptr.map(|dynptr| dynptr.kind));
        }
        self.start_callback(state, slot, helper, &facts)?;
        self.clobber_caller_saved(state);
        let result = self.returned(state, helper, &facts)?;
        state.set(Reg::R0, result);
        if helper.flags.contains(HelperFlags::CHANGES_PACKET) {
            self.forget_packet_pointers(state);
        }
        Ok(())
    }

    /// Registers r0 to r5 hold nothing after a call.
    pub(crate) fn clobber_caller_saved(&self, state: &mut State) {
        for reg in CALLER_SAVED {
            state.set(reg, Register::UNINITIALISED);
        }
    }

    /// Licence, program type and privileges.
    fn check_may_call(&self, helper: &HelperProto) -> Check {
        let has = self.interface_has_helper(helper);
        let has = has.unwrap_or_else(|| self.info.has_helper(self.attach_type, helper.name));
        if !has || !tables::loader_may_call(helper, self.options.capabilities) {
            return Err(Refusal::new(
                EINVAL,
                format!("program of this type cannot use helper bpf_{}#{}", helper.name, helper.id),
            )
            .of(Reason::HelperNotAllowed)
            .hint(format!("`{}` programs do not have this helper", self.info.name)));
        }
        if helper.flags.contains(HelperFlags::GPL_ONLY) && !self.program.gpl_compatible {
            return Err(Refusal::new(EINVAL, "cannot call GPL-restricted function from non-GPL compatible program")
                .of(Reason::Licence)
                .hint("declare a GPL-compatible licence: char LICENSE[] SEC(\"license\") = \"GPL\";"));
        }
        Ok(())
    }

    /// While a lock is held nearly nothing may be called.
    fn check_state_for_call(&self, state: &State, helper: &HelperProto) -> Check {
        let allowed = helper.flags.intersects(HelperFlags::ALLOWED_IN_LOCK | HelperFlags::UNLOCKS);
        if !state.locks.is_empty() && !allowed {
            return Reason::Lock.invalid("function calls are not allowed while holding a lock");
        }
        Ok(())
    }

    /// Memory that a dynptr keeps must outlive the frame and the packet.
    fn check_kept_memory(&self, state: &State, helper: &HelperProto) -> Check {
        let memory = state.register(Reg::R1);
        if helper.flags.contains(HelperFlags::MEMORY_OF_MAP) && !matches!(memory.kind, Kind::MapValue(_)) {
            return denied(format!("Unsupported reg type {} for bpf_{} data", memory.type_name(), helper.name));
        }
        Ok(())
    }

    /// Whether the map is one that this helper works on.
    fn check_map_argument(&self, helper: &HelperProto, facts: &CallFacts) -> Check {
        let Some((map, _)) = facts.map else { return Ok(()) };
        let about = self.maps.facts(map);
        let info = tables::map_info(about.map_type);
        let fits = info.helpers.contains(&helper.name)
            && tables::may_change_sockets(self.info, self.attach_type, info, helper);
        if !fits && helper.flags.contains(HelperFlags::TAIL_CALL) {
            return invalid("expected prog array map for tail call");
        }
        if !fits {
            return Reason::Argument.invalid(format!(
                "cannot pass map_type {} into func bpf_{}#{}",
                about.map_type.number(),
                helper.name,
                helper.id
            ));
        }
        Ok(())
    }

    /// Gives a reference back: everything that lived by it is gone.
    pub(crate) fn release(&mut self, state: &mut State, reference: u32) -> Check {
        if !state.holds(reference) {
            return Reason::NotAcquired.denied("reference has not been acquired before");
        }
        state.references.retain(|r| r.id != reference);
        let left = self.invalidated();
        state.change_each(|r| r.reference == reference, |r| *r = left);
        Ok(())
    }

    /// What a pointer becomes when its object is gone: Linux leaves nothing readable to unprivileged programs, a number
    /// to others.
    pub(crate) fn invalidated(&self) -> Register {
        if self.may_leak_pointers() { Register::UNKNOWN } else { Register::UNINITIALISED }
    }
}
