//! A long comparison of verdicts: many programs on all processors, the differences sorted by kind.
//!
//! While it runs, a difference is only noted: its seed and its kind. Making a program small asks Linux a thousand times
//! over, so it is done at the end, once for each kind, on the shortest program of that kind, and within a time limit.

use crate::case;
use crate::choices::Seeded;
use crate::generate::{Candidate, NumberIterator, random_program};
use crate::progress::Progress;
use crate::verdicts::{Comparison, Judges};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// Seeds that a worker takes at once.
const STRIDE: u64 = 64;

/// What to look at.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// The first program's seed.
    pub seed: u64,
    /// How many programs.
    pub count: u64,
    /// Stop after so many differences.
    pub findings: usize,
    /// Time to make one program small.
    pub effort: Duration,
}

/// In which way verdicts differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// Linux refuses what we accept; else it accepts what we refuse.
    pub linux_refuses: bool,
    /// The reason of the one that refuses, without its numbers.
    pub reason: String,
}

impl Kind {
    fn of(comparison: &Comparison) -> Option<Kind> {
        let (linux_refuses, reason) = match comparison {
            Comparison::FalseAccept(reason) => (true, reason),
            Comparison::FalseReject(reason) => (false, reason),
            Comparison::Accepted | Comparison::Refused(_) => return None,
        };
        Some(Kind { linux_refuses, reason: general(reason) })
    }

    fn who(&self) -> &'static str {
        if self.linux_refuses { "only Linux refuses" } else { "only Linux accepts" }
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Tally {
    /// Programs compared.
    pub done: u64,
    /// Programs both accept.
    pub accepted: u64,
    /// How often our verifier refused for each reason what Linux refuses too.
    pub reasons: BTreeMap<String, u64>,
    /// How often verdicts differed for a reason that is known.
    pub explained: BTreeMap<&'static str, u64>,
    /// The seeds of all other programs on which verdicts differ.
    pub differences: BTreeMap<Kind, Vec<u64>>,
    /// How long it took to compare them.
    pub elapsed: Duration,
}

impl Tally {
    /// How many programs differ without an explanation.
    pub fn findings(&self) -> usize {
        self.differences.values().map(Vec::len).sum()
    }

    fn add(&mut self, seed: u64, comparison: Comparison) {
        self.done += 1;
        if let Some(why) = comparison.explanation() {
            *self.explained.entry(why).or_default() += 1;
        } else if let Some(kind) = Kind::of(&comparison) {
            self.differences.entry(kind).or_default().push(seed);
        } else if let Comparison::Refused(reason) = &comparison {
            *self.reasons.entry(general(reason)).or_default() += 1;
        } else {
            self.accepted += 1;
        }
    }

    /// The numbers, for people.
    pub fn print(&self) {
        let refused: u64 = self.reasons.values().sum();
        let mut reasons: Vec<_> = self.reasons.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        println!("{} different reasons of both to refuse, the most frequent:", reasons.len());
        for (reason, count) in reasons.iter().take(20) {
            println!("{count:8} {reason}");
        }
        for (why, count) in &self.explained {
            println!("{count} differ, explained: {why}");
        }
        for (kind, seeds) in &self.differences {
            println!("{} differ, {}: {}", seeds.len(), kind.who(), kind.reason);
            println!("         seeds {}", seeds.iter().take(8).map(u64::to_string).collect::<Vec<_>>().join(" "));
        }
        let rate = self.done as f64 / self.elapsed.as_secs_f64();
        println!(
            "{} programs in {:.0} s ({rate:.0} per second): {} accepted by both, {refused} refused by both, \
             {} differ with an explanation, {} without",
            self.done,
            self.elapsed.as_secs_f64(),
            self.accepted,
            self.explained.values().sum::<u64>(),
            self.findings(),
        );
    }
}

/// A reason with its numbers left out.
fn general(reason: &str) -> String {
    let mut out = String::with_capacity(reason.len());
    for c in reason.chars().map(|c| if c.is_ascii_digit() { 'N' } else { c }) {
        if c != 'N' || !out.ends_with('N') {
            out.push(c);
        }
    }
    out
}

/// The program of a seed.
pub fn program(seed: u64, iterator: Option<NumberIterator>) -> Candidate {
    random_program(&mut Seeded::new(seed), iterator)
}

impl Search {
    /// Compares all programs. `judges` makes the two verifiers, once for each worker.
    ///
    /// # Errors
    /// Those of `judges`.
    pub fn run<E: Send>(&self, judges: impl Fn() -> Result<Judges, E> + Sync) -> Result<Tally, E> {
        let start = Instant::now();
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let (next, enough) = (AtomicU64::new(self.seed), AtomicBool::new(false));
        let (results, received) = mpsc::channel();
        let mut tally = thread::scope(|scope| {
            let workers: Vec<_> = (0..workers)
                .map(|_| {
                    let results = results.clone();
                    scope.spawn(|| judges().map(|judges| self.work(&judges, &next, &enough, results)))
                })
                .collect();
            drop(results);
            let tally = self.collect(received, &enough);
            let failed = workers.into_iter().find_map(|worker| match worker.join() {
                Ok(outcome) => outcome.err(),
                Err(panic) => std::panic::resume_unwind(panic),
            });
            failed.map_or(Ok(tally), Err)
        })?;
        tally.elapsed = start.elapsed();
        Ok(tally)
    }

