//! Ring buffers and perf buffers in both kernels.

mod common;

use common::{PACKET, with_object};
use skep::{Error, PerfBuffer, PerfRecord, RingBuffer, TestRun};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

fn record(bytes: &[u8]) -> (u64, u32, u32) {
    let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
    (u64::from_ne_bytes(bytes[..8].try_into().unwrap()), word(8), word(12))
}

/// The n-th number that `to_ring` does not discard.
fn kept(n: u64) -> u64 {
    n / 2 * 3 + n % 2
}

#[test]
fn records_come_in_order_across_many_wraps_without_the_discarded() {
    with_object("library.bpf.c", |kernel, object| {
        let loaded = object.load(kernel).unwrap();
        let mut ring = RingBuffer::new(loaded.map("ring").unwrap()).unwrap();
        let program = loaded.program("to_ring").unwrap();
        assert_eq!(ring.consume(|_| panic!("nothing was written")).unwrap(), 0);
        let mut seen = 0;
        // A record takes 24 bytes: 4096 is no multiple, so records lie across the end.
        for round in 1..=60u64 {
            program.test_run(&TestRun::new().data(PACKET).repeat(99)).unwrap();
            let count = ring
                .consume(|bytes| {
                    let number = kept(seen);
                    assert_eq!(record(bytes), (number, (number * number) as u32, 0x7a11));
                    seen += 1;
                })
                .unwrap();
            assert_eq!(count, 66, "round {round}");
        }
        assert_eq!(seen, 60 * 66);
        assert_eq!(loaded.global::<u64>("dropped").unwrap(), 0);
    });
}

#[test]
fn a_full_ring_drops_and_goes_on_after_reading() {
    with_object("library.bpf.c", |kernel, object| {
        let loaded = object.load(kernel).unwrap();
        let mut ring = RingBuffer::new(loaded.map("ring").unwrap()).unwrap();
        let program = loaded.program("to_ring").unwrap();
        program.test_run(&TestRun::new().data(PACKET).repeat(200)).unwrap();
        let dropped = loaded.global::<u64>("dropped").unwrap();
        assert_eq!(dropped, 200 - 4096 / 24);
        let first = ring.consume(|_| {}).unwrap();
        program.test_run(&TestRun::new().data(PACKET).repeat(3)).unwrap();
        let mut numbers = Vec::new();
        ring.consume(|bytes| numbers.push(record(bytes).0)).unwrap();
        assert_eq!(numbers.len(), 2, "after {first} records");
        assert!(numbers.iter().all(|number| (200..203).contains(number)), "{numbers:?}");
    });
}

#[test]
fn reading_can_stop_early() {
    with_object("library.bpf.c", |kernel, object| {
        let loaded = object.load(kernel).unwrap();
        let mut ring = RingBuffer::new(loaded.map("ring").unwrap()).unwrap();
        loaded.program("to_ring").unwrap().test_run(&TestRun::new().data(PACKET).repeat(9)).unwrap();
        let mut numbers = Vec::new();
        let count = ring
            .consume_while(|bytes| {
                numbers.push(record(bytes).0);
                numbers.len() < 2
            })
            .unwrap();
        assert_eq!((count, &*numbers), (2, &[0, 1][..]));
        ring.consume(|bytes| numbers.push(record(bytes).0)).unwrap();
        assert_eq!(numbers, [0, 1, 3, 4, 6, 7]);
    });
}

#[test]
fn polling_waits_as_long_as_asked_and_wakes_up_for_records() {
    with_object("library.bpf.c", |kernel, object| {
        let loaded = object.load(kernel).unwrap();
        let mut ring = RingBuffer::new(loaded.map("ring").unwrap()).unwrap();
        let start = Instant::now();
        assert_eq!(ring.poll(Some(Duration::from_millis(60)), |_| {}).unwrap(), 0);
        assert!(start.elapsed() >= Duration::from_millis(55), "{:?}", start.elapsed());
        let program = loaded.program("to_ring").unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(50));
                program.test_run(&TestRun::new().data(PACKET)).unwrap();
            });
            let count = ring.poll(Some(Duration::from_secs(20)), |bytes| assert_eq!(record(bytes).0, 0)).unwrap();
            assert_eq!(count, 1);
        });
        assert!(start.elapsed() < Duration::from_secs(15), "woken up long before the time was over");
    });
}

#[test]
fn a_ring_outlives_the_object_it_came_from() {
    with_object("library.bpf.c", |kernel, object| {
        let loaded = object.load(kernel).unwrap();
        let mut ring = RingBuffer::new(loaded.map("ring").unwrap()).unwrap();
        loaded.program("to_ring").unwrap().test_run(&TestRun::new().data(PACKET)).unwrap();
        drop(loaded);
        // Descriptors that are used anew must not confuse it.
        let _others = object.load(kernel).unwrap();
        assert_eq!(ring.poll(Some(Duration::ZERO), |_| {}).unwrap(), 1);
        assert_eq!(ring.poll(Some(Duration::from_millis(10)), |_| {}).unwrap(), 0);
    });
}

#[test]
fn other_maps_are_no_rings() {
    with_object("library.bpf.c", |kernel, object| {
        let loaded = object.load(kernel).unwrap();
        let error = RingBuffer::new(loaded.map("by_length").unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "map 'by_length' is no ring buffer");
        assert!(matches!(PerfBuffer::new(loaded.map("by_length").unwrap(), 1), Err(Error::Unfit(_))));
        for pages in [0, 3, usize::MAX] {
            let error = PerfBuffer::new(loaded.map("events").unwrap(), pages).unwrap_err().to_string();
            assert!(error.contains("power of two"), "{error}");
        }
    });
}

#[test]
fn perf_rings_wrap_and_tell_what_was_lost() {
    with_object("library.bpf.c", |kernel, object| {
        let loaded = object.load(kernel).unwrap();
        let mut buffer = PerfBuffer::new(loaded.map("events").unwrap(), 1).unwrap();
        let program = loaded.program("to_events").unwrap();
        let (mut seen, mut lost) = (BTreeSet::new(), 0);
        let mut take = |buffer: &mut PerfBuffer| {
            buffer
                .poll(Some(Duration::from_millis(100)), |event| match event {
                    PerfRecord::Sample { data, .. } => {
                        let (sequence, square, tail) = record(data);
                        assert_eq!((square, tail), ((sequence * sequence) as u32, 0x7a11));
                        assert!(seen.insert(sequence), "{sequence} came twice");
                    }
                    PerfRecord::Lost { count, .. } => lost += count,
                })
                .unwrap()
        };
        for _ in 0..40 {
            program.test_run(&TestRun::new().data(PACKET).repeat(50)).unwrap();
            while take(&mut buffer) > 0 {}
        }
        // More than fits into a page.
        program.test_run(&TestRun::new().data(PACKET).repeat(500)).unwrap();
        while take(&mut buffer) > 0 {}
        program.test_run(&TestRun::new().data(PACKET)).unwrap();
        while take(&mut buffer) > 0 {}
        let refused = loaded.global::<u64>("events_lost").unwrap();
        assert_eq!(seen.iter().take(2000).copied().collect::<Vec<_>>(), (0..2000).collect::<Vec<_>>());
        assert_eq!(seen.last(), Some(&2500));
        assert!(seen.len() < 2501, "a page was enough for 500 samples");
        assert_eq!(seen.len() as u64 + refused, 2501);
        assert_eq!(lost, refused, "the ring says how many it lost");
    });
}
