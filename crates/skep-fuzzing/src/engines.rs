//! What programs compute in each engine.

use crate::choices::{Seeded, interesting};
use crate::generate::Candidate;
use crate::loader::Loader;
use crate::results::InputAlone;
use crate::sequences::MEMORY;
use crate::soundness::{MOST_EXPLORED, packet};
use skep_abi::command::ProgTestRun;
use skep_abi::errno::Errno;
use skep_abi::program_type::ProgramType;
use skep_engine::conformance::{self, ConformanceError};
use skep_engine::{CompileOptions, Mode};
use skep_isa::Slot;
use skep_kernel::{Kernel, calls};
use skep_user::{Config, UserKernel};
use skep_verifier::Limits;
use std::fmt;
use std::sync::Arc;

/// Room for a packet that a program has made longer.
const MOST_DATA: usize = 4096;
/// Bytes of a `struct __sk_buff`.
const SKB: usize = 192;
/// Where it has what tests may set: `mark`, `priority`, `cb`.
const SKB_FIELDS: &[usize] = &[8, 32, 48, 52, 56, 60, 64];

/// An engine, and how it compiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Engine {
    mode: Mode,
    blind: bool,
    baseline: bool,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self {
            Engine { blind: true, .. } => ", blinded",
            Engine { baseline: true, .. } => ", for any processor",
            _ => "",
        };
        write!(f, "{}{how}", self.mode)
    }
}

impl Engine {
    const SANDBOX: Engine = Engine::plain(Mode::Sandbox);
    const PARANOID: Engine = Engine::plain(Mode::Paranoid);
    const INTERPRETER: Engine = Engine::plain(Mode::Interpreter);
    const JIT: Engine = Engine::plain(Mode::Jit);
    const BLINDED: Engine = Engine { blind: true, ..Engine::JIT };
    const BASELINE: Engine = Engine { baseline: true, ..Engine::JIT };

    const fn plain(mode: Mode) -> Engine {
        Engine { mode, blind: false, baseline: false }
    }
}

/// The order in which engines run a program: those that end whatever it does come first.
const ENGINES: [Engine; 5] = [Engine::SANDBOX, Engine::PARANOID, Engine::INTERPRETER, Engine::JIT, Engine::BLINDED];

/// Those that verifying a program for costs more than they are likely to tell (paranoid runs are the business of
/// [`crate::soundness`]) run one program in so many.
const NOW_AND_THEN: u64 = 4;
const RARE: [Engine; 2] = [Engine::PARANOID, Engine::BLINDED];

/// One kernel per engine, else alike.
pub struct Engines {
    kernels: Vec<(Engine, Arc<UserKernel>, Loader)>,
    input_alone: InputAlone,
}

/// What a run left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Left {
    value: u32,
    packet: Vec<u8>,
    context: Vec<u8>,
    maps: Vec<Option<Vec<u8>>>,
    lines: Vec<String>,
}

/// How the runs compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The verifier refused the program.
    Refused,
    /// It took too many instructions.
    TooLong,
    /// All engines computed the same.
    Same,
    /// They did not, but addresses or unwritten stack may show.
    Unclear,
    /// They did not.
    Different(String),
}

impl Engines {
    /// New kernels whose checked engines end runs after so many instructions.
    ///
    /// # Errors
    /// The maps cannot be created.
    pub fn new(budget: u64) -> Result<Engines, Errno> {
        let kernel = |engine: Engine| {
            let Engine { mode, blind, .. } = engine;
            let limits = Limits { instructions: MOST_EXPLORED, ..Limits::default() };
            let kernel = UserKernel::new(Config { mode, blind, budget, limits, ..Config::deterministic() });
            let boundary: Arc<dyn Kernel> = kernel.clone();
            Loader::new(boundary).map(|loader| (engine, kernel, loader))
        };
        let kernels = ENGINES.into_iter().map(kernel).collect::<Result<_, _>>()?;
        Ok(Engines { kernels, input_alone: InputAlone::new() })
    }

    /// Runs a program in all engines (but some only now and then), `runs` times, on the maps, packets and contexts of that seed.
    ///
    /// # Errors
    /// The maps cannot be filled.
    pub fn compare(&self, candidate: &Candidate, seed: u64, runs: u32) -> Result<Comparison, Errno> {
        let mut programs = Vec::new();
        let all = seed.is_multiple_of(NOW_AND_THEN);
        for (engine, kernel, loader) in self.kernels.iter().filter(|(engine, ..)| all || !RARE.contains(engine)) {
            match loader.load(candidate, &mut []) {
                Ok(program) => programs.push((engine, kernel, loader, program)),
                Err(_) if programs.is_empty() => return Ok(Comparison::Refused),
                Err(why) => return Ok(Comparison::Different(format!("{engine} does not load it: {why}"))),
            }
        }
        for run in 0..u64::from(runs) {
            let seed = run_seed(seed, run);
            let context = if run == 0 { Vec::new() } else { context(candidate.program_type, seed) };
            let mut first = None;
            for (engine, kernel, loader, program) in &programs {
                let left = leave(kernel, loader, program.fd(), &context, seed)?;
                match (&first, left) {
                    (None, Err(_)) => return Ok(Comparison::TooLong),
                    (None, Ok(left)) => first = Some(left),
                    (Some(_), Err(errno)) => return Ok(Comparison::Different(format!("{engine} ends with {errno:?}"))),
                    (Some(first), Ok(left)) if *first != left => {
                        return Ok(self.different(candidate, first, &left, **engine));
                    }
                    _ => {}
                }
            }
        }
        Ok(Comparison::Same)
    }

