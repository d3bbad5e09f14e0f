//! Perf events: what BPF programs of the tracing kind are attached to.

use std::path::PathBuf;

/// A perf event to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerfEvent {
    /// What counts.
    pub kind: PerfEventKind,
    /// When a program runs or a sample is written.
    pub rate: SampleRate,
    /// What goes into the ring.
    pub sample: PerfSample,
    /// Wake a reader after so many samples.
    pub wakeup_events: u32,
    /// Follow children of the task.
    pub inherit: bool,
}

impl PerfEvent {
    /// An event at whose every occurrence a program runs.
    pub fn every(kind: PerfEventKind) -> PerfEvent {
        PerfEvent { kind, rate: SampleRate::Period(1), sample: PerfSample::Nothing, wakeup_events: 1, inherit: false }
    }
}

/// What a perf event counts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PerfEventKind {
    /// CPU time of a task, by a timer (`PERF_COUNT_SW_CPU_CLOCK`).
    CpuClock,
    /// Another software event (`PERF_COUNT_SW_*`).
    Software(u64),
    /// Hardware event (`PERF_COUNT_HW_*`).
    Hardware(u64),
    /// Any other type with its config.
    Raw {
        /// `perf_event_attr.type`.
        event_type: u32,
        /// `perf_event_attr.config`.
        config: u64,
    },
    /// Tracepoint by number.
    Tracepoint(u64),
    /// Output of `bpf_perf_event_output` (`PERF_COUNT_SW_BPF_OUTPUT`).
    BpfOutput,
    /// Entry of a kernel function, or its return.
    Kprobe {
        /// Function.
        symbol: String,
        /// Bytes into it.
        offset: u64,
        /// At the return.
        returns: bool,
    },
    /// Instruction of a binary, or the return from it.
    Uprobe {
        /// The binary.
        path: PathBuf,
        /// Offset in the file.
        offset: u64,
        /// At the return.
        returns: bool,
        /// Offset in the file of a semaphore to count up, 0 for none.
        ref_ctr_offset: u64,
    },
}

/// How often an event samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleRate {
    /// Once in so many events; nanoseconds for [`PerfEventKind::CpuClock`].
    Period(u64),
    /// So many times a second.
    Frequency(u64),
}

/// What a sample in the ring holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerfSample {
    /// Nothing: programs run, the ring stays empty.
    Nothing,
    /// The bytes of `bpf_perf_event_output` (`PERF_SAMPLE_RAW`).
    Raw,
}
