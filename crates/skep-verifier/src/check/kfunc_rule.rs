//! What calls of kernel functions do beyond prototype and flags: one line per rule of the kfunc table. What a line does
//! stands in the file of its subject.

use super::kfunc_signature::KfuncSignature;
use crate::domain::state::State;
use crate::refusal::{Check, Refusal};
use crate::verifier::Verifier;
use skep_abi::kfunc::KfuncRule;

impl Verifier<'_> {
    /// Whether what the rule asks for is there, once all arguments are checked; and its effect on the state.
    pub(crate) fn apply_kfunc_rule(&mut self, _state: &mut State, function: &KfuncSignature) -> Check {
        match function.row.rule {
            KfuncRule::Plain => Ok(()),
            KfuncRule::Unverified => {
                Err(Refusal::unsupported(format!("calls of kernel function {}", function.row.name)))
            }
        }
    }
}
