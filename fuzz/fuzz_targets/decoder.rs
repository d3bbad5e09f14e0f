//! Any bytes as instructions: what decodes, encodes to the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_isa::{Slot, decode_program, encode_program};

fuzz_target!(|bytes: &[u8]| {
    let Ok(slots) = Slot::read_program(bytes) else { return };
    let Ok(program) = decode_program(&slots) else { return };
    let encoded = encode_program(program.iter().map(|(_, insn)| insn));
    assert!(encoded == slots, "the bytes changed on their way");
});
