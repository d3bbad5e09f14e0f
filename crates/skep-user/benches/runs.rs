//! What a run of a program costs in the user-space kernel: alone, and with one helper.

use criterion::{Criterion, criterion_group, criterion_main};
use skep_abi::attach_type::AttachType;
use skep_abi::command::{ElementFlags, MapCreate, ProgLoad};
use skep_abi::helper;
use skep_abi::map_type::MapType;
use skep_abi::program_type::ProgramType;
use skep_isa::Slot;
use skep_isa::text::{Names, assemble_with};
use skep_kernel::{Handle, Kernel, calls};
use skep_user::devices::Frame;
use skep_user::hooks::{Hook, PacketEvent, RawTracepoint, RawTracepointEvent, packet_hook};
use skep_user::{Config, UserKernel};
use std::sync::Arc;
use std::time::Duration;

/// The one map of a program.
struct OneMap(i32);

impl Names for OneMap {
    fn helper(&self, name: &str) -> Option<i32> {
        helper::by_name(name).map(|helper| helper.id as i32)
    }

    fn map(&self, _name: &str) -> Option<i32> {
        Some(self.0)
    }
}

const EMPTY: &str = "r0 = 2\nexit";

/// Finds key 7 and adds one to its value.
const LOOKUP: &str = "
    *(u32 *)(r10 - 4) = 7
    r1 = map[map] ll
    r2 = r10
    r2 += -4
    call map_lookup_elem
    if r0 == 0 goto out
    r1 = *(u64 *)(r0 + 0)
    r1 += 1
    *(u64 *)(r0 + 0) = r1
out:
    r0 = 2
    exit";

/// Submits a record of 16 bytes. Nobody has to be woken, and the record before was read.
const RING: &str = "
    r1 = map[map] ll
    r2 = 16
    r3 = 0
    call ringbuf_reserve
    if r0 == 0 goto out
    *(u64 *)(r0 + 0) = 1
    *(u64 *)(r0 + 8) = 2
    r1 = r0
    r2 = 1
    call ringbuf_submit
out:
    r0 = 2
    exit";

/// Reads 8 bytes of the current task's struct.
const PROBE: &str = "
    call get_current_task
    r3 = r0
    r1 = r10
    r1 += -8
    r2 = 8
    call probe_read_kernel
    r0 = 0
    exit";

const PAGE: usize = 4096;
const RING_SIZE: u32 = 1 << 16;

fn create(kernel: &Arc<dyn Kernel>, map_type: MapType) -> Handle {
    let (key_size, value_size, max_entries) = match map_type {
        MapType::Ringbuf => (0, 0, RING_SIZE),
        _ => (4, 8, 1024),
    };
    let command = MapCreate { map_type: map_type.number(), key_size, value_size, max_entries, ..Default::default() };
    calls::map_create(kernel, command).expect("map")
}

fn load(kernel: &Arc<dyn Kernel>, program_type: ProgramType, map: i32, text: &str) -> Handle {
    let insns = Slot::write_program(&assemble_with(text, &OneMap(map)).expect("the text assembles").slots);
    let expected_attach_type = if program_type == ProgramType::Xdp { AttachType::Xdp.number() } else { 0 };
    let command = ProgLoad {
        prog_type: program_type.number(),
        insns: &insns,
        license: Some(c"GPL"),
        expected_attach_type,
        ..Default::default()
    };
    calls::prog_load(kernel, command).expect("the verifier accepts it").0
}

/// Runs an XDP program on the same frame again and again.
fn xdp(criterion: &mut Criterion, name: &str, map_type: Option<MapType>, text: &str) {
    let user = UserKernel::new(Config::default());
    let kernel: Arc<dyn Kernel> = user.clone();
    let map = map_type.map(|map_type| create(&kernel, map_type));
    let fd = map.as_ref().map_or(-1, Handle::fd);
    if let (Some(MapType::Hash), Some(map)) = (map_type, &map) {
        for key in 0..512_u32 {
            let any = ElementFlags::empty();
            calls::map_update_elem(&*kernel, map.fd(), &key.to_ne_bytes(), &[0; 8], any).expect("room");
        }
    }
    let handle = load(&kernel, ProgramType::Xdp, fd, text);
    let program = user.program(handle.fd()).expect("a program");
    let mut hook = packet_hook(ProgramType::Xdp).expect("a hook");
    let data = [0; 64];
    let frame = Frame { timestamp: Duration::ZERO, original_len: 64, data: &data };
    let context = hook.enter(PacketEvent { frame, ifindex: 1 });
    let ring = (map_type == Some(MapType::Ringbuf)).then(|| {
        let consumer = kernel.map_memory(fd, 0, PAGE, true).expect("consumer page");
        (consumer, kernel.map_memory(fd, PAGE as u64, PAGE, false).expect("producer page"))
    });
    criterion.bench_function(name, |bencher| {
        bencher.iter(|| {
            let outcome = user.run(&program, context);
            if let Some((consumer, producer)) = &ring {
                let position = producer.load_acquire_u64(0).expect("producer position");
                consumer.store_release_u64(0, position).expect("consumer position");
            }
            outcome.ret
        });
    });
}

fn probe_read(criterion: &mut Criterion) {
    let user = UserKernel::new(Config::default());
    let kernel: Arc<dyn Kernel> = user.clone();
    let handle = load(&kernel, ProgramType::RawTracepoint, -1, PROBE);
    let program = user.program(handle.fd()).expect("a program");
    let mut hook = RawTracepoint::new();
    let context = hook.enter(RawTracepointEvent { arguments: &[1, 2] });
    criterion.bench_function("probe_read_kernel", |bencher| bencher.iter(|| user.run(&program, context).ret));
}

fn runs(criterion: &mut Criterion) {
    xdp(criterion, "empty", None, EMPTY);
    xdp(criterion, "array_lookup", Some(MapType::Array), LOOKUP);
    xdp(criterion, "hash_lookup", Some(MapType::Hash), LOOKUP);
    xdp(criterion, "ring_reserve_submit", Some(MapType::Ringbuf), RING);
    probe_read(criterion);
}

criterion_group!(benches, runs);
criterion_main!(benches);
