//! The two kernels a command can speak to.

use crate::error::Failure;
use clap::ValueEnum;
use skep_kernel::Kernel;
use std::sync::Arc;

/// `--kernel`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Choice {
    /// Skep's own, in this process; needs no privilege
    User,
    /// The running Linux; needs root
    Linux,
}

impl Choice {
    /// Opens the kernel.
    pub(crate) fn open(self) -> Result<Arc<dyn Kernel>, Failure> {
        Ok(match self {
            Choice::User => skep_user::UserKernel::new(skep_user::Config::default()),
            Choice::Linux => {
                skep_linux::LinuxKernel::open().map_err(|e| Failure::because("cannot use Linux's BPF", &e))?
            }
        })
    }
}
