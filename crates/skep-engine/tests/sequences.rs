//! What the passes of the compiler look for, at random: compiled code does what the sandbox and the interpreter do.
//!
//! `cargo xtask fuzz sequences` does the same for longer.

use proptest::prelude::*;
use skep_fuzzing::case::listing;
use skep_fuzzing::choices::Bytes;
use skep_fuzzing::engines::{sequence_difference, sequence_fault};
use skep_fuzzing::sequences::sequence;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn all_engines_compute_the_same(choices in prop::collection::vec(any::<u8>(), 0..1200), seed: u64) {
        let slots = sequence(&mut Bytes(&choices));
        prop_assert_eq!(sequence_difference(&slots, seed), None, "{}", listing(&slots));
        prop_assert_eq!(sequence_fault(&slots, seed), None, "{}", listing(&slots));
    }
}
