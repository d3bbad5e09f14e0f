//! Faults of the verifier are found out: a bounded run of what `cargo xtask fuzz planted` does for all of them.

use skep_fuzzing::choices::Seeded;
use skep_fuzzing::generate::safe_program;
use skep_fuzzing::soundness::{Testimony, Witness};
use skep_verifier::planted::{Fault, plant};

/// One fault of each kind that shows soon: known bits, bounds, extensions, comparisons, the stack, links, packets.
const SOON: &[Fault] = Fault::ALL;

/// Programs within which each is found, and runs of each program.
const PROGRAMS: u64 = 400;
const RUNS: u32 = 3;

fn first_lie() -> Option<u64> {
    let mut witness = Witness::new().expect("maps of our own kernel");
    (0..PROGRAMS).find(|seed| {
        let candidate = safe_program(&mut Seeded::new(*seed), None);
        let testimony = witness.hear(&candidate, *seed, RUNS).expect("maps that can be filled");
        matches!(testimony, Testimony::Lie(_))
    })
}

#[test]
fn planted_faults_are_found() {
    let missed: Vec<Fault> = SOON
        .iter()
        .copied()
        .filter(|fault| {
            plant(Some(*fault));
            let found = first_lie();
            plant(None);
            println!("{fault:?} {found:?}");
            found.is_none()
        })
        .collect();
    assert!(missed.is_empty(), "not found within {PROGRAMS} programs: {missed:?}");
}
