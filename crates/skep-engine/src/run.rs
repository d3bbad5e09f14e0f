//! The entrances: a verified program on native addresses, any program in the sandbox.

use crate::environment::{Environment, Fault};
use crate::executable::{Entry, Executable};
use crate::interpret;
use crate::jit::{self, Compiled, Frames, native::State};
use crate::machine::Machine;
use crate::memory::{Region, Regions};
use crate::paranoid::Watch;
use crate::stack;
use crate::trace::Trace;

impl Executable {
    /// Runs a verified program on native addresses; `context` becomes r1. Gives r0.
    ///
    /// # Errors
    /// [`Fault::Unverified`] for a program that does not come from [`Executable::from_verified`], and what the
    /// environment answers.
    ///
    /// # Safety
    /// What the verifier was told must be true until the run ends:
    /// * the numbers that linking resolved are the addresses of those maps and values;
    /// * `context` is the address of a running context of the program's type (see `skep_abi::program_type`), its pointer
    ///   slots included;
    /// * typed kernel pointers lead to structs of their BTF type, or are NULL or outside of user space: loads through
    ///   the latter give 0;
    /// * the environment's helpers do what the helper table says, and hand to the [`Machine`] only addresses that the
    ///   program passed as arguments of such types or that are the environment's own;
    /// * the same holds for programs that the environment hands to [`Machine::tail_call`].
    pub unsafe fn run(&self, environment: &mut dyn Environment, context: u64) -> Result<u64, Fault> {
        match self.code() {
            // SAFETY: the caller's; what the code does needs no machine.
            Some(code) if code.runs_alone() => unsafe { self.run_alone(code, environment, context, 1) },
            // SAFETY: the caller's.
            Some(code) if code.frames == Frames::Native => unsafe {
                self.run_compiled(Machine::compiled(self), code.main(), environment, [context, 0, 0, 0, 0])
            },
            // SAFETY: the caller's.
            _ => unsafe { self.interpret(environment, context) },
        }
    }

    /// The same in the interpreter, even if the program is compiled.
    ///
    /// # Errors
    /// As [`Executable::run`].
    ///
    /// # Safety
    /// As [`Executable::run`].
    pub unsafe fn interpret(&self, environment: &mut dyn Environment, context: u64) -> Result<u64, Fault> {
        // SAFETY: the caller's.
        unsafe { self.run_native(&mut stack::new_chunk(), environment, [context, 0, 0, 0, 0]) }
    }

    /// Runs a compiled program so many times, each time on what the run before left, if all that it needs of the environment
    /// is [`Environment::facts`]; these are the same for all runs. Gives the last r0, or `None` for other programs.
    ///
    /// # Errors
    /// As [`Executable::run`].
    ///
    /// # Safety
    /// As [`Executable::run`].
    pub unsafe fn run_repeatedly(
        &self,
        environment: &mut dyn Environment,
        context: u64,
        times: u32,
    ) -> Option<Result<u64, Fault>> {
        let code = self.code().filter(|code| code.runs_alone())?;
        // SAFETY: the caller's.
        Some(unsafe { self.run_alone(code, environment, context, times.max(1)) })
    }

    /// Runs the main function of code that calls nothing of the engine's, at least once.
    ///
    /// # Safety
    /// As [`Executable::run`]; `code` is this executable's, and needs no machine.
    #[inline]
    unsafe fn run_alone(
        &self,
        code: &Compiled,
        environment: &mut dyn Environment,
        context: u64,
        times: u32,
    ) -> Result<u64, Fault> {
        if !self.is_verified() {
            return Err(Fault::Unverified);
        }
        let mut state = State::new(self);
        if code.uses_facts {
            state.facts = environment.facts();
        }
        let mut r0 = 0;
        for _ in 0..times {
            // SAFETY: the caller's.
            r0 = unsafe { jit::enter(code, code.main(), [context, 0, 0, 0, 0], &raw mut state) };
            if let Some(stop) = state.stopped {
                return Err(stop.fault(self));
            }
        }
        Ok(r0)
    }

    /// # Safety
    /// As [`Executable::run`]; `code` is a function of this executable, and the machine was made for it.
    #[inline]
    pub(crate) unsafe fn run_compiled(
        &self,
        mut machine: Machine<'_>,
        code: u64,
        environment: &mut dyn Environment,
        args: [u64; 5],
    ) -> Result<u64, Fault> {
        if !self.is_verified() {
            return Err(Fault::Unverified);
        }
        let Some(compiled) = self.code() else { return Err(Fault::NotCompiled) };
        if compiled.asks_for_facts() {
            machine.native.facts = environment.facts();
        }
        // SAFETY: the machine does not outlive the environment; its native state is its first field; the rest is the
        // caller's.
        let r0 = unsafe {
            machine.native.set_environment(environment);
            jit::enter(compiled, code, args, (&raw mut machine).cast())
        };
        if machine.native.ended == 0 { Ok(r0) } else { Err(machine.why_ended()) }
    }

