//! Faults of the verifier are found out: a bounded run of what `cargo xtask fuzz planted` does for all of them.

use skep_fuzzing::choices::Seeded;
use skep_fuzzing::generate::safe_program;
use skep_fuzzing::soundness::{Testimony, Witness};
use skep_verifier::planted::{Fault, plant};

/// Some of every sort that show soon.
const SOON: &[Fault] = &[
    // What is computed.
    Fault::SumWithoutCarries,
    Fault::DifferenceWithoutBorrows,
    Fault::SumBoundTooSmall,
    Fault::AndNotBelowOperands,
    Fault::SignedShiftAsUnsigned,
    Fault::NarrowResultNotExtended,
    Fault::QuotientKeepsRange,
    Fault::SwapForgotten,
    Fault::SignExtensionForgotten,
    // What comparisons teach, of linked numbers as well.
    Fault::SignedOrderAsUnsigned,
    Fault::BranchesExchanged,
    Fault::LinkWithoutDistance,
    // Memory.
    Fault::StoreKeepsSpill,
    Fault::FetchKeepsRegister,
    Fault::PacketPointersStay,
    // Paths that end too early.
    Fault::PointerOffsetNotPrecise,
    Fault::BranchNotPrecise,
    Fault::IdentitiesNotCompared,
    Fault::PacketRangeNotCompared,
];

/// Programs within which each is found, and runs of each program.
const PROGRAMS: u64 = 40;
const RUNS: u32 = 3;

fn finds_a_lie() -> bool {
    let mut witness = Witness::new().expect("maps of our own kernel");
    (0..PROGRAMS).any(|seed| {
        let candidate = safe_program(&mut Seeded::new(seed), None);
        let testimony = witness.hear(&candidate, seed, RUNS).expect("maps that can be filled");
        matches!(testimony, Testimony::Lie(_))
    })
}

#[test]
fn planted_faults_are_found() {
    assert!(!finds_a_lie(), "nothing is planted");
    let mut missed = SOON.to_vec();
    missed.retain(|fault| {
        plant(Some(*fault));
        let found = finds_a_lie();
        plant(None);
        !found
    });
    assert!(missed.is_empty(), "not found within {PROGRAMS} programs: {missed:?}");
}
