//! The door through which a running program leaves: helpers, kernel functions, packet loads.

use std::fmt;
use std::sync::Arc;

use skep_isa::Size;
use skep_verifier::{Lie, Place};

use crate::direct::RunFacts;
use crate::machine::Machine;

/// What the processor refused to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Exception {
    /// An access to memory that is not there, or may not be accessed so.
    Memory,
    /// A division without a result.
    Division,
    /// An instruction that it does not have.
    Instruction,
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Exception::Memory => "invalid access to memory",
            Exception::Division => "division without a result",
            Exception::Instruction => "invalid machine instruction",
        })
    }
}

/// Why a run ended before `exit`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// An access outside of every region (sandbox only).
    #[error("invalid {} of {len} bytes at {address:#x}", if *.write { "write" } else { "read" })]
    Memory {
        /// Where.
        address: u64,
        /// How many bytes.
        len: u64,
        /// Write or read.
        write: bool,
    },
    /// The instruction budget is used up (sandbox only).
    #[error("instruction budget of {0} used up")]
    Budget(u64),
    /// More than eight frames.
    #[error("more than 8 nested calls")]
    CallDepth,
    /// No such helper in this environment.
    #[error("unknown helper {0}")]
    UnknownHelper(u32),
    /// No such kernel function in this environment.
    #[error("unknown kernel function {0}")]
    UnknownKfunc(u32),
    /// A program of which there is only machine code was to run in the interpreter or in the sandbox.
    #[error("the program is compiled: neither the interpreter nor the sandbox can run it")]
    NotDecoded,
    /// A program that is not compiled was to run in compiled code.
    #[error("the program is not compiled")]
    NotCompiled,
    /// The processor stopped compiled code: the program is not what the verifier proved, or not compiled as it should be.
    #[error("{}{}{exception}{}", named(.program), located(*.slot), addressed(*.address))]
    Exception {
        /// The program that ran, if it has a name.
        program: Option<Arc<str>>,
        /// The slot whose machine code it was, if it was that of one.
        slot: Option<u32>,
        /// What was refused.
        exception: Exception,
        /// What was accessed, where the processor tells: it does not for addresses that no host can have.
        address: Option<u64>,
    },
    /// What the verifier claimed does not hold (paranoid mode only).
    #[error("the verifier is wrong: {0}")]
    Claim(Box<Lie>),
    /// An address that is not one of a function was called.
    #[error("call to {0:#x}, which is no function")]
    BadFunction(u64),
    /// An instruction that does not decode or ran off the end.
    #[error("invalid instruction at slot {0}")]
    BadInstruction(u32),
    /// A program without the verifier's proof was to run on native addresses.
    #[error("the program is not verified and may run only in the sandbox")]
    Unverified,
    /// The environment ends the program here, with this as the caller's r0.
    #[error("the program was ended with {0:#x}")]
    Unwind(u64),
}

fn named(program: &Option<Arc<str>>) -> String {
    program.as_ref().map_or_else(String::new, |name| format!("program {name}: "))
}

fn located(slot: Option<u32>) -> String {
    slot.map_or_else(String::new, |slot| format!("slot {slot}: "))
}

fn addressed(address: Option<u64>) -> String {
    address.map_or_else(String::new, |address| format!(" at {address:#x}"))
}

/// What a running program can reach outside of itself.
///
/// An environment is trusted where verified programs run: see [`crate::Executable::run`].
pub trait Environment {
    /// Calls the helper of that number with r1 to r5; the result becomes r0.
    ///
    /// A tail call is a helper, too: it hands the program to [`Machine::tail_call`] and returns; the engine then
    /// continues in that program, with r1 as it was at the call.
    ///
    /// # Errors
    /// A fault ends the program.
    fn call_helper(&mut self, id: u32, args: [u64; 5], machine: &mut Machine<'_>) -> Result<u64, Fault>;

    /// Calls the kernel function of that BTF id; `btf` is an index into the program's `fd_array` (0: vmlinux).
    ///
    /// # Errors
    /// A fault ends the program.
    fn call_kfunc(&mut self, id: u32, btf: i16, args: [u64; 5], machine: &mut Machine<'_>) -> Result<u64, Fault> {
        let _ = (btf, args, machine);
        Err(Fault::UnknownKfunc(id))
    }

    /// What is the same for the whole run. Asked once, before compiled code that uses it.
    fn facts(&mut self) -> RunFacts {
        RunFacts::default()
    }

    /// `LD_ABS` and `LD_IND`: the packet's bytes at `offset`, as a number read in network order, or `None` past its end:
    /// the function then returns 0. `context` is r6. Negative offsets are those of `SKF_NET_OFF` and `SKF_LL_OFF`.
    fn load_packet(&mut self, context: u64, offset: i32, size: Size) -> Option<u64> {
        let _ = (context, offset, size);
        None
    }

    /// Whether `wanted` holds for the address of one of the things that are such a place, maps by their index in
    /// [`skep_verifier::Verified::maps`]. `None` where the environment does not know their addresses: pointers to them
    /// then go unchecked in the paranoid mode, which alone asks.
    fn any(&self, place: Place, wanted: &mut dyn FnMut(u64) -> bool) -> Option<bool> {
        let _ = (place, wanted);
        None
    }
}

/// The environment of programs that call nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoEnvironment;

impl Environment for NoEnvironment {
    fn call_helper(&mut self, id: u32, _args: [u64; 5], _machine: &mut Machine<'_>) -> Result<u64, Fault> {
        Err(Fault::UnknownHelper(id))
    }
}
