//! Runs in Skep's own kernel, on events that are described as JSON, one object a line.

use super::Run;
use super::report::RunReport;
use crate::error::Failure;
use crate::input;
use serde::Deserialize;
use skep::{Kernel, Object};
use skep_user::hooks::{
    Hook, Kprobe, Lsm, LsmEvent, OpenFile, PerfEvent, RawTracepoint, RawTracepointEvent, Registers, Sample, SystemCall,
    Tracepoint, TracepointEvent, Verdict,
};
use skep_user::{Config, Context, Outcome, RunOptions, Task, TaskSpec, UserKernel};
use std::ffi::CString;
use std::path::Path;
use std::sync::Arc;

/// One line of the file: who does it, and what happens.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default)]
    task: TaskLine,
    #[serde(default)]
    kernel_stack: Vec<u64>,
    #[serde(default)]
    user_stack: Vec<u64>,
    event: Event,
}

/// The task that programs see as the current one.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TaskLine {
    pid: Option<u32>,
    tgid: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
    comm: Option<String>,
}

/// What happens.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Event {
    /// A tracepoint's record from `common_type` on, in hexadecimal.
    Record(String),
    /// The tracepoints `sys_enter` and `sys_enter_NAME`.
    SyscallEnter { number: i64, args: Vec<Argument> },
    /// The tracepoints `sys_exit` and `sys_exit_NAME`.
    SyscallExit { number: i64, result: i64 },
    /// Raw tracepoint.
    RawTracepoint { args: Vec<Argument> },
    /// kprobe or uprobe at a function's entry.
    FunctionEntry { args: Vec<Argument> },
    /// kretprobe or uretprobe.
    FunctionReturn { result: Argument },
    /// Sample of a perf event.
    Sample { instruction_pointer: u64, sample_period: u64 },
    /// LSM hook `file_open`.
    FileOpen(FileLine),
    /// LSM hook `file_permission`; the mask says how: 4 reads, 2 writes, 1 executes.
    FilePermission { mask: i32, file: FileLine },
}

/// A number, or text whose address is passed.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Argument {
    Number(i64),
    Text(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLine {
    path: String,
    #[serde(default)]
    flags: u32,
    #[serde(default)]
    mode: u16,
    #[serde(default)]
    uid: u32,
    #[serde(default)]
    gid: u32,
    #[serde(default)]
    inode: u64,
    #[serde(default)]
    size_bytes: i64,
}

impl FileLine {
    fn open_file(&self) -> OpenFile<'_> {
        OpenFile {
            path: &self.path,
            flags: self.flags,
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            inode: self.inode,
            size: self.size_bytes,
        }
    }
}

pub(super) fn run(arguments: &Run, object: Object, file: &Path) -> Result<RunReport, Failure> {
    let kernel = UserKernel::new(Config { mode: arguments.engine, ..Config::default() });
    let shared: Arc<dyn Kernel> = kernel.clone();
    let loaded = arguments.load(&object, &shared)?;
    let program = arguments.choose(&loaded)?;
    let mut runner = Runner {
        program: kernel.program(program.fd()).map_err(|errno| Failure::because("cannot run the program", &errno))?,
        kernel: &kernel,
        attached_to: format!("bpf_lsm_{}", program.kind().attach_to.as_deref().unwrap_or_default()),
        report: arguments.report(&loaded, program),
        nanoseconds: 0,
    };
    runner.report.engine = Some(arguments.engine.name());
    let text = input::read_text(file)?;
    for _ in 0..arguments.repeat {
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let place = || format!("{}, line {}", file.display(), number + 1);
            let line: Line = serde_json::from_str(line).map_err(|e| Failure::because(place(), &e))?;
            runner.line(&line).map_err(|what| Failure::new(format!("{}: {what}", place())))?;
        }
    }
    let mut report = runner.report;
    if report.runs > 0 {
        report.ns_per_run = Some(runner.nanoseconds as f64 / report.runs as f64);
    }
    arguments.finish(report, &loaded)
}

struct Runner<'k> {
    kernel: &'k UserKernel,
    program: Arc<skep_user::Program>,
    /// The function that an LSM program is attached to.
    attached_to: String,
    report: RunReport,
    nanoseconds: u64,
}

/// Arguments as numbers. Text lives as long as this does.
struct Words {
    numbers: Vec<u64>,
    _texts: Vec<CString>,
}