    /// Runs one function of a verified program, as timers do after the run that set them. `function` is its address as
    /// the program passed it to a helper.
    ///
    /// # Errors
    /// As [`Executable::run`]; [`Fault::BadFunction`] if there is no such function.
    ///
    /// # Safety
    /// As [`Executable::run`]; `args` are what the verifier took for the callback's arguments.
    pub unsafe fn run_function(
        &self,
        environment: &mut dyn Environment,
        function: u64,
        args: [u64; 5],
    ) -> Result<u64, Fault> {
        let entry = self.function(function).ok_or(Fault::BadFunction(function))?;
        if let Some(code) = self.code().and_then(|code| code.function(entry.slot)) {
            // SAFETY: the caller's.
            return unsafe { self.run_compiled(Machine::compiled(self), code, environment, args) };
        }
        // SAFETY: the caller's.
        unsafe { self.start(&mut stack::new_chunk(), environment, entry, args) }
    }

    /// The main function on a given stack.
    ///
    /// # Safety
    /// As [`Executable::run`].
    pub(crate) unsafe fn run_native(
        &self,
        chunk: &mut stack::Chunk,
        environment: &mut dyn Environment,
        args: [u64; 5],
    ) -> Result<u64, Fault> {
        // SAFETY: the caller's.
        unsafe { self.start(chunk, environment, self.main(), args) }
    }

    /// # Safety
    /// As [`Executable::run`].
    unsafe fn start(
        &self,
        chunk: &mut stack::Chunk,
        environment: &mut dyn Environment,
        entry: Entry,
        args: [u64; 5],
    ) -> Result<u64, Fault> {
        if !self.is_verified() {
            return Err(Fault::Unverified);
        }
        interpret::execute(&mut Machine::native(self, chunk), environment, entry, args)
    }
}

/// A run of any program, verified or not, that cannot reach memory it was not lent nor go on for ever.
///
/// ```
/// use skep_engine::{Executable, NoEnvironment, Region, Sandbox};
/// use skep_isa::Slot;
///
/// // r0 = *(u8 *)(r1 + 1); exit
/// let slots = Slot::read_program(&[0x71, 0x10, 1, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]).expect("two slots");
/// let program = Executable::link(&slots, |_| None)?;
/// let mut memory = [7, 8];
/// let mut sandbox = Sandbox::new(1_000);
/// let address = sandbox.lend(Region::writable(&mut memory).at(0x1000));
/// assert_eq!(sandbox.run(&program, &mut NoEnvironment, [address, 2, 0, 0, 0]), Ok(8));
/// # Ok::<(), skep_engine::LinkError>(())
/// ```
#[derive(Debug)]
pub struct Sandbox<'m> {
    regions: Regions<'m>,
    budget: u64,
    paranoid: bool,
    trace: Option<&'m mut Trace>,
}

impl<'m> Sandbox<'m> {
    /// A sandbox without memory (but a stack), and how many instructions the run may take.
    pub fn new(budget: u64) -> Self {
        Sandbox { regions: Regions::default(), budget, paranoid: false, trace: None }
    }

    /// Holds what runs against the verifier's claims, too, where the executable has some ([`Executable::with_claims`]).
    pub fn paranoid(self) -> Self {
        Sandbox { paranoid: true, ..self }
    }

    /// Notes each instruction in a trace.
    pub fn traced(self, trace: &'m mut Trace) -> Self {
        Sandbox { trace: Some(trace), ..self }
    }

    /// Lends memory to the program and gives its address there. A region that begins at the same address is replaced;
    /// of overlapping regions, the one that begins last before an address is asked.
    pub fn lend(&mut self, region: Region<'m>) -> u64 {
        let address = region.address();
        self.regions.add(region);
        address
    }

    /// Runs the program with `args` as r1 to r5. Gives r0.
    ///
    /// # Errors
    /// The fault that ended the program.
    pub fn run(self, executable: &Executable, environment: &mut dyn Environment, args: [u64; 5]) -> Result<u64, Fault> {
        self.run_in(&mut stack::new_chunk(), executable, environment, args)
    }

    /// The same on a given stack.
    pub(crate) fn run_in(
        self,
        chunk: &mut stack::Chunk,
        executable: &Executable,
        environment: &mut dyn Environment,
        args: [u64; 5],
    ) -> Result<u64, Fault> {
        let mut machine = Machine::sandboxed(executable, chunk, self.regions, self.budget);
        machine.watch = self.paranoid.then(Watch::default);
        machine.trace = self.trace;
        interpret::execute(&mut machine, environment, executable.main(), args)
    }
}
