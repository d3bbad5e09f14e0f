//! Programs that look like real ones, of the fuzzer's choices: what the verifier accepts does what it claims.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_fuzzing::case::listing;
use skep_fuzzing::choices::Bytes;
use skep_fuzzing::generate::random_program;
use skep_fuzzing::soundness::{Testimony, Witness};
use std::cell::RefCell;

thread_local! {
    static WITNESS: RefCell<Witness> = RefCell::new(Witness::new().expect("maps of our own kernel"));
}

fuzz_target!(|input: (u64, &[u8])| {
    let (seed, choices) = input;
    let candidate = random_program(&mut Bytes(choices), None);
    WITNESS.with_borrow_mut(|witness| {
        if let Testimony::Lie(lie) = witness.hear(&candidate, seed, 2).expect("maps that can be filled") {
            panic!("{lie}\n{}", listing(&candidate.slots));
        }
    });
});