impl Words {
    fn new(arguments: &[Argument]) -> Result<Words, String> {
        let mut words = Words { numbers: Vec::new(), _texts: Vec::new() };
        for argument in arguments {
            let number = match argument {
                Argument::Number(number) => number.cast_unsigned(),
                Argument::Text(text) => {
                    let text = CString::new(text.as_str()).map_err(|_| "text must not hold a NUL".to_owned())?;
                    let address = text.as_ptr().expose_provenance() as u64;
                    words._texts.push(text);
                    address
                }
            };
            words.numbers.push(number);
        }
        Ok(words)
    }

    /// The first `N`, zero where there are fewer.
    fn array<const N: usize>(&self) -> [u64; N] {
        std::array::from_fn(|index| self.numbers.get(index).copied().unwrap_or(0))
    }
}

impl Runner<'_> {
    fn line(&mut self, line: &Line) -> Result<(), String> {
        let pid = |spec: &TaskSpec| i32::try_from(spec.pid).unwrap_or(i32::MAX);
        let spec = line.task.spec();
        match &line.event {
            Event::Record(hex) => {
                let record = skep_engine::conformance::parse_hex(hex).map_err(|e| e.to_string())?;
                self.run(line, Tracepoint::new(), TracepointEvent { record: &record })
            }
            Event::SyscallEnter { number, args } => {
                let words = Words::new(args)?;
                let record = SystemCall { pid: pid(&spec), number: *number }.enter_record(words.array());
                self.run(line, Tracepoint::new(), TracepointEvent { record: &record })
            }
            Event::SyscallExit { number, result } => {
                let record = SystemCall { pid: pid(&spec), number: *number }.exit_record(*result);
                self.run(line, Tracepoint::new(), TracepointEvent { record: &record })
            }
            Event::RawTracepoint { args } => {
                let words = Words::new(args)?;
                self.run(line, RawTracepoint::new(), RawTracepointEvent { arguments: &words.numbers })
            }
            Event::FunctionEntry { args } => {
                let words = Words::new(args)?;
                self.run(line, Kprobe::new(), Registers { arguments: words.array(), ..Registers::default() })
            }
            Event::FunctionReturn { result } => {
                let words = Words::new(std::slice::from_ref(result))?;
                let [result] = words.array();
                self.run(line, Kprobe::new(), Registers { result, ..Registers::default() })
            }
            Event::Sample { instruction_pointer, sample_period } => {
                let registers = Registers { instruction_pointer: *instruction_pointer, ..Registers::default() };
                let sample = Sample { registers, sample_period: *sample_period, ..Sample::default() };
                self.run(line, PerfEvent::new(), sample)
            }
            Event::FileOpen(file) => self.security(line, LsmEvent::FileOpen(file.open_file())),
            Event::FilePermission { mask, file } => {
                self.security(line, LsmEvent::FilePermission(file.open_file(), *mask))
            }
        }
    }

    /// A program knows its arguments by the hook it is attached to: on another one's event it would misread them.
    fn security(&mut self, line: &Line, event: LsmEvent<'_>) -> Result<(), String> {
        if self.attached_to != event.target() {
            return Err(format!(
                "the program is attached to {}, the event is one of {}",
                self.attached_to,
                event.target()
            ));
        }
        self.run(line, Lsm::new(), event)
    }

    fn run<E>(&mut self, line: &Line, mut hook: impl Hook<E>, event: E) -> Result<(), String> {
        let program_type = self.program.program_type();
        if !hook.program_types().contains(&program_type) {
            let name = program_type.info().name;
            return Err(format!("a program of type {name} does not run on such an event"));
        }
        let options = RunOptions {
            task: Some(Task::new(line.task.spec())),
            kernel_stack: &line.kernel_stack,
            user_stack: &line.user_stack,
            timed: true,
            ..RunOptions::default()
        };
        let outcome = self.enter(hook.enter(event), &options);
        if let Some(fault) = &outcome.fault {
            return Err(format!("the program faulted: {fault}"));
        }
        let Verdict { name, .. } = hook.verdict(&outcome);
        self.report.count(&name);
        self.report.runs += 1;
        self.nanoseconds += outcome.nanoseconds;
        Ok(())
    }

    fn enter(&self, context: &mut dyn Context, options: &RunOptions<'_>) -> Outcome {
        self.kernel.run_with(&self.program, context, options)
    }
}

impl TaskLine {
    /// What is not given is this process's.
    fn spec(&self) -> TaskSpec {
        let own = TaskSpec::current();
        let pid = self.pid.unwrap_or(own.pid);
        TaskSpec {
            pid,
            tgid: self.tgid.or(self.pid).unwrap_or(own.tgid),
            uid: self.uid.unwrap_or(own.uid),
            gid: self.gid.unwrap_or(own.gid),
            comm: self.comm.clone().unwrap_or_else(|| own.comm.clone()),
            ..own
        }
    }
}
