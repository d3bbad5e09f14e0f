//! Programs that look like real ones, made of the fuzzer's choices, and any others: what the verifier accepts touches
//! only what it may. The same with fixed seeds, and compared with Linux, is the test `random_programs` of `skep-user`.
#![no_main]

#[path = "../../crates/skep-user/tests/support/random_program.rs"]
mod random_program;

use libfuzzer_sys::fuzz_target;
use random_program::{Choices, Refers, VALUE, random_program};
use skep_abi::attach_type::AttachType;
use skep_abi::command::{ElementFlags, MapCreate, ProgLoad};
use skep_abi::map_type::MapType;
use skep_abi::program_type::ProgramType;
use skep_engine::{Fault, Mode};
use skep_isa::Slot;
use skep_isa::text::Listing;
use skep_kernel::{Handle, Kernel, calls};
use skep_user::devices::Frame;
use skep_user::hooks::{Hook, PacketEvent, Xdp};
use skep_user::{Config, UserKernel};
use skep_verifier::Limits;
use std::sync::{Arc, LazyLock};

/// The fuzzer's bytes as choices; zeroes after their end.
struct Bytes<'b>(&'b [u8]);

impl Choices for Bytes<'_> {
    fn below(&mut self, limit: u32) -> u32 {
        let len = if limit <= 256 { 1 } else { 4 };
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)) % limit
    }
}

struct World {
    kernel: Arc<UserKernel>,
    boundary: Arc<dyn Kernel>,
    array: Handle,
    hash: Handle,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let limits = Limits { instructions: 50_000, ..Limits::default() };
    let kernel = UserKernel::new(Config { mode: Mode::Sandbox, budget: 1_000_000, limits, ..Config::deterministic() });
    let boundary: Arc<dyn Kernel> = kernel.clone();
    let create = |map_type: MapType, max_entries| {
        let (map_type, value_size) = (map_type.number(), VALUE as u32);
        calls::map_create(&boundary, MapCreate { map_type, key_size: 4, value_size, max_entries, ..Default::default() })
            .expect("maps of the kernel")
    };
    let (array, hash) = (create(MapType::Array, 1), create(MapType::Hash, 4));
    World { kernel, boundary, array, hash }
});

fuzz_target!(|input: (bool, [u8; 96], &[u8], &[u8])| {
    let (structured, values, packet, choices) = input;
    let world = &*WORLD;
    let refers = Refers { array: world.array.fd(), hash: world.hash.fd() };
    let slots = if structured {
        random_program(&mut Bytes(choices), refers)
    } else {
        let Ok(slots) = Slot::read_program(choices) else { return };
        slots
    };
    let insns = Slot::write_program(&slots);
    let command = ProgLoad {
        prog_type: ProgramType::Xdp.number(),
        insns: &insns,
        license: Some(c"GPL"),
        expected_attach_type: AttachType::Xdp.number(),
        ..Default::default()
    };
    let Ok((program, _)) = calls::prog_load(&world.boundary, command) else { return };
    for (map, key, value) in [(&world.array, 0u32, &values[..48]), (&world.hash, 0, &values[48..])] {
        calls::map_update_elem(&*world.kernel, map.fd(), &key.to_ne_bytes(), value, ElementFlags::empty())
            .expect("a key of the map");
    }
    let program = world.kernel.program(program.fd()).expect("just loaded");
    let mut hook = Xdp::new();
    let packet = &packet[..packet.len().min(2000)];
    let frame = Frame { timestamp: Default::default(), original_len: packet.len() as u32, data: packet };
    let outcome = world.kernel.run(&program, hook.enter(PacketEvent { frame, ifindex: 1 }));
    match outcome.fault {
        None | Some(Fault::Budget(_)) => {}
        Some(fault) => panic!("{fault}\n{}", Listing::new(&slots)),
    }
});
