//! What calls of kernel functions do beyond prototype and flags: one line per rule of the kfunc table. What a line does
//! stands in the file of its subject.

use super::kfunc::KfuncCall;
use super::kfunc_signature::{KfuncResult, KfuncSignature};
use crate::domain::register::{Kind, PointerFlags, Register};
use crate::domain::sections::FlagOwner;
use crate::domain::state::{LockKind, State};
use crate::refusal::{Check, Refusal, invalid};
use crate::verifier::Verifier;
use skep_abi::kfunc::KfuncRule;
use skep_isa::Reg;

impl Verifier<'_> {
    /// Whether what the rule asks for is there, once all arguments are checked; and its effect on the state.
    pub(crate) fn apply_kfunc_rule(
        &mut self,
        state: &mut State,
        function: &KfuncSignature,
        call: &mut KfuncCall,
    ) -> Check {
        let name = function.row.name;
        match function.row.rule {
            // What is to be done with an argument was done there; what the result is, is said below.
            KfuncRule::Plain
            | KfuncRule::NewObject
            | KfuncRule::NewPerCpuObject
            | KfuncRule::DropObject
            | KfuncRule::DropPerCpuObject
            | KfuncRule::ShareObject
            | KfuncRule::UntrustedResult
            | KfuncRule::WritableResult
            | KfuncRule::InterruptSave
            | KfuncRule::InterruptRestore
            | KfuncRule::CastToKernelContext
            | KfuncRule::ReadOnlyCast
            | KfuncRule::DynptrOverSkb
            | KfuncRule::DynptrOverSkbMeta
            | KfuncRule::DynptrOverXdp
            | KfuncRule::DynptrClone
            | KfuncRule::DynptrSlice
            | KfuncRule::DynptrSliceReadWrite => Ok(()),
            KfuncRule::InsertNode => self.insert_node(state, call),
            KfuncRule::TakeLock => self.try_lock(state, LockKind::Resilient),
            KfuncRule::GiveLock => self.unlock(state, LockKind::Resilient),
            KfuncRule::TakeLockInterruptsOff => {
                self.try_lock(state, LockKind::ResilientIrq)?;
                self.save_interrupt_flag(state, Reg::R2, FlagOwner::Lock)
            }
            KfuncRule::GiveLockInterruptsOn => {
                self.unlock(state, LockKind::ResilientIrq)?;
                self.restore_interrupt_flag(state, Reg::R2, FlagOwner::Lock)
            }
            KfuncRule::CallLater => self.call_later(state, call, (0, 0)),
            KfuncRule::CallInTask => self.call_later(state, call, (i32::MIN.into(), i32::MAX.into())),
            KfuncRule::RcuLock => self.enter_rcu(state, name),
            KfuncRule::RcuUnlock => self.leave_rcu(state, name),
            KfuncRule::PreemptDisable => self.disable_preemption(state),
            KfuncRule::PreemptEnable => self.enable_preemption(state, name),
            KfuncRule::DynptrWrite => {
                self.write_through_dynptr(state, call.written_dynptr);
                Ok(())
            }
            KfuncRule::Throw => self.throw(state),
            KfuncRule::CssTaskIterator => self.check_css_task_iterator(state),
            KfuncRule::DeviceBound => invalid("metadata kfuncs require device-bound program"),
            KfuncRule::ChangesPacket => {
                self.forget_packet_pointers(state);
                Ok(())
            }
            KfuncRule::Unverified => Err(unknown(function)),
        }
    }

    /// The result, where the rule says what it is; it may be NULL if the flags say so.
    pub(crate) fn kfunc_rule_result(&mut self, function: &KfuncSignature, call: &KfuncCall) -> Check<Option<Register>> {
        match function.row.rule {
            KfuncRule::CastToKernelContext => self.kernel_context().map(Some),
            KfuncRule::ReadOnlyCast => self.read_only_cast(call).map(Some),
            KfuncRule::DynptrSlice => self.dynptr_slice(call, false).map(Some),
            KfuncRule::DynptrSliceReadWrite => self.dynptr_slice(call, true).map(Some),
            KfuncRule::NewObject => self.new_object(call, false).map(Some),
            KfuncRule::NewPerCpuObject => self.new_object(call, true).map(Some),
            KfuncRule::ShareObject => self.same_object(call).map(Some),
            KfuncRule::TakeLock | KfuncRule::TakeLockInterruptsOff => Ok(Some(Register::constant(0))),
            KfuncRule::WritableResult => Ok(Some(Register::pointer(Kind::Memory(8)))),
            KfuncRule::UntrustedResult => match function.result {
                KfuncResult::Object(id) => {
                    Ok(Some(Register::pointer(Kind::Btf(id)).with_flags(PointerFlags::UNTRUSTED)))
                }
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// What a function does with the interrupt flag in its argument.
    pub(crate) fn check_interrupt_flag(&mut self, state: &mut State, function: &KfuncSignature, reg: Reg) -> Check {
        match function.row.rule {
            KfuncRule::InterruptSave => self.save_interrupt_flag(state, reg, FlagOwner::Plain),
            KfuncRule::InterruptRestore => self.restore_interrupt_flag(state, reg, FlagOwner::Plain),
            // Together with the lock, once all arguments are checked.
            KfuncRule::TakeLockInterruptsOff | KfuncRule::GiveLockInterruptsOn => Ok(()),
            _ => Err(unknown(function)),
        }
    }
}

fn unknown(function: &KfuncSignature) -> Refusal {
    Refusal::unsupported(format!("calls of kernel function {}", function.row.name))
}
