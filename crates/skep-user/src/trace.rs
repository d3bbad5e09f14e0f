//! What programs print: a bounded list of lines, as `trace_pipe` shows them.

use crate::sync::lock;
use std::collections::VecDeque;
use std::sync::Mutex;

/// A line and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceLine {
    /// Name of the task.
    pub comm: String,
    /// Its thread id.
    pub pid: u32,
    /// Virtual CPU.
    pub cpu: u32,
    /// Nanoseconds of the kernel's clock.
    pub time: u64,
    /// What was printed, without a line feed at the end.
    pub text: String,
}

impl std::fmt::Display for TraceLine {
    /// As in Linux's trace pipe.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (seconds, micros) = (self.time / 1_000_000_000, self.time / 1000 % 1_000_000);
        write!(
            f,
            "{:>16}-{:<7} [{:03}] ...11 {seconds:>5}.{micros:06}: bpf_trace_printk: {}",
            self.comm, self.pid, self.cpu, self.text
        )
    }
}

/// The lines nobody has read yet; the oldest go when there are too many.
#[derive(Debug)]
pub(crate) struct TraceBuffer {
    lines: Mutex<VecDeque<TraceLine>>,
    capacity: usize,
}

impl TraceBuffer {
    /// Room for so many lines.
    pub(crate) fn new(capacity: usize) -> TraceBuffer {
        TraceBuffer { lines: Mutex::default(), capacity: capacity.max(1) }
    }

    /// Adds a line.
    pub(crate) fn push(&self, line: TraceLine) {
        let mut lines = lock(&self.lines);
        if lines.len() == self.capacity {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// Takes all lines out.
    pub(crate) fn take(&self) -> Vec<TraceLine> {
        lock(&self.lines).drain(..).collect()
    }
}
