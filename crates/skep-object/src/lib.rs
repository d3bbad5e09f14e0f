//! BPF object files: ELF to [`ObjectSpec`], and from there to instructions that a kernel can load.
//!
//! Two steps, both deterministic and without any kernel:
//!
//! 1. [`ObjectSpec::parse`] reads an ELF object as clang, gcc or rustc write it: programs with the subprograms they
//!    reach, maps, global variables, externs, types. References stay symbolic.
//! 2. [`ProgramSpec::link`] patches a program's references with what a [`Resolver`] says about the kernel at hand:
//!    map file descriptors, addresses, BTF ids, and the kernel's types for CO-RE.
//!
//! ```no_run
//! use skep_object::ObjectSpec;
//!
//! let mut object = ObjectSpec::parse(&std::fs::read("firewall.bpf.o")?)?;
//! object.set_global("blocked_port", &80u16.to_le_bytes())?;
//! for program in &object.programs {
//!     println!("{} in {}: {} instructions", program.name, program.section, program.insns.len());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Several objects become one by [`ObjectSpec::parse_linked`].
//!
//! Invariant: whatever the bytes, parsing neither panics nor allocates more than a small multiple of their number.
#![forbid(unsafe_code)]

mod elf;
mod error;
mod expectation;
mod link;
mod parse;
mod spec;

pub use error::{ErrorKind, ObjectError};
pub use expectation::{Expectation, ExpectationError, Expectations, ExpectedOutcome, Pattern, ReturnValue};
pub use link::{
    FUNC_INFO_SIZE, KernelObject, LINE_INFO_SIZE, LinkError, LinkProblem, LinkedProgram, POISON_CORE, POISON_KFUNC,
    POISON_MAP, Poisoned, Resolver,
};
pub use parse::MAX_DATA_SIZE;
pub use spec::*;
