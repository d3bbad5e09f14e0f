//! RCU read sections and sections without preemption: entering, leaving, and what may not be done inside.
//!
//! What is in a section must not sleep. What an RCU read section keeps alive is untrusted once it is left. Programs that cannot sleep run inside an RCU read section from beginning to end.

use crate::domain::register::PointerFlags;
use crate::domain::state::State;
use crate::reason::Reason;
use crate::refusal::{Check, EINVAL, Refusal, invalid};
use crate::verifier::Verifier;
use skep_abi::helper::{HelperFlags, HelperProto};

impl Verifier<'_> {
    /// Whether RCU keeps alive what the path finds: by a section, by a lock, or because the program cannot sleep.
    pub(crate) fn in_rcu_section(&self, state: &State) -> bool {
        state.sections.rcu || !state.locks.is_empty() || !state.sleepable
    }

    /// Enters an RCU read section.
    pub(crate) fn enter_rcu(&self, state: &mut State, name: &str) -> Check {
        if state.sections.rcu {
            return Err(Refusal::new(EINVAL, format!("nested rcu read lock (kernel function {name})"))
                .hint("one RCU read section protects all that is read in it; this kernel does not let them nest"));
        }
        state.sections.rcu = true;
        Ok(())
    }

    /// Leaves an RCU read section: what it kept alive may be gone.
    pub(crate) fn leave_rcu(&self, state: &mut State, name: &str) -> Check {
        if !state.sections.rcu {
            return invalid(format!("unmatched rcu read unlock (kernel function {name})"));
        }
        state.sections.rcu = false;
        state.change_protected(|register| {
            register.flags -= PointerFlags::RCU | PointerFlags::NULLABLE;
            register.flags |= PointerFlags::UNTRUSTED;
        });
        Ok(())
    }

    /// Enters a section without preemption.
    pub(crate) fn disable_preemption(&self, state: &mut State) -> Check {
        state.sections.preemption_off = state.sections.preemption_off.saturating_add(1);
        Ok(())
    }

    /// Leaves one.
    pub(crate) fn enable_preemption(&self, state: &mut State, name: &str) -> Check {
        if state.sections.preemption_off == 0 {
            return invalid(format!("unmatched attempt to enable preemption (kernel function {name})"));
        }
        state.sections.preemption_off -= 1;
        Ok(())
    }

    /// A helper that may sleep needs a program that may, outside of all sections.
    pub(crate) fn check_helper_may_sleep(&self, state: &State, helper: &HelperProto) -> Check {
        if !helper.flags.contains(HelperFlags::MIGHT_SLEEP) {
            return Ok(());
        }
        if !state.sleepable {
            return Err(Refusal::new(EINVAL, "helper call might sleep in a non-sleepable prog")
                .of(Reason::Sleeping)
                .hint("sleepable programs have sections that end in `.s`, such as SEC(\"fentry.s/...\")"));
        }
        match open_region(state) {
            Some(region) => {
                Reason::Sleeping.invalid(format!("sleepable helper bpf_{}#{} in {region}", helper.name, helper.id))
            }
            None => Ok(()),
        }
    }

    /// The same for a kernel function, known to be called from a sleepable program.
    pub(crate) fn check_kfunc_may_sleep(&self, state: &State, name: &str) -> Check {
        match open_region(state) {
            Some(region) => Reason::Sleeping.denied(format!("kernel func {name} is sleepable within {region}")),
            None => Ok(()),
        }
    }

    /// A global function that may sleep needs the same as what it calls.
    pub(crate) fn check_global_may_sleep(&self, state: &State, subprogram: usize) -> Check {
        if !self.effects.might_sleep(subprogram) || state.sleepable && state.sections.open().is_none() {
            return Ok(());
        }
        Err(Refusal::new(EINVAL, "a non-sleepable BPF program context")
            .of(Reason::Sleeping)
            .after("global functions that may sleep are not allowed in non-sleepable context,")
            .after("i.e., in a RCU/IRQ/preempt-disabled section, or in"))
    }

    /// No section may be open where the program ends or leaves for elsewhere.
    pub(crate) fn check_no_open_section(&self, state: &State, what: &str) -> Check {
        match state.sections.open() {
            Some(section) => Err(Refusal::new(EINVAL, format!("{what} cannot be used inside {section}-ed region"))
                .hint("leave the section on every path that leads here")),
            None => Ok(()),
        }
    }
}

/// The section that keeps the path from sleeping, in Linux's words.
fn open_region(state: &State) -> Option<&'static str> {
    if state.sections.rcu {
        Some("rcu_read_lock region")
    } else if state.sections.preemption_off > 0 {
        Some("non-preemptible region")
    } else if !state.sections.interrupts_off.is_empty() {
        Some("IRQ-disabled region")
    } else {
        None
    }
}
