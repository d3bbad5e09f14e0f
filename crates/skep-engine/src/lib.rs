//! Runs BPF programs: a compiler and an interpreter for verified programs, and a sandbox for unverified ones.
//!
//! A running program leaves the engine only through [`Environment`]; helpers reach the program's memory through
//! [`Machine`].
//!
//! * *Verified* programs run on native addresses without checks ([`Executable::run`]), compiled to machine code where
//!   [`Executable::compile`] made them.
//! * The [`Sandbox`] checks each access against the regions it was lent, and counts instructions.
//! * The *paranoid* mode is a sandbox that also holds every register against what the verifier claimed, before every
//!   instruction.
//!
//! All but compiled code are one interpreter loop over one pre-decoded form, instantiated three times; what instructions
//! compute is `skep-isa`'s `eval`.
//!
//! Hosts are little-endian. There is a compiler for x86-64 and for aarch64 ([`Mode::is_supported`]); all else runs everywhere.

#[cfg(target_endian = "big")]
compile_error!("programs are little-endian: a big-endian host cannot run them on native addresses");

mod atomic;
mod compile_options;
pub mod conformance;
mod direct;
mod environment;
mod executable;
mod interpret;
#[cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "aarch64")),
    allow(dead_code, reason = "there is no back end that reads what the passes make")
)]
mod jit;
mod lower;
mod machine;
mod machine_code;
mod memory;
mod mode;
mod op;
mod paranoid;
mod run;
mod stack;
mod trace;

pub use compile_options::CompileOptions;
pub use direct::{Direct, DirectFunction, Linker, References, RunFacts};
pub use environment::{Environment, Exception, Fault, NoEnvironment};
pub use executable::{Executable, LinkError, MAX_SLOTS};
pub use jit::{Announce, Symbol};
pub use machine::{MAX_TAIL_CALLS, Machine};
pub use machine_code::{MachineCode, Part};
pub use memory::Region;
pub use mode::{Mode, UnknownMode};
pub use run::Sandbox;
pub use stack::{FRAME_BYTES, MAX_FRAMES};
pub use trace::{Step, Trace};
