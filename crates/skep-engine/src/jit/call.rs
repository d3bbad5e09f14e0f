//! Calls as the back ends see them.
//!
//! A call leaves r1 to r5 as they were, as far as they are still needed: that is how the interpreter works, and what
//! programs rely on that are compiled for `bpf_fastcall`.

use super::inst::{Register, Registers};
use crate::direct::Direct;

/// What is called and how.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    /// A helper through the environment.
    Helper { id: u32 },
    /// A helper that may continue in another program instead of returning.
    TailCall { id: u32 },
    /// A helper as a plain function, or work that is done in place.
    Direct(Direct),
    /// A kernel function through the environment.
    Kfunc { id: u32, btf: i16 },
    /// A function of the program, by its first slot.
    Function { slot: u32 },
    /// What a register holds: a function of the program or the number of a helper.
    Register(Register),
}

impl Call {
    /// What it reads.
    pub(crate) fn uses(&self) -> Registers {
        match self {
            Call::Direct(Direct::Array { .. } | Direct::PerCpuArray { .. }) => Register::R2.bit(),
            Call::Direct(Direct::Fact { .. }) => Registers::NONE,
            Call::Direct(Direct::Function { data: Some(_), .. }) => Registers::ARGUMENTS.without(Register::R1.bit()),
            Call::Register(register) => Registers::ARGUMENTS.union(register.bit()),
            _ => Registers::ARGUMENTS,
        }
    }

    /// Whether the run's state must be at hand.
    pub(crate) fn needs_machine(&self) -> bool {
        !matches!(self, Call::Function { .. } | Call::Direct(Direct::Array { .. }))
    }

    /// Whether machine code is called, so that the stack must be aligned and other registers may change.
    pub(crate) fn leaves(&self) -> bool {
        !matches!(self, Call::Direct(Direct::Array { .. } | Direct::PerCpuArray { .. } | Direct::Fact { .. }))
    }
}
