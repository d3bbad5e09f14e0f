//! Where it was measured, and quiet there: this thread stays on one CPU.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::Serialize;
use std::time::{SystemTime, UNIX_EPOCH};

/// The machine and its tools.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Model of the CPU.
    pub cpu: String,
    /// How many of them.
    pub cpus: usize,
    /// Name and release of the system.
    pub kernel: String,
    /// The compiler of the programs.
    pub clang: String,
    /// Instruction set of the objects for kernels.
    pub instruction_set: String,
    /// The day, UTC.
    pub date: String,
}

impl Machine {
    /// This one.
    pub fn this(clang: String, instruction_set: &str) -> Machine {
        let system = rustix::system::uname();
        let words = [system.sysname(), system.release(), system.machine()];
        Machine {
            cpu: cpu_model(),
            cpus: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            kernel: words.map(|word| word.to_string_lossy().into_owned()).join(" "),
            clang,
            instruction_set: instruction_set.to_owned(),
            date: today(),
        }
    }
}

fn cpu_model() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
    model.map_or_else(|| "unknown CPU".to_owned(), |(_, model)| model.trim().to_owned())
}

fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let (year, month, day) = civil((seconds / 86_400) as i64);
    format!("{year}-{month:02}-{day:02}")
}

/// The date of a day since 1970, by the Gregorian calendar.
fn civil(days: i64) -> (i64, i64, i64) {
    let mut year = 1970;
    let mut rest = days;
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    while rest >= 365 + i64::from(is_leap(year)) {
        rest -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + i64::from(is_leap(year));
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while rest >= lengths[month] {
        rest -= lengths[month];
        month += 1;
    }
    (year, month as i64 + 1, rest + 1)
}

/// Keeps this thread on the last CPU that it may use, which the system's own work prefers least. Gives that CPU; `None` if
/// it could not be done.
pub fn pin() -> Option<usize> {
    let allowed = sched_getaffinity(None).ok()?;
    let cpu = (0..CpuSet::MAX_CPU).rev().find(|cpu| allowed.is_set(*cpu))?;
    let mut only = CpuSet::new();
    only.set(cpu);
    sched_setaffinity(None, &only).ok()?;
    Some(cpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(11_017), (2000, 3, 1));
        assert_eq!(civil(20_453), (2025, 12, 31));
    }
}
