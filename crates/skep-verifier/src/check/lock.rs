//! Locks in map values and objects.
//!
//! A lock is told by where it is: a map or an object, and which of them, by the id of the pointer. One
//! `bpf_spin_lock` may be held, or several of the resilient kind, given back in the reverse order. While one is held
//! nearly nothing may be called. Source: `process_spin_lock` in `kernel/bpf/verifier.c` of Linux 6.18.

use crate::domain::register::{Kind, MapRef, PointerFlags, Register};
use crate::domain::scalar::Scalar;
use crate::domain::state::{Lock, LockKind, LockPlace, State};
use crate::reason::Reason;
use crate::refusal::{Check, EINVAL, Refusal};
use crate::special_fields::Record;
use crate::verifier::Verifier;
use skep_abi::special_field::SpecialKind;
use skep_isa::Reg;

/// What is done with a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LockUse {
    /// Taken, or given back.
    pub(crate) take: bool,
    pub(crate) kind: LockKind,
}

impl LockUse {
    /// The prefix of the functions' names.
    fn name(self) -> &'static str {
        if self.kind == LockKind::Spin { "bpf_spin" } else { "bpf_res_spin" }
    }

    fn field(self) -> SpecialKind {
        if self.kind == LockKind::Spin { SpecialKind::SpinLock } else { SpecialKind::ResilientSpinLock }
    }
}

