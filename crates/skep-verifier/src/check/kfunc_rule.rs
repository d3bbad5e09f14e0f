//! What calls of kernel functions do beyond prototype and flags: one line per rule of the kfunc table. What a line does
//! stands in the file of its subject.

use super::kfunc_signature::KfuncSignature;
use crate::domain::sections::FlagOwner;
use crate::domain::state::State;
use crate::refusal::{Check, Refusal};
use crate::verifier::Verifier;
use skep_abi::kfunc::KfuncRule;
use skep_isa::Reg;

impl Verifier<'_> {
    /// Whether what the rule asks for is there, once all arguments are checked; and its effect on the state.
    pub(crate) fn apply_kfunc_rule(&mut self, state: &mut State, function: &KfuncSignature) -> Check {
        let name = function.row.name;
        match function.row.rule {
            // The flag is the argument, and what is to be done with it was done there.
            KfuncRule::Plain | KfuncRule::InterruptSave | KfuncRule::InterruptRestore => Ok(()),
            KfuncRule::RcuLock => self.enter_rcu(state, name),
            KfuncRule::RcuUnlock => self.leave_rcu(state, name),
            KfuncRule::PreemptDisable => self.disable_preemption(state),
            KfuncRule::PreemptEnable => self.enable_preemption(state, name),
            KfuncRule::Unverified => Err(unknown(function)),
        }
    }

    /// What a function does with the interrupt flag in its argument.
    pub(crate) fn check_interrupt_flag(&mut self, state: &mut State, function: &KfuncSignature, reg: Reg) -> Check {
        match function.row.rule {
            KfuncRule::InterruptSave => self.save_interrupt_flag(state, reg, FlagOwner::Plain),
            KfuncRule::InterruptRestore => self.restore_interrupt_flag(state, reg, FlagOwner::Plain),
            _ => Err(unknown(function)),
        }
    }
}

fn unknown(function: &KfuncSignature) -> Refusal {
    Refusal::unsupported(format!("calls of kernel function {}", function.row.name))
}