    fn work(&self, judges: &Judges, next: &AtomicU64, enough: &AtomicBool, results: Sender<(u64, Comparison)>) {
        let iterator = judges.iterator();
        let end = self.seed.saturating_add(self.count);
        loop {
            let first = next.fetch_add(STRIDE, Ordering::Relaxed);
            if first >= end {
                return;
            }
            for seed in first..end.min(first + STRIDE) {
                let gone = results.send((seed, judges.compare(&program(seed, iterator)))).is_err();
                if gone || enough.load(Ordering::Relaxed) {
                    return;
                }
            }
        }
    }

    fn collect(&self, received: Receiver<(u64, Comparison)>, enough: &AtomicBool) -> Tally {
        let mut tally = Tally::default();
        let mut progress = Progress::new(self.count);
        for (seed, comparison) in received {
            if let Some(kind) = Kind::of(&comparison).filter(|_| comparison.explanation().is_none()) {
                progress.say(&format!("seed {seed}: {}: {}", kind.who(), kind.reason));
            }
            tally.add(seed, comparison);
            if tally.findings() >= self.findings {
                enough.store(true, Ordering::Relaxed);
            }
            progress.at(tally.done, tally.findings());
        }
        progress.end();
        tally
    }

    /// For each kind of difference a small program that shows it, as a case for `tests/verifier`.
    pub fn cases(&self, tally: &Tally, judges: &Judges) -> Vec<String> {
        tally.differences.iter().map(|(kind, seeds)| self.case(kind, seeds, judges)).collect()
    }

    fn case(&self, kind: &Kind, seeds: &[u64], judges: &Judges) -> String {
        let programs = seeds.iter().map(|seed| (*seed, program(*seed, judges.iterator())));
        let Some((seed, shortest)) = programs.min_by_key(|(_, program)| program.slots.len()) else {
            return String::new();
        };
        let small = judges.minimise(&shortest, Instant::now() + self.effort, &|c| Kind::of(c).as_ref() == Some(kind));
        let verdict = match judges.compare(&small) {
            Comparison::FalseAccept(reason) => format!("reject\n{reason}"),
            Comparison::FalseReject(reason) => format!("accept\n; here: {reason}"),
            other => format!("{other:?}"),
        };
        case::text(&format!("seed {seed}: {}", kind.who()), &small, &verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_do_not_make_kinds() {
        assert_eq!(general("value -4096 makes fp10 be 7"), "value -N makes fpN be N");
        let kind = |reason: &str| Kind::of(&Comparison::FalseAccept(reason.to_owned()));
        assert_eq!(kind("infinite loop detected at insn 20"), kind("infinite loop detected at insn 7"));
        assert_eq!(Kind::of(&Comparison::Accepted), None);
    }

    #[test]
    fn every_program_is_counted_once() {
        let mut tally = Tally::default();
        tally.add(1, Comparison::Accepted);
        tally.add(2, Comparison::Refused("R1 !read_ok".to_owned()));
        tally.add(3, Comparison::FalseReject("R1 !read_ok".to_owned()));
        tally.add(4, Comparison::FalseReject("R2 !read_ok".to_owned()));
        tally.add(5, Comparison::FalseAccept("verifier bug: so it says".to_owned()));
        assert_eq!((tally.done, tally.accepted, tally.findings()), (5, 1, 2));
        assert_eq!(tally.differences.len(), 1, "both are of one kind");
        assert_eq!(tally.explained.values().sum::<u64>(), 1);
    }
}