    fn different(&self, candidate: &Candidate, first: &Left, left: &Left, engine: Engine) -> Comparison {
        if self.input_alone.decides(candidate) {
            Comparison::Different(difference(first, left, engine))
        } else {
            Comparison::Unclear
        }
    }
}

/// What decides the maps and the packet of a run. The first run has no context of its own, so that Linux can be given the
/// same ([`crate::results`]).
pub fn run_seed(seed: u64, run: u64) -> u64 {
    seed.wrapping_mul(31).wrapping_add(run)
}

/// Runs a program once. The inner error is that of the run.
fn leave(
    kernel: &UserKernel,
    loader: &Loader,
    prog_fd: i32,
    ctx_in: &[u8],
    seed: u64,
) -> Result<Result<Left, Errno>, Errno> {
    loader.maps().fill(&mut Seeded::new(seed))?;
    let data_in = packet(&mut Seeded::new(seed));
    let mut data_out = vec![0; MOST_DATA];
    let mut ctx_out = vec![0; ctx_in.len()];
    let command = ProgTestRun {
        prog_fd,
        data_in: &data_in,
        data_out: &mut data_out,
        ctx_in,
        ctx_out: &mut ctx_out,
        ..Default::default()
    };
    let run = calls::prog_test_run(kernel, command);
    let lines = kernel.take_trace().into_iter().map(|line| line.text).collect();
    Ok(run.map_err(|failure| failure.errno).map(|run| {
        data_out.truncate(run.data_size as usize);
        Left { value: run.retval, packet: data_out, context: ctx_out, maps: loader.maps().contents(), lines }
    }))
}

/// Nothing for programs whose context tests cannot set.
fn context(program_type: ProgramType, seed: u64) -> Vec<u8> {
    if program_type != ProgramType::SchedCls {
        return Vec::new();
    }
    let numbers = &mut Seeded::new(seed);
    let mut context = vec![0; SKB];
    for field in SKB_FIELDS {
        context[*field..field + 4].copy_from_slice(&(interesting(numbers) as u32).to_ne_bytes());
    }
    context
}

fn difference(first: &Left, left: &Left, engine: Engine) -> String {
    let other = ENGINES[0];
    if first.value != left.value {
        return format!("the result is {:#x} in {engine}, {:#x} in {other}", left.value, first.value);
    }
    if first.packet != left.packet {
        return format!("the packet is {:x?} in {engine}, {:x?} in {other}", left.packet, first.packet);
    }
    if first.context != left.context {
        return format!("the context is {:x?} in {engine}, {:x?} in {other}", left.context, first.context);
    }
    if first.lines != left.lines {
        return format!("{engine} prints {:?}, {other} {:?}", left.lines, first.lines);
    }
    let at = first.maps.iter().zip(&left.maps).position(|(one, two)| one != two).unwrap_or(0);
    format!("element {at} is {:x?} in {engine}, {:x?} in {other}", left.maps[at], first.maps[at])
}

/// Runs an unverified program over memory of that seed in compiled code, the interpreter and the sandbox, and says in
/// which way they differ, if they do.
pub fn sequence_difference(slots: &[Slot], seed: u64) -> Option<String> {
    let program = Slot::write_program(slots);
    let numbers = &mut Seeded::new(seed);
    let original: Vec<u8> = (0..MEMORY).map(|_| interesting(numbers) as u8).collect();
    let mut memory = original.clone();
    // One place, called at one depth: the memory and the stack are where they were.
    let mut run = |engine: Engine| {
        let Engine { mode, blind, baseline } = engine;
        let options = CompileOptions { blind, baseline, ..CompileOptions::default() };
        memory.copy_from_slice(&original);
        (conformance::run_with(mode, &options, &program, &mut memory), memory.clone())
    };
    let sandbox = run(Engine::SANDBOX);
    for engine in [Engine::INTERPRETER, Engine::JIT, Engine::BLINDED, Engine::BASELINE] {
        let other = run(engine);
        if sandbox.0 != other.0 {
            return Some(format!("{engine} gives {:x?}, the sandbox {:x?}", other.0, sandbox.0));
        }
        if let Some(at) = (0..MEMORY).find(|at| sandbox.1[*at] != other.1[*at]) {
            return Some(format!("{engine} leaves {:#x} at {at}, the sandbox {:#x}", other.1[at], sandbox.1[at]));
        }
    }
    None
}

/// Whether an unverified program faults where it should not: what [`crate::sequences`] makes never does.
pub fn sequence_fault(slots: &[Slot], seed: u64) -> Option<ConformanceError> {
    let numbers = &mut Seeded::new(seed);
    let mut memory: Vec<u8> = (0..MEMORY).map(|_| interesting(numbers) as u8).collect();
    conformance::run(Mode::Sandbox, &Slot::write_program(slots), &mut memory).err()
}
