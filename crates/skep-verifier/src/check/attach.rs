//! What must be true of a program and its attach target before any instruction is looked at.
//!
//! Source: `check_attach_btf_id` in `kernel/bpf/verifier.c` of Linux 6.18. Which kernel functions may fail by injection,
//! and so run sleepable programs, is not in BTF: that is left to the kernel.

use crate::reason::Reason;
use crate::refusal::{Check, EINVAL, Refusal};
use crate::verifier::Verifier;

impl Verifier<'_> {
    /// Whether such a program may be attached where it says.
    pub(crate) fn check_attach(&self) -> Check {
        let (sleepable, attach_type) = (self.program.sleepable, self.attach_type);
        if self.info.always_sleepable && !sleepable {
            return Err(Refusal::new(EINVAL, "Syscall programs can only be sleepable").of(Reason::Sleeping));
        }
        if sleepable && !crate::tables::may_be_sleepable(self.info, attach_type) {
            let which = "Only fentry/fexit/fmod_ret, lsm, iter, uprobe, and struct_ops programs can be sleepable";
            return Err(Refusal::new(EINVAL, which).of(Reason::Sleeping));
        }
        self.check_interface()?;
        self.check_target_program()?;
        let Some(target) = self.program.attach_target.as_ref().filter(|_| crate::tables::is_hook(attach_type)) else {
            return Ok(());
        };
        if sleepable && !skep_abi::lsm_hook::may_sleep(&target.name) {
            return Err(Refusal::new(EINVAL, format!("{} is not sleepable", target.name)).of(Reason::Sleeping));
        }
        if !self.program.gpl_compatible {
            return Err(Refusal::new(EINVAL, "LSM programs must have a GPL compatible license").of(Reason::Licence));
        }
        Ok(())
    }
}
