//! Ring buffers and perf rings: what programs write, a reader on the other side of the boundary sees.

use skep_abi::command::{ElementFlags, MapCreate, ProgLoad, ProgTestRun, Reply};
use skep_abi::helper;
use skep_abi::map_type::MapType;
use skep_abi::program_type::ProgramType;
use skep_isa::Slot;
use skep_isa::text::{Names, assemble_with};
use skep_kernel::{Errno, Handle, Kernel, PerfEvent, PerfEventKind, SharedMemory, calls};
use skep_user::{Config, UserKernel};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const PAGE: usize = 4096;

struct OneMap(i32);

impl Names for OneMap {
    fn helper(&self, name: &str) -> Option<i32> {
        helper::by_name(name).map(|helper| helper.id as i32)
    }

    fn map(&self, _name: &str) -> Option<i32> {
        Some(self.0)
    }
}

fn kernel() -> Arc<dyn Kernel> {
    UserKernel::new(Config { cpus: Some(4), ..Config::default() })
}

fn create(kernel: &Arc<dyn Kernel>, map_type: MapType, sizes: (u32, u32, u32)) -> Handle {
    let (key_size, value_size, max_entries) = sizes;
    let command = MapCreate { map_type: map_type.number(), key_size, value_size, max_entries, ..Default::default() };
    calls::map_create(kernel, command).expect("map")
}

fn load(kernel: &Arc<dyn Kernel>, map: &Handle, text: &str) -> Handle {
    let slots = assemble_with(text, &OneMap(map.fd())).expect("the text assembles").slots;
    let insns = Slot::write_program(&slots);
    let command = ProgLoad {
        prog_type: ProgramType::SchedCls.number(),
        insns: &insns,
        license: Some(c"GPL"),
        ..Default::default()
    };
    calls::prog_load(kernel, command).expect("the verifier accepts it").0
}

fn run(kernel: &dyn Kernel, program: &Handle, repeat: u32) -> u32 {
    let command = ProgTestRun { prog_fd: program.fd(), data_in: &[0; 64], repeat, ..Default::default() };
    match kernel.bpf(command.into()) {
        Ok(Reply::TestRun { retval, .. }) => retval,
        other => panic!("{other:?}"),
    }
}

/// Reads the records that are there, as libbpf does.
fn consume(control: &dyn SharedMemory, data: &dyn SharedMemory, size: usize) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let mut position = control.load_acquire_u64(0).expect("consumer position");
    while position < data.load_acquire_u64(0).expect("producer position") {
        let at = PAGE + position as usize % size;
        let header = data.load_acquire_u32(at).expect("header");
        if header >> 31 != 0 {
            break;
        }
        let len = (header & 0x3fff_ffff) as usize;
        if header >> 30 == 0 {
            let mut record = vec![0; len];
            data.read(at + 8, &mut record).expect("the data appear twice, so that no record is cut");
            records.push(record);
        }
        position += (len as u64 + 8).next_multiple_of(8);
        control.store_release_u64(0, position).expect("consumer position");
    }
    records
}

const COUNTER: &str = "
    call ktime_get_ns
    *(u64 *)(r10 - 8) = r0
    *(u64 *)(r10 - 16) = 0x1122
    r1 = map[ring] ll
    r2 = r10
    r2 += -16
    r3 = 13
    r4 = 0
    call ringbuf_output
    exit";

#[test]
fn records_arrive_whole_and_in_order_around_the_end_of_the_ring() {
    let kernel = kernel();
    let ring = create(&kernel, MapType::Ringbuf, (0, 0, PAGE as u32));
    let program = load(&kernel, &ring, COUNTER);
    let control = kernel.map_memory(ring.fd(), 0, PAGE, true).expect("consumer page");
    let data = kernel.map_memory(ring.fd(), PAGE as u64, PAGE + 2 * PAGE, false).expect("producer page and data");
    let mut seen = 0;
    for _ in 0..20 {
        assert_eq!(run(&*kernel, &program, 100), 0);
        let records = consume(&*control, &*data, PAGE);
        assert!(records.iter().all(|record| record.len() == 13 && record[..8] == 0x1122u64.to_ne_bytes()));
        seen += records.len();
    }
    assert_eq!(seen, 2000);
    // 24 bytes a record: the ring holds 170 of them and is never quite full.
    assert_eq!(run(&*kernel, &program, 170), 0);
    assert_eq!(run(&*kernel, &program, 1), Errno::EAGAIN.0.wrapping_neg().cast_unsigned());
    assert_eq!(consume(&*control, &*data, PAGE).len(), 170);
}

