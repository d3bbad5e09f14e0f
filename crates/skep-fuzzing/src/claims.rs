//! The command `claims`.

use crate::{Failure, Findings, Range};
use skep_engine::Mode;
use skep_fuzzing::case;
use skep_fuzzing::choices::Seeded;
use skep_fuzzing::generate::{Candidate, random_program, safe_program};
use skep_fuzzing::results::{Agreement, Results};
use skep_fuzzing::soundness::{BUDGET, Claimed, Testimony, Witness, packet};
use skep_linux::LinuxKernel;
use std::process::ExitCode;

/// Programs after which kernels are made anew: nobody reads the ring buffer, and a full one takes no records.
const PROGRAMS_PER_KERNEL: u64 = 200;
/// One in so many programs may make mistakes; the others are usually accepted.
const CARELESS: u64 = 8;

/// One in so many programs has its results compared.
const COMPARED: u64 = 3;

/// The program of a seed.
pub(crate) fn program(seed: u64) -> Candidate {
    let numbers = &mut Seeded::new(seed);
    if seed.is_multiple_of(CARELESS) { random_program(numbers, None) } else { safe_program(numbers, None) }
}

/// What became of the programs.
#[derive(Default)]
struct Counts {
    refused: u64,
    everything: u64,
    what_decides: u64,
    nothing: u64,
    same: u64,
    unclear: u64,
}

impl Counts {
    fn text(&self, runs: u32) -> String {
        let Counts { refused, everything, what_decides, nothing, same, unclear } = self;
        let ran = everything + what_decides + nothing;
        format!(
            "{refused} refused, {ran} accepted and run {runs} times each: {everything} held against all that is \
             claimed, {what_decides} against what decides alone (refused when explored completely), {nothing} against \
             nothing (too many states); {same} with the same result on Linux, {unclear} with another where addresses or \
             unwritten stack may show"
        )
    }
}

/// The kernels that programs run on.
struct Kernels {
    witness: Witness,
    results: Option<Results>,
}

fn results(with_linux: bool) -> Result<Option<Results>, Failure> {
    Ok(match with_linux {
        true => Some(Results::new(LinuxKernel::open()?, Mode::Sandbox, BUDGET).map_err(|errno| errno.to_string())?),
        false => None,
    })
}

impl Kernels {
    fn new(with_linux: bool) -> Result<Kernels, Failure> {
        let witness = Witness::new().map_err(|errno| errno.to_string())?;
        Ok(Kernels { witness, results: results(with_linux)? })
    }

    /// What is wrong with a program; nothing if it is refused or all is well.
    fn judge(&mut self, candidate: &Candidate, seed: u64, runs: u32, counts: &mut Counts) -> Result<String, Failure> {
        match self.witness.hear(candidate, seed, runs).map_err(|errno| errno.to_string())? {
            Testimony::Refused => counts.refused += 1,
            Testimony::Lie(lie) => return Ok(lie),
            Testimony::True(claimed) => {
                match claimed {
                    Claimed::Everything => counts.everything += 1,
                    Claimed::WhatDecides => counts.what_decides += 1,
                    Claimed::Nothing => counts.nothing += 1,
                }
                if self.results.is_some() && seed.is_multiple_of(COMPARED) {
                    match self.agreement(candidate, seed)? {
                        Agreement::NotCompared => {}
                        Agreement::Same => counts.same += 1,
                        Agreement::Unclear => counts.unclear += 1,
                        Agreement::Different(what) => return Ok(what),
                    }
                }
            }
        }
        Ok(String::new())
    }

    /// Ring buffers fill, and not alike where a run ends early on one kernel: a difference counts if new ones show it too.
    fn agreement(&mut self, candidate: &Candidate, seed: u64) -> Result<Agreement, Failure> {
        let packet = packet(&mut Seeded::new(seed));
        let compare = |results: &Option<Results>| match results {
            Some(results) => results.compare(candidate, seed, &packet).map_err(|errno| errno.to_string()),
            None => Ok(Agreement::NotCompared),
        };
        let first = compare(&self.results)?;
        if matches!(first, Agreement::Same | Agreement::NotCompared) {
            return Ok(first);
        }
        self.results = results(true)?;
        Ok(compare(&self.results)?)
    }

    /// The smallest program found with which something is wrong, and what.
    fn minimise(&mut self, candidate: &Candidate, seed: u64, runs: u32) -> (Candidate, String) {
        let program_type = candidate.program_type;
        let mut last = String::new();
        let slots = skep_fuzzing::minimise::minimise(&candidate.slots, |slots| {
            let smaller = Candidate { program_type, slots: slots.to_vec() };
            let wrong = self.judge(&smaller, seed, runs, &mut Counts::default()).unwrap_or_default();
            let found = !wrong.is_empty();
            if found {
                last = wrong;
            }
            found
        });
        (Candidate { program_type, slots }, last)
    }
}

/// Runs what is accepted, holds it against the claims and compares its results with those of Linux.
pub(crate) fn claims(range: &Range, runs: u32, with_linux: bool) -> Result<ExitCode, Failure> {
    let mut kernels = Kernels::new(with_linux)?;
    let mut findings = Findings::new(range.clone());
    let mut counts = Counts::default();
    let mut done = 0_u64;
    for seed in range.seed..range.seed + range.count {
        let candidate = program(seed);
        done += 1;
        if done.is_multiple_of(PROGRAMS_PER_KERNEL) {
            kernels = Kernels::new(with_linux)?;
        }
        let wrong = kernels.judge(&candidate, seed, runs, &mut counts)?;
        if !wrong.is_empty() {
            let (small, of_small) = kernels.minimise(&candidate, seed, runs);
            let what = if of_small.is_empty() { wrong } else { of_small };
            findings.add(case::text(&format!("seed {seed}: {what}"), &small, "accept"))?;
            if findings.are_enough() {
                break;
            }
        }
        if done.is_multiple_of(50_000) {
            findings.report(&counts.text(runs), done);
        }
    }
    findings.report(&counts.text(runs), done);
    Ok(findings.outcome())
}
