//! The back end against the sandbox, run by an emulator, and its encodings against LLVM's.

mod emulator;
mod encodings;
mod generator;
mod image;
mod programs;

use crate::direct::Linker;
use crate::jit::Stubs;
use crate::jit::code_memory::CodeMemory;

/// Stubs at these addresses: the entrance, the end, tail calls of functions.
fn stubs_at([enter, end, tail_call_from_function]: [u64; 3]) -> Stubs {
    let _memory = CodeMemory::new(&[]).expect("memory for no code");
    Stubs { enter, end, tail_call_from_function, _memory }
}

/// For programs that refer to nothing.
struct Nothing;

// SAFETY: it offers no shortcuts.
unsafe impl Linker for Nothing {
    fn resolve(&mut self, _imm: skep_isa::Imm64) -> Option<u64> {
        None
    }
}
