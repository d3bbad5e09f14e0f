//! A long run over many seeds on all processors.

use crate::progress::Progress;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Seeds that a worker takes at once, with a setting of its own.
const STRIDE: u64 = 200;

/// What to look at.
#[derive(Clone, Copy, Debug)]
pub struct Survey {
    /// The first seed.
    pub seed: u64,
    /// How many seeds.
    pub count: u64,
    /// Stop after so many findings.
    pub findings: usize,
}

/// What became of one seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is well; the word is counted.
    Fine(&'static str),
    /// Something is wrong.
    Finding(String),
}

/// What was seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// How many seeds.
    pub done: u64,
    /// How often each word was said.
    pub fine: BTreeMap<&'static str, u64>,
    /// Seeds with which something is wrong, and what.
    pub findings: Vec<(u64, String)>,
    /// How long it took.
    pub elapsed: Duration,
}

impl Seen {
    /// The numbers in a line, for people.
    pub fn text(&self, what: &str) -> String {
        let seconds = self.elapsed.as_secs_f64();
        let rate = self.done as f64 / seconds.max(f64::MIN_POSITIVE);
        let fine: Vec<String> = self.fine.iter().map(|(word, count)| format!("{count} {word}")).collect();
        let findings = self.findings.len();
        let done = self.done;
        format!("{done} {what} in {seconds:.0} s ({rate:.0} per second): {}; {findings} findings", fine.join(", "))
    }
}

impl Survey {
    /// Judges all seeds. Each worker makes its own setting, and makes it anew now and then.
    ///
    /// # Errors
    /// Those of `setting` and of `judge`.
    pub fn run<S, E: Send>(
        &self,
        setting: impl Fn() -> Result<S, E> + Sync,
        judge: impl Fn(&mut S, u64) -> Result<Outcome, E> + Sync,
    ) -> Result<Seen, E> {
        let start = Instant::now();
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let (next, enough) = (AtomicU64::new(self.seed), AtomicBool::new(false));
        let (results, received) = mpsc::sync_channel(STRIDE as usize);
        let mut seen = thread::scope(|scope| {
            let workers: Vec<_> = (0..workers)
                .map(|_| {
                    let results = results.clone();
                    scope.spawn(|| self.work(&setting, &judge, (&next, &enough), results))
                })
                .collect();
            drop(results);
            let seen = self.collect(received, &enough);
            let failed = workers.into_iter().find_map(|worker| match worker.join() {
                Ok(outcome) => outcome.err(),
                Err(panic) => std::panic::resume_unwind(panic),
            });
            failed.map_or(Ok(seen), Err)
        })?;
        seen.elapsed = start.elapsed();
        seen.findings.sort_unstable();
        Ok(seen)
    }

    fn work<S, E>(
        &self,
        setting: &impl Fn() -> Result<S, E>,
        judge: &impl Fn(&mut S, u64) -> Result<Outcome, E>,
        (next, enough): (&AtomicU64, &AtomicBool),
        results: mpsc::SyncSender<(u64, Outcome)>,
    ) -> Result<(), E> {
        let end = self.seed.saturating_add(self.count);
        loop {
            let first = next.fetch_add(STRIDE, Ordering::Relaxed);
            if first >= end {
                return Ok(());
            }
            let mut setting = setting()?;
            for seed in first..end.min(first + STRIDE) {
                let gone = results.send((seed, judge(&mut setting, seed)?)).is_err();
                if gone || enough.load(Ordering::Relaxed) {
                    return Ok(());
                }
            }
        }
    }

    fn collect(&self, received: mpsc::Receiver<(u64, Outcome)>, enough: &AtomicBool) -> Seen {
        let mut seen = Seen::default();
        let mut progress = Progress::new(self.count);
        for (seed, outcome) in received {
            seen.done += 1;
            match outcome {
                Outcome::Fine(word) => *seen.fine.entry(word).or_default() += 1,
                Outcome::Finding(what) => {
                    progress.say(&format!("seed {seed}: {what}"));
                    seen.findings.push((seed, what));
                }
            }
            if seen.findings.len() >= self.findings {
                enough.store(true, Ordering::Relaxed);
            }
            progress.at(seen.done, seen.findings.len());
        }
        progress.end();
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_is_judged_once() {
        let survey = Survey { seed: 5, count: 1000, findings: 1000 };
        let judge = |(): &mut (), seed: u64| {
            let odd = !seed.is_multiple_of(2);
            Ok::<_, ()>(if odd { Outcome::Finding(seed.to_string()) } else { Outcome::Fine("even") })
        };
        let seen = survey.run(|| Ok(()), judge).expect("no errors");
        assert_eq!((seen.done, seen.fine["even"]), (1000, 500));
        assert!(seen.findings.iter().map(|(seed, _)| *seed).eq((5..1005).step_by(2)));
    }

    #[test]
    fn enough_is_enough() {
        let survey = Survey { seed: 0, count: u64::MAX, findings: 3 };
        let seen = survey.run(|| Ok::<_, ()>(()), |(), _| Ok(Outcome::Finding(String::new()))).expect("no errors");
        assert!((3..10_000).contains(&seen.findings.len()), "{}", seen.findings.len());
    }
}
