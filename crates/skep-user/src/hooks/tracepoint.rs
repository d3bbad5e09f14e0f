//! Tracepoints: the program gets the event's record as the tracing buffer has it.

use super::{Fate, Hook, Verdict};
use crate::run::{Context, Outcome, PlainContext};
use skep_abi::program_type::ProgramType;

/// The fields before every record: event id, flags, preemption depth, pid.
const COMMON: usize = 8;

/// An event at a tracepoint.
#[derive(Clone, Copy, Debug)]
pub struct TracepointEvent<'e> {
    /// The record from `common_type` on, laid out as the tracepoint's `format` file says.
    pub record: &'e [u8],
}

/// A tracepoint.
#[derive(Debug, Default)]
pub struct Tracepoint {
    context: Option<PlainContext>,
}

impl Tracepoint {
    /// Any tracepoint.
    pub fn new() -> Tracepoint {
        Tracepoint::default()
    }
}

impl Hook<TracepointEvent<'_>> for Tracepoint {
    fn program_types(&self) -> &'static [ProgramType] {
        &[ProgramType::Tracepoint]
    }

    fn enter(&mut self, event: TracepointEvent<'_>) -> &mut dyn Context {
        self.context.insert(PlainContext::of(ProgramType::Tracepoint, event.record))
    }

    /// Linux keeps the event from perf's readers where the program gives 0; to others it is all one.
    fn verdict(&self, outcome: &Outcome) -> Verdict {
        Verdict::new(outcome.verdict().to_string(), Fate::Observed)
    }
}

/// A system call, as the tracepoints of `syscalls` and `raw_syscalls` report it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemCall {
    /// Thread that makes it.
    pub pid: i32,
    /// Its number.
    pub number: i64,
}

impl SystemCall {
    /// The record of `syscalls/sys_enter_NAME` and of `raw_syscalls/sys_enter`.
    pub fn enter_record(&self, args: [u64; 6]) -> Vec<u8> {
        let args: Vec<u8> = args.iter().flat_map(|arg| arg.to_ne_bytes()).collect();
        [self.start(), args].concat()
    }

    /// The record of `syscalls/sys_exit_NAME` and of `raw_syscalls/sys_exit`.
    pub fn exit_record(&self, result: i64) -> Vec<u8> {
        [self.start(), result.to_ne_bytes().to_vec()].concat()
    }

    fn start(&self) -> Vec<u8> {
        let mut record = vec![0; COMMON];
        record[4..].copy_from_slice(&self.pid.to_ne_bytes());
        // `int __syscall_nr` with padding in one kind of record, `long id` in the other.
        record.extend_from_slice(&self.number.to_ne_bytes());
        record
    }
}
