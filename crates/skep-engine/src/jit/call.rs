//! Calls as the back ends see them.
//!
//! No verified program reads r1 to r5 after a call before it writes them. (One that is compiled for `bpf_fastcall` saves
//! them itself.) In the interpreter they stay as they were; where a run must be the same in every detail, so they do in
//! compiled code: see [`super::Frames::Lent`].

use super::inst::{Register, Registers, Source};
use crate::direct::Direct;

/// What is called and how.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::enum_variant_names, reason = "a tail call is called so")]
pub(crate) enum Call {
    /// A helper through the environment.
    Helper { id: u32 },
    /// A helper that may continue in another program instead of returning.
    TailCall { id: u32 },
    /// A helper as a plain function, or work that is done in place.
    Direct(Direct),
    /// A look-up in an array whose index is known without reading the key.
    Element { array: Direct, index: Source },
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
            Call::Element { index, .. } => index.registers(),
            Call::Direct(Direct::Array { .. } | Direct::PerCpuArray { .. }) => Register::R2.bit(),
            Call::Direct(Direct::Fact { .. }) => Registers::NONE,
            Call::Direct(Direct::Function { data: Some(_), .. }) => Registers::ARGUMENTS.without(Register::R1.bit()),
            Call::Register(register) => Registers::ARGUMENTS.union(register.bit()),
            _ => Registers::ARGUMENTS,
        }
    }

    /// Whether it calls out through the environment, so that it needs a whole machine.
    pub(crate) fn needs_machine(&self) -> bool {
        matches!(self, Call::Helper { .. } | Call::TailCall { .. } | Call::Kfunc { .. } | Call::Register(_))
    }

    /// Whether it may look at what is the same for the whole run.
    pub(crate) fn uses_facts(&self) -> bool {
        match self {
            Call::Direct(Direct::Array { .. }) => false,
            Call::Direct(_) => true,
            Call::Element { array, .. } => matches!(array, Direct::PerCpuArray { .. }),
            // Direct calls of the program that is called are its own.
            _ => false,
        }
    }

    /// Whether machine code is called, so that the stack must be aligned and other registers may change.
    pub(crate) fn leaves(&self) -> bool {
        !matches!(
            self,
            Call::Element { .. }
                | Call::Direct(Direct::Array { .. } | Direct::PerCpuArray { .. } | Direct::Fact { .. })
        )
    }
}
