//! Run-time statistics of programs: off until somebody asks (`BPF_ENABLE_STATS`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// How many have asked for statistics.
#[derive(Debug, Default)]
pub(crate) struct Statistics {
    users: AtomicUsize,
}

impl Statistics {
    /// Whether runs are to be timed.
    pub(crate) fn are_on(&self) -> bool {
        self.users.load(Relaxed) > 0
    }

    /// Turns them on for as long as the guard lives.
    pub(crate) fn enable(self: &Arc<Self>) -> StatisticsGuard {
        self.users.fetch_add(1, Relaxed);
        StatisticsGuard(self.clone())
    }
}

/// Keeps statistics on.
#[derive(Debug)]
pub(crate) struct StatisticsGuard(Arc<Statistics>);

impl Drop for StatisticsGuard {
    fn drop(&mut self) {
        self.0.users.fetch_sub(1, Relaxed);
    }
}

/// One program's runs.
#[derive(Debug, Default)]
pub(crate) struct ProgramStatistics {
    count: AtomicU64,
    nanoseconds: AtomicU64,
}

impl ProgramStatistics {
    /// Notes so many runs, which took that long together.
    pub(crate) fn note(&self, runs: u32, nanoseconds: u64) {
        self.count.fetch_add(runs.into(), Relaxed);
        self.nanoseconds.fetch_add(nanoseconds, Relaxed);
    }

    /// Runs and nanoseconds.
    pub(crate) fn read(&self) -> (u64, u64) {
        (self.count.load(Relaxed), self.nanoseconds.load(Relaxed))
    }
}
