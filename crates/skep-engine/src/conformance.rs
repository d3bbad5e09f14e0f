//! Runs programs under the protocol of the public bpf_conformance suite.
//!
//! A program gets the input memory in r1 and its length in r2, and may call helper 5, `unwind`. Its r0 is the answer.
//!
//! Such programs are not verified. The interpreter and compiled code still run them on native addresses, soundly: the
//! sandbox runs the program first, over the same memory and stack at the same addresses. A program is deterministic, so
//! an access that the sandbox let pass is the access that the other will make.

use skep_isa::Slot;
use skep_isa::cfg::Cfg;

use crate::compile_options::CompileOptions;
use crate::direct::References;
use crate::environment::{Environment, Fault};
use crate::executable::{Executable, LinkError};
use crate::jit::Compiled;
use crate::machine::Machine;
use crate::memory::Region;
use crate::mode::Mode;
use crate::run::Sandbox;
use crate::stack;

/// Instructions a test may take.
pub const BUDGET: u64 = 10_000_000;

/// The suite's `unwind` helper.
const UNWIND: u32 = 5;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConformanceError {
    /// The program's length is not a multiple of eight.
    #[error("{0} bytes of program: not a multiple of 8")]
    Length(usize),
    /// The program is refused.
    #[error(transparent)]
    Refused(#[from] LinkError),
    /// Functions of the program are left otherwise than by their end: compiled code relies on that.
    #[error("not compiled: {0}")]
    Functions(skep_isa::cfg::CfgError),
    /// The program faulted.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Not pairs of hexadecimal digits.
    #[error("`{0}` is not a byte in hexadecimal")]
    Hex(String),
}

/// Reads bytes in hexadecimal, as the suite passes them; white space does not matter.
///
/// # Errors
/// [`ConformanceError::Hex`] with what cannot be read.
pub fn parse_hex(text: &str) -> Result<Vec<u8>, ConformanceError> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let byte = |pair: &[char]| {
        let wrong = || ConformanceError::Hex(pair.iter().collect());
        let digit = |c: &char| c.to_digit(16).ok_or_else(wrong);
        match pair {
            [high, low] => Ok((digit(high)? << 4 | digit(low)?) as u8),
            _ => Err(wrong()),
        }
    };
    digits.chunks(2).map(byte).collect()
}

/// Runs a program (little-endian bytes) over `memory` and gives r0. The memory is as the program left it.
///
/// # Errors
/// When the program is refused or faults.
pub fn run(mode: Mode, program: &[u8], memory: &mut [u8]) -> Result<u64, ConformanceError> {
    run_with(mode, &CompileOptions::default(), program, memory)
}

/// The same, compiled as `options` say where it is compiled.
///
/// # Errors
/// As [`run`].
pub fn run_with(
    mode: Mode,
    options: &CompileOptions,
    program: &[u8],
    memory: &mut [u8],
) -> Result<u64, ConformanceError> {
    let slots = Slot::read_program(program).map_err(ConformanceError::Length)?;
    let executable = Executable::link(&slots, |_| None)?;
    let original = memory.to_vec();
    let mut chunk = stack::new_chunk();

    let mut sandbox = Sandbox::new(BUDGET);
    let len = memory.len() as u64;
    let address = sandbox.lend(Region::writable(memory));
    let args = [address, len, 0, 0, 0];
    let r0 = unwound(sandbox.run_in(&mut chunk, &executable, &mut Helpers, args))?;
    if mode == Mode::Sandbox {
        return Ok(r0);
    }

    memory.copy_from_slice(&original);
    memory.as_mut_ptr().expose_provenance();
    if mode == Mode::Jit {
        return run_compiled(executable, &slots, options, &mut chunk, args);
    }
    // SAFETY: the run above began in the same state (memory, registers, frames zeroed on entry at the same addresses) and
    // made no access outside of `memory` and its frames; the helpers are functions of their arguments. So this run makes
    // the same accesses, nests as deep and ends as soon.
    Ok(unwound(unsafe { executable.trusted().run_native(&mut chunk, &mut Helpers, args) })?)
}

