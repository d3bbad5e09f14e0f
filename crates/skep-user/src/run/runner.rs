//! One run from beginning to end.

use super::{Context, Outcome, RunEnvironment};
use crate::kernel::UserKernel;
use crate::objects::Program;
use crate::sync::lock;
use crate::world::Task;
use skep_abi::map_type::MapFlags;
use skep_engine::{Fault, Mode, Region, RunFacts, Sandbox, Trace};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// What a hook gives with a run. The default is a run in the kernel's current task, on any CPU, without anything more.
#[derive(Clone, Debug, Default)]
pub struct RunOptions<'a> {
    /// The current task; `None` for the kernel's.
    pub task: Option<Arc<Task>>,
    /// The virtual CPU to run on (modulo their number); `None` for any that is free.
    pub cpu: Option<u32>,
    /// What `bpf_get_attach_cookie` gives.
    pub cookie: u64,
    /// Call stack inside the kernel, innermost first.
    pub kernel_stack: &'a [u64],
    /// Call stack of the task, innermost first.
    pub user_stack: &'a [u64],
    /// How often to run, each time on what the run before left; 0 is once. All runs are one to maps: nothing that one of them
    /// removed is reclaimed before the last has ended.
    pub repeat: u32,
    /// Measure the time of the run.
    pub timed: bool,
    /// Where to note the instructions of a sandboxed run.
    pub trace: Option<&'a Mutex<Trace>>,
}

impl UserKernel {
    /// Runs a program on a context of its type; on any other it ends with a memory fault at once.
    pub fn run(&self, program: &Program, context: &mut dyn Context) -> Outcome {
        self.run_with(program, context, &RunOptions::default())
    }

    /// Runs a program with all that the hook has to say.
    pub fn run_with(&self, program: &Program, context: &mut dyn Context, options: &RunOptions<'_>) -> Outcome {
        let entered = self.enter(options.cpu);
        let run = entered.run();
        let task = match &options.task {
            Some(task) => task,
            None => self.current_task(run),
        };
        let spec = task.spec();
        let facts = RunFacts {
            pid_tgid: u64::from(spec.tgid) << 32 | u64::from(spec.pid),
            uid_gid: u64::from(spec.gid) << 32 | u64::from(spec.uid),
            random: 0,
            cpu: run.cpu(),
            numa_node: 0,
        };
        let mut environment = RunEnvironment {
            kernel: self,
            run,
            task,
            context,
            program,
            options,
            redirect: None,
            records: Vec::new(),
            held_locks: Vec::new(),
            facts,
            seen_maps: Vec::new(),
            seen_values: Vec::new(),
        };
        let timed = options.timed || self.statistics.are_on();
        let start = timed.then(Instant::now);
        let result = self.execute(program, &mut environment);
        let nanoseconds = start.map_or(0, |start| u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
        environment.clean_up();
        if matches!(result, Err(ref fault) if !matches!(fault, Fault::Unwind(_))) {
            self.note_early_end(environment.run);
        }
        if self.statistics.are_on() {
            program.statistics.note(options.repeat.max(1), nanoseconds);
        }
        let (ret, fault) = match result {
            Ok(ret) => (ret, None),
            // Tail calls and exceptions that end the program on purpose carry its result.
            Err(Fault::Unwind(ret)) => (ret, None),
            Err(fault) => (0, Some(fault)),
        };
        Outcome { ret, redirect: environment.redirect, nanoseconds, fault }
    }

    fn execute<'a>(&self, program: &'a Program, environment: &mut RunEnvironment<'a>) -> Result<u64, Fault> {
        if !environment.context.fits(&program.program_type().info().context) {
            return Err(Fault::Memory { address: environment.context.address(), len: 0, write: false });
        }
        let address = environment.context.address();
        // A run of this kernel keeps only this kernel's maps from being reclaimed.
        if !Arc::ptr_eq(&program.cpus, &self.cpus) {
            return Err(Fault::Unverified);
        }
        if matches!(self.config.mode, Mode::Jit | Mode::Interpreter) {
            return self.execute_natively(program, environment, address);
        }
        let mut result = self.execute_checked(program, environment, address);
        for _ in 1..environment.options.repeat {
            if result.is_err() {
                break;
            }
            environment.begin_again(program);
            result = self.execute_checked(program, environment, address);
        }
        result
    }

    /// Runs a verified program on native addresses.
    fn execute_natively<'a>(
        &self,
        program: &'a Program,
        environment: &mut RunEnvironment<'a>,
        address: u64,
    ) -> Result<u64, Fault> {
        let mut times = environment.options.repeat.max(1);
        // SAFETY: the program comes from the verifier (`run` refuses others), which was told of its maps, whose addresses
        // linking resolved; `environment.program` and with it the maps outlive the run. The context is one of our own
        // types, which lay their memory out as the program-type table says; hooks pair it with the program's type.
        // Helpers follow the helper table.
        if let Some(result) = unsafe { program.executable.run_repeatedly(environment, address, times) } {
            return result;
        }
        loop {
            // SAFETY: as above.
            let result = unsafe { program.executable.run(environment, address) };
            times -= 1;
            if times == 0 || result.is_err() {
                return result;
            }
            environment.begin_again(program);
        }
    }

    /// Runs a program in the sandbox.
    fn execute_checked<'a>(
        &self,
        program: &'a Program,
        environment: &mut RunEnvironment<'a>,
        address: u64,
    ) -> Result<u64, Fault> {
        let mut sandbox = Sandbox::new(self.config.budget);
        for lent in environment.context.lend() {
            lend(&mut sandbox, lent.address, lent.len, lent.writable);
        }
        for map in &program.maps {
            if let Some(values) = map.implementation.direct_values() {
                let writable = !map.definition.flags.contains(MapFlags::RDONLY_PROG);
                lend(&mut sandbox, values.address(), values.len(), writable);
            }
        }
        if self.config.mode == Mode::Paranoid {
            sandbox = sandbox.paranoid();
        }
        let mut trace = environment.options.trace.map(lock);
        if let Some(trace) = &mut trace {
            sandbox = sandbox.traced(trace);
        }
        sandbox.run(&program.executable, environment, [address, 0, 0, 0, 0])
    }
}

fn lend(sandbox: &mut Sandbox<'_>, address: u64, len: usize, writable: bool) {
    if let Some(memory) = NonNull::new(std::ptr::with_exposed_provenance_mut(address as usize)) {
        // SAFETY: the memory is that of the context or of a map of the program, both of which outlive the run, and it is
        // only touched through atomics and by the program meanwhile.
        sandbox.lend(unsafe { Region::from_raw(memory, len, writable) });
    }
}
