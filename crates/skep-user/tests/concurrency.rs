//! Programs and user space on the same maps at the same time.

use skep_abi::command::{ElementFlags, MapCreate, ProgLoad, ProgTestRun};
use skep_abi::helper;
use skep_abi::map_type::MapType;
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