/// Runs machine code that the sandbox has run before, in the same state.
fn run_compiled(
    executable: Executable,
    slots: &[Slot],
    options: &CompileOptions,
    chunk: &mut stack::Chunk,
    args: [u64; 5],
) -> Result<u64, ConformanceError> {
    // The interpreter goes on in the next function where one is not left; compiled code has another frame there.
    Cfg::build(slots).map_err(ConformanceError::Functions)?;
    // SAFETY: as for the interpreter in `run`: frames are lent, so that the stack is where it was in the sandbox.
    let executable = unsafe { executable.trusted() }.compile_trusted(slots, &mut References(|_| None), options)?;
    let code = executable.code().map_or(0, Compiled::main);
    let machine = Machine::compiled_in(&executable, chunk);
    // SAFETY: the same; `code` is the executable's main function.
    Ok(unwound(unsafe { executable.run_compiled(machine, code, &mut Helpers, args) })?)
}

/// A program that is ended by the environment answers with what it was ended with.
fn unwound(result: Result<u64, Fault>) -> Result<u64, Fault> {
    match result {
        Err(Fault::Unwind(r0)) => Ok(r0),
        other => other,
    }
}

/// The helpers that the suite calls.
struct Helpers;

impl Environment for Helpers {
    fn call_helper(&mut self, id: u32, [first, ..]: [u64; 5], _machine: &mut crate::Machine<'_>) -> Result<u64, Fault> {
        match (id, first) {
            // It gives back its argument, and zero ends the program.
            (UNWIND, 0) => Err(Fault::Unwind(0)),
            (UNWIND, _) => Ok(first),
            _ => Err(Fault::UnknownHelper(id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(program: &str, memory: &str) -> [Result<u64, ConformanceError>; 3] {
        let program = parse_hex(program).expect("hexadecimal");
        [Mode::Jit, Mode::Interpreter, Mode::Sandbox].map(|mode| {
            let mut memory = parse_hex(memory).expect("hexadecimal");
            run(mode, &program, &mut memory)
        })
    }

    #[test]
    fn hex_is_read_strictly() {
        assert_eq!(parse_hex(" 0a ff\n10"), Ok(vec![10, 255, 16]));
        assert_eq!(parse_hex("abc"), Err(ConformanceError::Hex("c".into())));
        assert_eq!(parse_hex("0g"), Err(ConformanceError::Hex("0g".into())));
    }

    #[test]
    fn memory_and_its_length_are_arguments() {
        // r0 = *(u8 *)(r1 + 1); r0 += r2; exit
        let answers = answer("7110010000000000 0f20000000000000 9500000000000000", "07 28");
        assert_eq!(answers, [Ok(0x2a), Ok(0x2a), Ok(0x2a)]);
    }

    #[test]
    fn an_access_past_the_memory_faults_in_both() {
        // r0 = *(u64 *)(r1 + 0); exit
        for answer in answer("7910000000000000 9500000000000000", "01020304050607") {
            assert!(matches!(answer, Err(ConformanceError::Fault(Fault::Memory { len: 8, write: false, .. }))));
        }
    }

    #[test]
    fn unwind_ends_the_program_only_with_zero() {
        // r1 = 0 or -1; call 5; r0 = 2; exit
        let rest = "8500000005000000 b700000002000000 9500000000000000";
        assert_eq!(answer(&format!("b701000000000000 {rest}"), ""), [Ok(0), Ok(0), Ok(0)]);
        assert_eq!(answer(&format!("b7010000ffffffff {rest}"), ""), [Ok(2), Ok(2), Ok(2)]);
    }

    #[test]
    fn call_by_register_takes_a_helper_number() {
        // r1 = 7; r2 = 5; callx r2; exit
        let program = "b701000007000000 b702000005000000 8d02000000000000 9500000000000000";
        assert_eq!(answer(program, ""), [Ok(7), Ok(7), Ok(7)]);
    }

    #[test]
    fn endless_loops_end() {
        // goto -1
        let answers = answer("0500ffff00000000", "");
        assert_eq!(answers[0], Err(ConformanceError::Fault(Fault::Budget(BUDGET))));
    }
}
