//! Spin locks: one at a time, given back in the function that took it, no calls in between.

use crate::domain::register::{Kind, MapRef, Register};
use crate::domain::state::{Lock, State};
use crate::map_table::MapTable;
use crate::refusal::{Check, EINVAL, Refusal, invalid};
use crate::verifier::Verifier;
use skep_abi::special_field::SpecialKind;
use skep_isa::Reg;

/// Whether a map's values contain a spin lock.
pub(crate) fn has_lock(maps: &MapTable<'_>, map: MapRef) -> bool {
    maps.special_fields(map).iter().any(|f| f.kind == SpecialKind::SpinLock)
}

impl Verifier<'_> {
    /// The argument of the helpers that take or release a lock.
    pub(crate) fn check_lock_argument(
        &mut self,
        state: &mut State,
        reg: Reg,
        register: &Register,
        take: bool,
    ) -> Check {
        let number = reg.number();
        let Kind::MapValue(map) = register.kind else {
            return invalid(format!("R{number} doesn't point to a map value with a lock"));
        };
        let name = if take { "lock" } else { "unlock" };
        if !register.value.is_constant() {
            return invalid(format!(
                "R{number} doesn't have constant offset. bpf_spin_lock has to be at the constant offset"
            ));
        }
        let facts = self.maps.facts(map);
        if facts.value_type.is_none() {
            return invalid(format!("map '{}' has to have BTF in order to use bpf_spin_lock", facts.name));
        }
        let lock = self.maps.special_fields(map).iter().find(|f| f.kind == SpecialKind::SpinLock);
        let Some(lock) = lock else {
            return invalid(format!("map '{}' has no valid bpf_spin_lock", facts.name));
        };
        let offset = i64::from(register.offset) + register.value.smin;
        if offset != i64::from(lock.offset) {
            return invalid(format!("off {offset} doesn't point to 'struct bpf_spin_lock' that is at {}", lock.offset));
        }
        match (take, state.lock) {
            (true, Some(_)) => invalid("Locking two bpf_spin_locks are not allowed"),
            (true, None) => {
                state.lock = Some(Lock { map, id: register.id, slot: state.slot });
                Ok(())
            }
            (false, None) => invalid(format!("bpf_spin_{name} without taking a lock")),
            (false, Some(held)) if held.map != map || held.id != register.id => {
                invalid(format!("bpf_spin_{name} of different lock"))
            }
            (false, Some(_)) => {
                state.lock = None;
                Ok(())
            }
        }
    }

    /// Nothing may be held where the program ends or leaves for elsewhere. What leaves a called function only may leave
    /// references behind: its caller has them.
    pub(crate) fn check_nothing_held(&self, state: &State, what: &str) -> Check {
        self.check_no_lock(state, what)?;
        if state.frames.len() == 1 {
            self.check_no_reference(state, what)?;
        }
        self.check_no_open_section(state, what)
    }

    /// Nothing at all may be held, in any frame, where the program is left from wherever it is.
    pub(crate) fn check_nothing_left(&self, state: &State, what: &str) -> Check {
        self.check_no_lock(state, what)?;
        self.check_no_reference(state, what)?;
        self.check_no_open_section(state, what)
    }

    fn check_no_lock(&self, state: &State, what: &str) -> Check {
        if state.lock.is_some() {
            return invalid(format!("{what} cannot be used inside bpf_spin_lock-ed region"));
        }
        Ok(())
    }

    fn check_no_reference(&self, state: &State, what: &str) -> Check {
        let Some(first) = state.references.first() else { return Ok(()) };
        let mut refusal = Refusal::new(EINVAL, format!("{what} would lead to reference leak"));
        for reference in &state.references {
            refusal = refusal.after(format!("Unreleased reference id={} alloc_insn={}", reference.id, reference.slot));
        }
        Err(refusal.hint(format!("what instruction {} acquired must be released on every path", first.slot)))
    }
}
