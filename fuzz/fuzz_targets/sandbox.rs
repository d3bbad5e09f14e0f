//! Any program over any memory: the sandbox ends within its budget and touches nothing but what it was lent.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_engine::{Executable, NoEnvironment, Region, Sandbox};
use skep_isa::Slot;

/// Enough for loops to go round, and few enough for many programs in a second.
const BUDGET: u64 = 10_000;

fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let (program, mut memory) = input;
    let Ok(slots) = Slot::read_program(&program) else { return };
    let Ok(executable) = Executable::link(&slots, |_| None) else { return };
    let len = memory.len() as u64;
    let mut sandbox = Sandbox::new(BUDGET);
    let address = sandbox.lend(Region::writable(&mut memory));
    let _ = sandbox.run(&executable, &mut NoEnvironment, [address, len, 0, 0, 0]);
});
