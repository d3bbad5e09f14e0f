//! Any text as assembly, any bytes as a program: a program's listing assembles to the same program.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_isa::Slot;
use skep_isa::text::{Listing, assemble};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = str::from_utf8(bytes)
        && let Ok(slots) = assemble(text)
    {
        same_again(&slots);
    }
    if let Ok(slots) = Slot::read_program(bytes) {
        same_again(&slots);
    }
});

fn same_again(slots: &[Slot]) {
    let listing = Listing::new(slots).to_string();
    assert_eq!(assemble(&listing).as_deref(), Ok(slots), "{listing}");
}