#[test]
fn user_space_writes_only_the_page_of_the_consumer() {
    let kernel = kernel();
    let ring = create(&kernel, MapType::Ringbuf, (0, 0, PAGE as u32));
    let writable = |offset, len| kernel.map_memory(ring.fd(), offset, len, true).map(drop);
    assert_eq!(writable(0, PAGE), Ok(()));
    assert_eq!(writable(PAGE as u64, PAGE), Err(Errno::EPERM));
    assert_eq!(writable(0, 2 * PAGE), Err(Errno::EPERM));
    assert_eq!(kernel.map_memory(ring.fd(), 0, 100 * PAGE, false).map(drop), Err(Errno::EINVAL));
    let data = kernel.map_memory(ring.fd(), PAGE as u64, PAGE, false).expect("producer page");
    assert_eq!(data.store_release_u64(0, 1), Err(Errno::EACCES));
    assert_eq!(data.read(PAGE - 4, &mut [0; 8]), Err(Errno::EFAULT));
}

#[test]
fn a_reader_is_woken_while_writers_run_on_other_threads() {
    let kernel = kernel();
    let ring = create(&kernel, MapType::Ringbuf, (0, 0, 16 * PAGE as u32));
    let program = load(&kernel, &ring, COUNTER);
    let control = kernel.map_memory(ring.fd(), 0, PAGE, true).expect("consumer page");
    let data = kernel.map_memory(ring.fd(), PAGE as u64, PAGE + 32 * PAGE, false).expect("data");
    let done = AtomicBool::new(false);
    let mut seen = 0;
    let mut written = 0;
    std::thread::scope(|scope| {
        let writers: Vec<_> =
            (0..3).map(|_| scope.spawn(|| (0..3000).filter(|_| run(&*kernel, &program, 1) == 0).count())).collect();
        let reader = scope.spawn(|| {
            let mut seen = 0;
            loop {
                let last = done.load(Ordering::SeqCst);
                let ready = kernel.wait_readable(&[ring.fd()], Some(Duration::from_millis(20))).expect("a ring");
                if ready[0] {
                    seen += consume(&*control, &*data, 16 * PAGE).len();
                }
                if last {
                    return seen;
                }
            }
        });
        written = writers.into_iter().map(|writer| writer.join().expect("no panic")).sum();
        done.store(true, Ordering::SeqCst);
        seen = reader.join().expect("no panic");
    });
    assert_eq!(seen, written);
    assert!(written > 1000, "{written}");
}

#[test]
fn samples_arrive_through_a_perf_ring_and_lost_ones_are_counted() {
    const OUTPUT: &str = "
        *(u64 *)(r10 - 8) = 0x5566
        r2 = map[events] ll
        r3 = 0xffffffff ll
        r4 = r10
        r4 += -8
        r5 = 8
        call perf_event_output
        exit";
    let kernel = UserKernel::new(Config { cpus: Some(1), ..Config::default() }) as Arc<dyn Kernel>;
    let events = create(&kernel, MapType::PerfEventArray, (4, 4, 1));
    let event = PerfEvent::every(PerfEventKind::BpfOutput);
    let event = Handle::new(kernel.clone(), kernel.perf_event_open(&event, None, Some(0)).expect("event"));
    let ring = kernel.perf_event_memory(event.fd(), 1).expect("ring");
    calls::map_update_elem(&*kernel, events.fd(), &[0; 4], &event.fd().to_ne_bytes(), ElementFlags::empty())
        .expect("an event");
    let program = load(&kernel, &events, OUTPUT);
    assert_eq!(run(&*kernel, &program, 1), 0);
    assert_eq!(kernel.wait_readable(&[event.fd()], None), Ok(vec![true]));

    // Header: type 9, size 24; then the length of the data with their padding, and the data.
    let mut record = [0; 24];
    ring.read(PAGE, &mut record).expect("the first record");
    assert_eq!(record[..4], 9u32.to_ne_bytes());
    assert_eq!(record[6..8], 24u16.to_ne_bytes());
    assert_eq!(record[8..12], 12u32.to_ne_bytes());
    assert_eq!(record[12..20], 0x5566u64.to_ne_bytes());

    // 170 records of 24 bytes fill the page but for 16 bytes.
    assert_eq!(run(&*kernel, &program, 169), 0);
    assert_eq!(run(&*kernel, &program, 5), Errno::ENOSPC.0.wrapping_neg().cast_unsigned());
    let head = ring.load_acquire_u64(1024).expect("data_head");
    assert_eq!(head, 170 * 24);
    ring.store_release_u64(1032, head).expect("data_tail");
    assert_eq!(run(&*kernel, &program, 1), 0);
    // A record of what was lost comes first: type 2, size 24, id, count. It wraps around the end of the ring.
    let mut lost = [0; 24];
    let at = head as usize % PAGE;
    ring.read(PAGE + at, &mut lost[..16]).expect("first part");
    ring.read(PAGE, &mut lost[16..]).expect("second part");
    assert_eq!(lost[..4], 2u32.to_ne_bytes());
    assert_eq!(lost[16..], 5u64.to_ne_bytes());
}
