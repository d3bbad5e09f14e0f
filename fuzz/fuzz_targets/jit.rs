//! Instruction sequences of the fuzzer's choices that the compiler's passes look for: compiled code does what the sandbox
//! and the interpreter do.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_fuzzing::case::listing;
use skep_fuzzing::choices::Bytes;
use skep_fuzzing::engines::sequence_difference;
use skep_fuzzing::sequences::sequence;

fuzz_target!(|input: (u64, &[u8])| {
    let (seed, choices) = input;
    let slots = sequence(&mut Bytes(choices));
    if let Some(difference) = sequence_difference(&slots, seed) {
        panic!("{difference}\n{}", listing(&slots));
    }
});