impl Verifier<'_> {
    /// The special fields of what a register points into; none unless it is a map value or an object.
    pub(crate) fn record_of(&self, register: &Register) -> Option<&Record> {
        match register.kind {
            Kind::MapValue(map) => Some(self.maps.special_fields(map)),
            Kind::Object(object) if register.is_allocated() => Some(&self.objects.get(object).record),
            _ => None,
        }
    }

    /// Whether its id tells locks apart, so that it must be kept.
    pub(crate) fn may_point_to_lock(&self, register: &Register) -> bool {
        self.record_of(register).is_some_and(|record| record.lock().is_some())
    }

    /// Whether values of a map contain a lock.
    pub(crate) fn values_have_lock(&self, map: MapRef) -> bool {
        self.maps.special_fields(map).lock().is_some()
    }

    /// Takes or gives back the lock that an argument points to.
    pub(crate) fn use_lock(&mut self, state: &mut State, reg: Reg, usage: LockUse) -> Check {
        let register = *state.register(reg);
        let (place, owner) = self.lock_owner(reg, &register, usage)?;
        let name = usage.name();
        let record = self.record_of(&register);
        let Some(lock) = record.and_then(|record| record.of_kind(usage.field())) else {
            return Reason::Lock.invalid(format!("{owner} has no valid {name}_lock"));
        };
        let offset = i64::from(register.offset).saturating_add(register.value.smin);
        if offset != i64::from(lock.offset) {
            return Reason::Lock
                .invalid(format!("off {offset} doesn't point to 'struct {name}_lock' that is at {}", lock.offset));
        }
        let lock = Lock { place, id: register.id, slot: state.slot, kind: usage.kind };
        if usage.take { take(state, lock) } else { self.give_back(state, lock, name) }
    }

    /// Takes the lock of the first argument, on this path; on another one that fails.
    pub(crate) fn try_lock(&mut self, state: &mut State, kind: LockKind) -> Check {
        const MAX_ERRNO: i64 = 4095;
        let mut failed = state.clone();
        self.clobber_caller_saved(&mut failed);
        failed.set(Reg::R0, Register::scalar(Scalar::signed_range(-MAX_ERRNO, -1)));
        failed.slot = state.slot + 1;
        self.put_aside(failed, state.slot)?;
        self.use_lock(state, Reg::R1, LockUse { take: true, kind })
    }

    /// Gives back the lock of the first argument.
    pub(crate) fn unlock(&mut self, state: &mut State, kind: LockKind) -> Check {
        self.use_lock(state, Reg::R1, LockUse { take: false, kind })
    }

    /// Where the lock is, and how Linux names that.
    fn lock_owner(&self, reg: Reg, register: &Register, usage: LockUse) -> Check<(LockPlace, String)> {
        let (number, name) = (reg.number(), usage.name());
        if !register.value.is_constant() {
            return Reason::Lock.invalid(format!(
                "R{number} doesn't have constant offset. {name}_lock has to be at the constant offset"
            ));
        }
        let Kind::MapValue(map) = register.kind else { return Ok((LockPlace::Object, "local 'kptr'".to_owned())) };
        let facts = self.maps.facts(map);
        if facts.value_type.is_none() {
            return Reason::Lock.invalid(format!("map '{}' has to have BTF in order to use {name}_lock", facts.name));
        }
        Ok((LockPlace::Map(map), format!("map '{}'", facts.name)))
    }

    fn give_back(&mut self, state: &mut State, lock: Lock, name: &str) -> Check {
        let same = |held: &Lock| held.kind == lock.kind && held.place == lock.place && held.id == lock.id;
        let Some(last) = state.locks.last() else {
            return Reason::Lock.invalid(format!("{name}_unlock without taking a lock"));
        };
        if !state.locks.iter().any(same) {
            return Err(Refusal::new(EINVAL, format!("{name}_unlock of different lock"))
                .of(Reason::Lock)
                .hint("give back the lock that was taken, by a pointer from the same look-up"));
        }
        if !(last.place == lock.place && last.id == lock.id) {
            return Err(Refusal::new(EINVAL, format!("{name}_unlock cannot be out of order"))
                .of(Reason::Lock)
                .hint("give the locks back in the reverse order"));
        }
        state.locks.pop();
        self.forget_non_owning(state);
        Ok(())
    }

    /// What lists and trees lent is gone with the lock.
    fn forget_non_owning(&self, state: &mut State) {
        let left = self.invalidated();
        state.change_each(|r| r.flags.contains(PointerFlags::NON_OWNING), |r| *r = left);
    }

    /// Whether the lock that guards what a register points into is held.
    pub(crate) fn guarding_lock_is_held(&self, state: &State, register: &Register) -> bool {
        let place = match register.kind {
            Kind::MapValue(map) => LockPlace::Map(map),
            _ => LockPlace::Object,
        };
        state.locks.iter().any(|held| held.place == place && held.id == register.id)
    }

    /// Nothing may be held where the program ends or leaves for elsewhere. What leaves a called function only may leave
    /// references behind: its caller has them.
    pub(crate) fn check_nothing_held(&self, state: &State, what: &str) -> Check {
        self.check_nothing_else_held(state, None, what)
    }

    /// The same, but for a reference that goes to whoever called the program.
    pub(crate) fn check_nothing_else_held(&self, state: &State, handed_over: Option<u32>, what: &str) -> Check {
        self.check_no_lock(state, what)?;
        if state.frames.len() == 1 {
            self.check_no_reference(state, handed_over, what)?;
        }
        self.check_no_open_section(state, what)
    }

    /// Nothing at all may be held, in any frame, where the program is left from wherever it is.
    pub(crate) fn check_nothing_left(&self, state: &State, what: &str) -> Check {
        self.check_no_lock(state, what)?;
        self.check_no_reference(state, None, what)?;
        self.check_no_open_section(state, what)
    }

    fn check_no_lock(&self, state: &State, what: &str) -> Check {
        if !state.locks.is_empty() {
            return Reason::Lock.invalid(format!("{what} cannot be used inside bpf_spin_lock-ed region"));
        }
        Ok(())
    }

    fn check_no_reference(&self, state: &State, handed_over: Option<u32>, what: &str) -> Check {
        let mut left = state.references.iter().filter(|reference| Some(reference.id) != handed_over).peekable();
        let Some(first) = left.peek().copied() else { return Ok(()) };
        let mut refusal =
            Refusal::new(EINVAL, format!("{what} would lead to reference leak")).of(Reason::UnreleasedReference);
        for reference in left {
            refusal = refusal.after(format!("Unreleased reference id={} alloc_insn={}", reference.id, reference.slot));
        }
        Err(refusal.hint(format!("what instruction {} acquired must be released on every path", first.slot)))
    }
}

fn take(state: &mut State, lock: Lock) -> Check {
    let resilient = lock.kind != LockKind::Spin;
    if !resilient && state.locks.iter().any(|held| held.kind == LockKind::Spin) {
        return Reason::Lock.invalid("Locking two bpf_spin_locks are not allowed");
    }
    let same = |held: &Lock| held.kind != LockKind::Spin && held.place == lock.place && held.id == lock.id;
    if resilient && state.locks.iter().any(same) {
        return Reason::Lock.invalid("Acquiring the same lock again, AA deadlock detected");
    }
    state.locks.push(lock);
    Ok(())
}
