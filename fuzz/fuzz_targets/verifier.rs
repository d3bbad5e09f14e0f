//! Any program of any type, with some maps: the verifier answers within its limits, and what it accepts decodes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_abi::map_type::{MapFlags, MapType};
use skep_abi::program_type::ProgramType;
use skep_isa::{Slot, decode_program};
use skep_verifier::{Capabilities, Limits, LogLevel, MapFacts, Options, Program, verify};

fn map(map_type: MapType, key_size: u32, value_size: u32) -> MapFacts {
    MapFacts {
        name: String::new(),
        map_type,
        key_size,
        value_size,
        max_entries: 4,
        flags: MapFlags::empty(),
        value_type: None,
        frozen: None,
        inner: None,
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&[kind, options], program)) = bytes.split_first_chunk() else { return };
    let Ok(mut slots) = Slot::read_program(program) else { return };
    for slot in &mut slots {
        // Registers that exist, so that more programs mean something.
        (slot.dst, slot.src) = (slot.dst % 11, slot.src % 11);
    }
    let maps = [
        (0, map(MapType::Array, 4, 48)),
        (1, map(MapType::Hash, 8, 48)),
        (2, map(MapType::Ringbuf, 0, 0)),
        (3, map(MapType::ProgArray, 4, 4)),
        (4, map(MapType::Queue, 0, 8)),
    ];
    let types = ProgramType::ALL;
    let program = Program { maps: &maps, ..Program::new("fuzz", types[kind as usize % types.len()], &slots) };
    let options = Options {
        capabilities: if options & 1 == 0 { Capabilities::all() } else { Capabilities::BPF },
        strict_alignment: options & 2 != 0,
        test_state_frequency: options & 4 != 0,
        log_level: if options & 8 == 0 { LogLevel::empty() } else { LogLevel::all() },
        limits: Limits { instructions: 20_000, pending_states: 500, log_bytes: 1 << 16, ..Limits::default() },
        ..Options::default()
    };
    match verify(&program, &options) {
        Ok(verified) => {
            decode_program(verified.insns()).expect("what is accepted can run");
            assert_eq!(verified.original_slots().len(), verified.insns().len(), "every slot stems from one");
        }
        Err(rejection) => assert!(!rejection.message.is_empty() && rejection.errno > 0, "a reason"),
    }
});
