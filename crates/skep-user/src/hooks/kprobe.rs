//! Probes of functions, in the kernel or in a process: the program gets the registers.

use super::{Fate, Hook, Verdict};
use crate::run::{Context, Outcome, PlainContext};
use skep_abi::program_type::ProgramType;

/// Registers of the host's machine, by the part they play in a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// Arguments of the function, at its entry.
    pub arguments: [u64; 6],
    /// What the function returns, at its exit.
    pub result: u64,
    /// Instruction pointer.
    pub instruction_pointer: u64,
    /// Stack pointer.
    pub stack_pointer: u64,
    /// Frame pointer.
    pub frame_pointer: u64,
}

impl Registers {
    /// `struct pt_regs` of the host's machine as Linux lays it out (`bpf_user_pt_regs_t`).
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut words = [0_u64; layout::WORDS];
        // On machines where a register is both an argument and the result, the result is what counts if there is one.
        words[layout::RESULT] = self.result;
        for (place, value) in layout::ARGUMENTS.into_iter().zip(self.arguments) {
            if place != layout::RESULT || self.result == 0 {
                words[place] = value;
            }
        }
        words[layout::INSTRUCTION_POINTER] = self.instruction_pointer;
        words[layout::STACK_POINTER] = self.stack_pointer;
        words[layout::FRAME_POINTER] = self.frame_pointer;
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }
}

/// Indices of 8-byte words (`arch/x86/include/asm/ptrace.h`).
#[cfg(target_arch = "x86_64")]
mod layout {
    pub(super) const WORDS: usize = 21;
    /// rdi, rsi, rdx, rcx, r8, r9.
    pub(super) const ARGUMENTS: [usize; 6] = [14, 13, 12, 11, 9, 8];
    pub(super) const RESULT: usize = 10;
    pub(super) const INSTRUCTION_POINTER: usize = 16;
    pub(super) const STACK_POINTER: usize = 19;
    pub(super) const FRAME_POINTER: usize = 4;
}

/// Indices of 8-byte words (`struct user_pt_regs` of arm64).
#[cfg(not(target_arch = "x86_64"))]
mod layout {
    pub(super) const WORDS: usize = 34;
    pub(super) const ARGUMENTS: [usize; 6] = [0, 1, 2, 3, 4, 5];
    pub(super) const RESULT: usize = 0;
    pub(super) const INSTRUCTION_POINTER: usize = 32;
    pub(super) const STACK_POINTER: usize = 31;
    pub(super) const FRAME_POINTER: usize = 29;
}

/// A probe at a function's entry or exit.
#[derive(Debug, Default)]
pub struct Kprobe {
    context: Option<PlainContext>,
}

impl Kprobe {
    /// Any probe.
    pub fn new() -> Kprobe {
        Kprobe::default()
    }
}

impl Hook<Registers> for Kprobe {
    fn program_types(&self) -> &'static [ProgramType] {
        &[ProgramType::Kprobe]
    }

    fn enter(&mut self, event: Registers) -> &mut dyn Context {
        self.context.insert(PlainContext::of(ProgramType::Kprobe, &event.to_bytes()))
    }

    fn verdict(&self, outcome: &Outcome) -> Verdict {
        Verdict::new(outcome.verdict().to_string(), Fate::Observed)
    }
}
