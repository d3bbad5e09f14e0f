//! Programs and user space on the same maps at the same time.

use skep_abi::command::{ElementFlags, MapCreate, ProgLoad, ProgTestRun};
use skep_abi::helper;
use skep_abi::map_type::{MapFlags, MapType};
use skep_abi::program_type::ProgramType;
use skep_isa::Slot;
use skep_isa::text::{Names, assemble_with};
use skep_kernel::{Errno, Handle, Kernel, calls};
use skep_user::{Config, UserKernel};
use std::sync::Arc;

struct Map(i32);

impl Names for Map {
    fn helper(&self, name: &str) -> Option<i32> {
        helper::by_name(name).map(|helper| helper.id as i32)
    }

    fn map(&self, _name: &str) -> Option<i32> {
        Some(self.0)
    }
}

fn set_up(map_type: MapType, text: &str) -> (Arc<dyn Kernel>, Handle, Handle) {
    let kernel: Arc<dyn Kernel> = UserKernel::new(Config { cpus: Some(3), ..Config::default() });
    let command =
        MapCreate { map_type: map_type.number(), key_size: 4, value_size: 16, max_entries: 64, ..Default::default() };
    let map = calls::map_create(&kernel, command).expect("map");
    let slots = assemble_with(text, &Map(map.fd())).expect("the text assembles").slots;
    let insns = Slot::write_program(&slots);
    let prog_type = ProgramType::SchedCls.number();
    let command = ProgLoad { prog_type, insns: &insns, license: Some(c"GPL"), ..Default::default() };
    let program = calls::prog_load(&kernel, command).expect("the verifier accepts it").0;
    (kernel, map, program)
}

fn run(kernel: &dyn Kernel, program: &Handle, repeat: u32) {
    let command = ProgTestRun { prog_fd: program.fd(), data_in: &[0; 64], repeat, ..Default::default() };
    kernel.bpf(command.into()).expect("a run");
}

/// Counts up the value of a random key, where it is there, and writes the same number into its second half.
const COUNT: &str = "
    call get_prandom_u32
    r0 &= 63
    *(u32 *)(r10 - 4) = r0
    r1 = map[map] ll
    r2 = r10
    r2 += -4
    call map_lookup_elem
    if r0 == 0 goto out
    r1 = 1
    lock *(u64 *)(r0 + 0) += r1
out:
    r0 = 0
    exit";

#[test]
fn counting_programs_lose_nothing_while_user_space_reads() {
    let (kernel, map, program) = set_up(MapType::Array, COUNT);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| run(&*kernel, &program, 20_000));
        }
        let mut value = [0; 16];
        for key in (0..64u32).cycle().take(2000) {
            calls::map_lookup_elem(&*kernel, map.fd(), &key.to_ne_bytes(), &mut value, ElementFlags::empty())
                .expect("arrays have all");
        }
    });
    let mut total = 0;
    for key in 0..64u32 {
        let mut value = [0; 16];
        calls::map_lookup_elem(&*kernel, map.fd(), &key.to_ne_bytes(), &mut value, ElementFlags::empty())
            .expect("arrays have all");
        total += u64::from_ne_bytes(value[..8].try_into().expect("8 bytes"));
    }
    assert_eq!(total, 80_000);
}

#[test]
fn elements_come_and_go_under_running_programs() {
    for map_type in [MapType::Hash, MapType::LruHash, MapType::PerCpuHash] {
        let (kernel, map, program) = set_up(map_type, COUNT);
        let value = vec![0; if map_type == MapType::PerCpuHash { 48 } else { 16 }];
        let any = ElementFlags::empty();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| run(&*kernel, &program, 20_000));
            }
            for _ in 0..2 {
                scope.spawn(|| {
                    for key in (0..64u32).cycle().take(10_000) {
                        calls::map_update_elem(&*kernel, map.fd(), &key.to_ne_bytes(), &value, any).expect("room");
                        let deleted = calls::map_delete_elem(&*kernel, map.fd(), &(63 - key).to_ne_bytes());
                        assert!(matches!(deleted, Ok(()) | Err(Errno::ENOENT)), "{deleted:?}");
                    }
                });
            }
        });
    }
}

