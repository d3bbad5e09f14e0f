//! A bounded run of what `cargo xtask fuzz` does for longer: always the same programs.

use skep_fuzzing::case::listing;
use skep_fuzzing::choices::Seeded;
use skep_fuzzing::engines::{self, Engines};
use skep_fuzzing::generate::{random_program, safe_program};
use skep_fuzzing::soundness::{BUDGET, Testimony, Witness};
use skep_fuzzing::verdicts::{Comparison, Judges};
use skep_linux::LinuxKernel;

/// How many programs each test makes.
const PROGRAMS: u64 = 400;

#[test]
fn what_is_claimed_of_accepted_programs_holds() {
    let mut witness = Witness::new().expect("maps of our own kernel");
    let mut ran = 0;
    for seed in 0..PROGRAMS {
        let candidate = random_program(&mut Seeded::new(seed), None);
        match witness.hear(&candidate, seed, 3).expect("maps that can be filled") {
            Testimony::Refused => {}
            Testimony::True(_) => ran += 1,
            Testimony::Lie(lie) => panic!("seed {seed}: {lie}\n{}", listing(&candidate.slots)),
        }
    }
    // The generator must not drift to where nothing is accepted.
    assert!(ran * 6 > PROGRAMS, "only {ran} of {PROGRAMS} programs are accepted: the test shows nothing");
}

#[test]
fn all_engines_compute_the_same() {
    let all = Engines::new(BUDGET).expect("maps of our own kernels");
    let mut same = 0;
    for seed in 0..PROGRAMS {
        let candidate = safe_program(&mut Seeded::new(seed), None);
        match all.compare(&candidate, seed, 2).expect("maps that can be filled") {
            engines::Comparison::Same => same += 1,
            engines::Comparison::Refused | engines::Comparison::TooLong | engines::Comparison::Unclear => {}
            engines::Comparison::Different(what) => panic!("seed {seed}: {what}\n{}", listing(&candidate.slots)),
        }
    }
    assert!(same * 2 > PROGRAMS, "only {same} of {PROGRAMS} programs are compared: the test shows little");
}

#[test]
fn verdicts_are_those_of_linux() {
    let judges = LinuxKernel::open().map_err(|error| error.to_string());
    let judges = judges.and_then(|linux| Judges::new(linux).map_err(|errno| errno.to_string()));
    let judges = match judges {
        Ok(judges) => judges,
        Err(why) => return skep_testing::skip(&format!("programs cannot be loaded into Linux: {why}")),
    };
    let mut unexplained = Vec::new();
    let mut accepted = 0;
    for seed in 0..PROGRAMS {
        let candidate = random_program(&mut Seeded::new(seed), judges.iterator());
        match judges.compare(&candidate) {
            Comparison::Accepted => accepted += 1,
            Comparison::Refused(_) => {}
            other if other.explanation().is_some() => {}
            other => unexplained.push(format!("seed {seed}: {other:?}\n{}", listing(&candidate.slots))),
        }
    }
    assert!(unexplained.is_empty(), "{} verdicts differ\n{}", unexplained.len(), unexplained.join("\n"));
    assert!(accepted * 6 > PROGRAMS, "only {accepted} of {PROGRAMS} programs are accepted: the test shows little");
}
