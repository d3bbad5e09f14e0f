//! The commands `engines` and `sequences`.

use crate::claims::program;
use crate::{Failure, Findings, Range};
use skep_engine::Mode;
use skep_fuzzing::case;
use skep_fuzzing::choices::Seeded;
use skep_fuzzing::engines::{Comparison, Engines, run_seed, sequence_difference, sequence_fault};
use skep_fuzzing::generate::Candidate;
use skep_fuzzing::minimise::minimise;
use skep_fuzzing::results::{Agreement, Results};
use skep_fuzzing::sequences::sequence;
use skep_fuzzing::soundness::{BUDGET, packet};
use skep_fuzzing::survey::{Outcome, Seen, Survey};
use skep_isa::Slot;
use skep_linux::LinuxKernel;
use std::process::ExitCode;

/// One in so many programs is compared with Linux, too.
const WITH_LINUX: u64 = 4;

fn survey(range: &Range) -> Survey {
    Survey { seed: range.seed, count: range.count, findings: range.findings }
}

/// Compares the engines on programs that the verifier accepts.
pub(crate) fn engines(range: &Range, runs: u32, with_linux: bool) -> Result<ExitCode, Failure> {
    let kernels = || Kernels::new(with_linux);
    let seen = survey(range).run(kernels, |kernels, seed| kernels.judge(&program(seed), seed, runs))?;
    let small = |seed: u64| {
        let candidate = program(seed);
        let program_type = candidate.program_type;
        let slots = minimise(&candidate.slots, |slots| {
            let smaller = Candidate { program_type, slots: slots.to_vec() };
            let outcome = kernels().and_then(|mut kernels| kernels.judge(&smaller, seed, runs));
            matches!(outcome, Ok(Outcome::Finding(_)))
        });
        Candidate { program_type, slots }
    };
    report(range, &seen, "programs", |seed, what| case::text(&format!("seed {seed}: {what}"), &small(seed), "accept"))
}

/// The kernels that programs run on.
struct Kernels {
    engines: Engines,
    results: Option<Results>,
    with_linux: bool,
}

impl Kernels {
    fn new(with_linux: bool) -> Result<Kernels, String> {
        let linux = || {
            let linux = LinuxKernel::open().map_err(|error| error.to_string())?;
            Results::new(linux, Mode::Jit, BUDGET).map_err(|errno| errno.to_string())
        };
        let results = with_linux.then(linux).transpose()?;
        let engines = Engines::new(BUDGET).map_err(|errno| errno.to_string())?;
        Ok(Kernels { engines, results, with_linux })
    }

    /// Runs change what later ones find (records in a ring, random numbers drawn): a difference counts if new kernels show
    /// it, too.
    fn judge(&mut self, candidate: &Candidate, seed: u64, runs: u32) -> Result<Outcome, String> {
        match self.judge_once(candidate, seed, runs)? {
            Outcome::Finding(_) => {
                *self = Kernels::new(self.with_linux)?;
                self.judge_once(candidate, seed, runs)
            }
            fine => Ok(fine),
        }
    }

    fn judge_once(&self, candidate: &Candidate, seed: u64, runs: u32) -> Result<Outcome, String> {
        let comparison = self.engines.compare(candidate, seed, runs).map_err(|errno| errno.to_string())?;
        let results = self.results.as_ref().filter(|_| seed.is_multiple_of(WITH_LINUX));
        Ok(match (comparison, results) {
            (Comparison::Refused, _) => Outcome::Fine("refused"),
            (Comparison::TooLong, _) => Outcome::Fine("too long"),
            (Comparison::Unclear, _) => Outcome::Fine("unclear (addresses or unwritten stack may show)"),
            (Comparison::Different(what), _) => Outcome::Finding(what),
            (Comparison::Same, None) => Outcome::Fine("the same in all engines"),
            (Comparison::Same, Some(results)) => {
                // A run that is known to end soon: Linux ends others by the clock.
                let seed = run_seed(seed, 0);
                let packet = packet(&mut Seeded::new(seed));
                match results.compare(candidate, seed, &packet).map_err(|errno| errno.to_string())? {
                    Agreement::NotCompared => Outcome::Fine("the same in all engines"),
                    Agreement::Same => Outcome::Fine("the same in all engines and in Linux"),
                    Agreement::Unclear => Outcome::Fine("the same in all engines, unclear in Linux"),
                    Agreement::Different(what) => Outcome::Finding(what),
                }
            }
        })
    }
}

fn sequence_of(seed: u64) -> Vec<Slot> {
    sequence(&mut Seeded::new(seed))
}

/// Compares the engines on sequences of instructions that no verifier sees.
pub(crate) fn sequences(range: &Range) -> Result<ExitCode, Failure> {
    let judge = |(): &mut (), seed: u64| {
        let slots = sequence_of(seed);
        Ok::<_, String>(match (sequence_difference(&slots, seed), sequence_fault(&slots, seed)) {
            (Some(what), _) => Outcome::Finding(what),
            (None, Some(fault)) => Outcome::Finding(format!("the generator makes a program that faults: {fault}")),
            (None, None) => Outcome::Fine("the same"),
        })
    };
    let seen = survey(range).run(|| Ok(()), judge)?;
    report(range, &seen, "sequences", |seed, what| {
        let small = minimise(&sequence_of(seed), |slots| {
            // What does not depend on where the stack is.
            sequence_fault(slots, seed).is_none() && sequence_difference(slots, seed).is_some()
        });
        let still = sequence_difference(&small, seed).unwrap_or_default();
        format!("; seed {seed}: {what}\n; {still}\n{}", case::listing(&small))
    })
}

fn report(range: &Range, seen: &Seen, what: &str, case: impl Fn(u64, &str) -> String) -> Result<ExitCode, Failure> {
    let mut findings = Findings::new(range.clone());
    for (seed, wrong) in &seen.findings {
        findings.add(case(*seed, wrong))?;
    }
    println!("{}", seen.text(what));
    Ok(findings.outcome())
}