/// What goes on in a map of several threads, by its type: no command fails but for what the others did.
#[test]
fn every_type_of_map_serves_many_threads() {
    let sizes = |map_type| match map_type {
        MapType::Queue | MapType::Stack => (0, 16, 64),
        MapType::LpmTrie => (8, 16, 300),
        MapType::Hash | MapType::LruHash => (16, 16, 64),
        _ => (4, 16, 64),
    };
    for map_type in [MapType::Hash, MapType::LruHash, MapType::LpmTrie, MapType::Array, MapType::Queue, MapType::Stack]
    {
        let kernel: Arc<dyn Kernel> = UserKernel::new(Config { cpus: Some(3), ..Config::default() });
        let (key_size, value_size, max_entries) = sizes(map_type);
        let map_flags = if map_type == MapType::LpmTrie { MapFlags::NO_PREALLOC } else { MapFlags::empty() };
        let command = MapCreate {
            map_type: map_type.number(),
            key_size,
            value_size,
            max_entries,
            map_flags,
            ..Default::default()
        };
        let map = calls::map_create(&kernel, command).expect("map");
        let key_of = |number: u64| match map_type {
            MapType::LpmTrie => [(8 + number % 25) as u32, (number % 7) as u32].map(u32::to_ne_bytes).concat(),
            MapType::Queue | MapType::Stack => Vec::new(),
            MapType::Array => ((number % 64) as u32).to_ne_bytes().to_vec(),
            _ => [number % 96, !(number % 96)].map(u64::to_ne_bytes).concat(),
        };
        let any = ElementFlags::empty();
        std::thread::scope(|scope| {
            for thread in 0..4u64 {
                let (kernel, map, key_of) = (&kernel, &map, &key_of);
                scope.spawn(move || {
                    for step in 0..8000u64 {
                        let number = step.wrapping_mul(0x9e37_79b9).wrapping_add(thread * 31) >> 3;
                        let key = key_of(number);
                        // Both halves alike.
                        let value = [step.to_ne_bytes(), step.to_ne_bytes()].concat();
                        let mut seen = [0; 16];
                        let result = match step % 4 {
                            0 | 1 => calls::map_update_elem(&**kernel, map.fd(), &key, &value, any),
                            2 => calls::map_delete_elem(&**kernel, map.fd(), &key),
                            _ => calls::map_lookup_elem(&**kernel, map.fd(), &key, &mut seen, any),
                        };
                        match result {
                            // An array's value may be seen half old, half new.
                            Ok(()) => assert!(map_type == MapType::Array || seen[..8] == seen[8..], "{seen:?}"),
                            Err(errno) => assert!(
                                matches!(errno, Errno::ENOENT | Errno::E2BIG | Errno::EINVAL),
                                "{map_type:?}: {errno}"
                            ),
                        }
                    }
                });
            }
        });
        if matches!(map_type, MapType::Hash | MapType::LruHash) {
            assert_room_for(&kernel, &map, max_entries as usize, &key_of);
        }
    }
}

/// A map that others are done with still takes as many elements as it says: no room was lost.
fn assert_room_for(kernel: &Arc<dyn Kernel>, map: &Handle, entries: usize, key_of: &dyn Fn(u64) -> Vec<u8>) {
    for number in 0..96 {
        let _ = calls::map_delete_elem(&**kernel, map.fd(), &key_of(number));
    }
    for number in 0..entries as u64 {
        let put = calls::map_update_elem(&**kernel, map.fd(), &key_of(number), &[0; 16], ElementFlags::NOEXIST);
        put.unwrap_or_else(|errno| panic!("element {number}: {errno}"));
    }
    let mut count = 0;
    let mut key: Option<Vec<u8>> = None;
    loop {
        let mut next = vec![0; 16];
        match calls::map_next_key(&**kernel, map.fd(), key.as_deref(), &mut next) {
            Ok(true) => count += 1,
            _ => break,
        }
        key = Some(next);
    }
    assert_eq!(count, entries);
}

/// Programs that run on other CPUs read values of keys that are replaced all the time: always there, always whole.
#[test]
fn a_value_that_is_replaced_is_always_found_whole() {
    const CHECK: &str = "
        *(u32 *)(r10 - 4) = 5
        r1 = map[map] ll
        r2 = r10
        r2 += -4
        call map_lookup_elem
        if r0 == 0 goto wrong
        r1 = *(u64 *)(r0 + 0)
        r2 = *(u64 *)(r0 + 8)
        if r1 != r2 goto wrong
        r0 = 0
        exit
    wrong:
        r0 = 1
        exit";
    for map_type in [MapType::Hash, MapType::LruHash] {
        let (kernel, map, program) = set_up(map_type, CHECK);
        let (any, key) = (ElementFlags::empty(), 5u32.to_ne_bytes());
        calls::map_update_elem(&*kernel, map.fd(), &key, &[0; 16], any).expect("room");
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        (0..200).all(|_| {
                            let command = ProgTestRun {
                                prog_fd: program.fd(),
                                data_in: &[0; 64],
                                repeat: 100,
                                ..Default::default()
                            };
                            calls::prog_test_run(&*kernel, command).expect("a run").retval == 0
                        })
                    })
                })
                .collect();
            for step in 0..30_000u64 {
                let value = [step.to_ne_bytes(), step.to_ne_bytes()].concat();
                calls::map_update_elem(&*kernel, map.fd(), &key, &value, any).expect("room");
            }
            for reader in readers {
                assert!(reader.join().expect("no panic"), "{map_type:?}");
            }
        });
    }
}
