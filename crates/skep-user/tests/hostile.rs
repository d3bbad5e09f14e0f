//! Programs that nobody verified, in the sandbox: any helper with any arguments, and the process lives on.

use proptest::prelude::*;
use skep_abi::command::{ElementFlags, MapCreate, ProgLoad, ProgTestRun};
use skep_abi::helper::HELPERS;
use skep_abi::map_type::{MapFlags, MapType};
use skep_abi::program_type::ProgramType;
use skep_engine::Mode;
use skep_isa::Slot;
use skep_kernel::{Errno, Kernel, calls};
use skep_user::{Config, UserKernel};
use std::sync::Arc;

/// What an argument register gets.
#[derive(Clone, Debug)]
enum Argument {
    Number(u64),
    /// Into the stack, by so many bytes below its end.
    Stack(u8),
    Context,
    Map,
    /// What the call before returned.
    Result,
}

fn argument() -> impl Strategy<Value = Argument> {
    prop_oneof![
        prop_oneof![Just(0), Just(1), Just(8), Just(u64::MAX), 0..4096u64, any::<u64>(), Just(1 << 31)]
            .prop_map(Argument::Number),
        (0..=255u8).prop_map(Argument::Stack),
        Just(Argument::Context),
        Just(Argument::Map),
        Just(Argument::Result),
    ]
}

fn slot(opcode: u8, dst: u8, src: u8, offset: i16, imm: i32) -> Slot {
    Slot { opcode, dst, src, offset, imm }
}

fn wide(dst: u8, src: u8, value: u64) -> [Slot; 2] {
    [slot(0x18, dst, src, 0, value as i32), slot(0, 0, 0, 0, (value >> 32) as i32)]
}

fn program(steps: &[(u32, [Argument; 5])], map: i32) -> Vec<Slot> {
    // r6 the context, r7 the last result.
    let mut slots = vec![slot(0xbf, 6, 1, 0, 0), slot(0xb7, 7, 0, 0, 0)];
    for (helper, arguments) in steps {
        for (register, argument) in (1..).zip(arguments) {
            match argument {
                Argument::Number(number) => slots.extend(wide(register, 0, *number)),
                Argument::Stack(below) => {
                    slots.push(slot(0xbf, register, 10, 0, 0));
                    slots.push(slot(0x07, register, 0, 0, -i32::from(*below)));
                }
                Argument::Context => slots.push(slot(0xbf, register, 6, 0, 0)),
                Argument::Map => slots.extend(wide(register, 1, map as u64)),
                Argument::Result => slots.push(slot(0xbf, register, 7, 0, 0)),
            }
        }
        slots.push(slot(0x85, 0, 0, 0, *helper as i32));
        slots.push(slot(0xbf, 7, 0, 0, 0));
    }
    slots.extend([slot(0xb7, 0, 0, 0, 0), slot(0x95, 0, 0, 0, 0)]);
    slots
}

fn any_map() -> impl Strategy<Value = MapCreate<'static>> {
    let kinds = [
        (MapType::Hash, 4, 8, 4),
        (MapType::Array, 4, 8, 4),
        (MapType::PerCpuHash, 4, 8, 4),
        (MapType::LruHash, 4, 8, 4),
        (MapType::ProgArray, 4, 4, 4),
        (MapType::PerfEventArray, 4, 4, 4),
        (MapType::Ringbuf, 0, 0, 4096),
        (MapType::StackTrace, 4, 64, 4),
        (MapType::Queue, 0, 8, 4),
        (MapType::BloomFilter, 0, 8, 4),
        (MapType::Devmap, 4, 4, 4),
    ];
    proptest::sample::select(kinds.to_vec()).prop_map(|(map_type, key_size, value_size, max_entries)| MapCreate {
        map_type: map_type.number(),
        key_size,
        value_size,
        max_entries,
        ..Default::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_helper_with_any_arguments(
        map in any_map(),
        kind in proptest::sample::select(vec![ProgramType::Xdp, ProgramType::SchedCls, ProgramType::SocketFilter]),
        steps in proptest::collection::vec(
            (0..HELPERS.len() as u32 + 2, proptest::array::uniform5(argument())), 1..12),
    ) {
        let config =
            Config { mode: Mode::Sandbox, accept_unverified: true, budget: 10_000, ..Config::deterministic() };
        let kernel: Arc<dyn Kernel> = UserKernel::new(config);
        let map = calls::map_create(&kernel, map).expect("a good map");
        let insns = Slot::write_program(&program(&steps, map.fd()));
        let expected_attach_type = if kind == ProgramType::Xdp { 37 } else { 0 };
        let command = ProgLoad {
            prog_type: kind.number(),
            insns: &insns,
            license: Some(c"GPL"),
            expected_attach_type,
            ..Default::default()
        };
        let (program, _) = calls::prog_load(&kernel, command).expect("the sandbox takes everything");
        // Whatever the program does, the call comes back.
        let _ = kernel.bpf(ProgTestRun { prog_fd: program.fd(), data_in: &[0x11; 64], ..Default::default() }.into());
    }
}

/// All maps together stay within what the kernel was given, and what a map used is there for the next.
#[test]
fn maps_take_no_more_memory_than_they_may() {
    let user = UserKernel::new(Config { map_memory: Some(4 << 20), ..Config::default() });
    let kernel: Arc<dyn Kernel> = user.clone();
    let create = |map_type: MapType, value_size, max_entries, map_flags| {
        let map_type = map_type.number();
        let command = MapCreate { map_type, key_size: 4, value_size, max_entries, map_flags, ..Default::default() };
        calls::map_create(&kernel, command)
    };
    let none = MapFlags::empty();
    assert_eq!(create(MapType::Array, 8, 1 << 20, none).map(drop), Err(Errno::ENOMEM));
    assert_eq!(create(MapType::Hash, 56, 1 << 17, none).map(drop), Err(Errno::ENOMEM));
    for round in 0..3 {
        let map = create(MapType::Hash, 120, 1 << 17, MapFlags::NO_PREALLOC).expect("nothing is in it");
        let mut count = 0u32;
        let errno = loop {
            let put =
                calls::map_update_elem(&*kernel, map.fd(), &count.to_ne_bytes(), &[0; 120], ElementFlags::empty());
            match put {
                Ok(()) => count += 1,
                Err(errno) => break errno,
            }
        };
        assert_eq!(errno, Errno::ENOMEM, "round {round}, {count} elements");
        assert!((20_000..32_768).contains(&count), "round {round}: {count} elements of 128 bytes, and buckets");
        assert!(user.map_memory_in_use() <= 4 << 20);
    }
    assert_eq!(user.map_memory_in_use(), 0);
}
