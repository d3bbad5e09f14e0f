//! The readers of rings on memory that lies: every answer is a record that lies inside, or an error.

use proptest::prelude::*;
use skep::{Error, Kernel, PerfBuffer, RawMap, RingBuffer};
use skep_abi::command::{Command, Failure, InfoRequest, Reply};
use skep_kernel::{Errno, PerfEvent, SharedMemory};
use std::sync::{Arc, Mutex};

const PAGE: usize = 4096;
const RINGBUF: u32 = 27;
const PERF_EVENT_ARRAY: u32 = 4;

/// Memory that all mappings of it share.
#[derive(Clone)]
struct Memory {
    bytes: Arc<Mutex<Vec<u8>>>,
    start: usize,
    len: usize,
}

impl Memory {
    fn new(len: usize) -> Memory {
        Memory { bytes: Arc::new(Mutex::new(vec![0; len])), start: 0, len }
    }

    fn part(&self, start: usize, len: usize) -> Memory {
        Memory { bytes: Arc::clone(&self.bytes), start, len }
    }

    fn put(&self, at: usize, bytes: &[u8]) {
        self.bytes.lock().unwrap()[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn word(&self, at: usize) -> Result<[u8; 8], Errno> {
        let mut word = [0; 8];
        self.read(at, &mut word)?;
        Ok(word)
    }
}

impl SharedMemory for Memory {
    fn len(&self) -> usize {
        self.len
    }

    fn read(&self, offset: usize, into: &mut [u8]) -> Result<(), Errno> {
        let end = offset.checked_add(into.len()).filter(|end| *end <= self.len).ok_or(Errno::EFAULT)?;
        into.copy_from_slice(&self.bytes.lock().unwrap()[self.start + offset..self.start + end]);
        Ok(())
    }

    fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), Errno> {
        offset.checked_add(bytes.len()).filter(|end| *end <= self.len).ok_or(Errno::EFAULT)?;
        self.put(self.start + offset, bytes);
        Ok(())
    }

    fn load_acquire_u64(&self, offset: usize) -> Result<u64, Errno> {
        Ok(u64::from_ne_bytes(self.word(offset)?))
    }

    fn store_release_u64(&self, offset: usize, value: u64) -> Result<(), Errno> {
        self.write(offset, &value.to_ne_bytes())
    }

    fn load_acquire_u32(&self, offset: usize) -> Result<u32, Errno> {
        let mut word = [0; 4];
        self.read(offset, &mut word)?;
        Ok(u32::from_ne_bytes(word))
    }

    fn store_release_u32(&self, offset: usize, value: u32) -> Result<(), Errno> {
        self.write(offset, &value.to_ne_bytes())
    }
}

/// A kernel with one pinned map and one CPU, whose memory a test writes as it likes.
struct Liar {
    map_type: u32,
    max_entries: u32,
    memory: Memory,
}

impl Kernel for Liar {
    fn name(&self) -> &'static str {
        "liar"
    }

    fn bpf(&self, command: Command<'_>) -> Result<Reply, Failure> {
        match command {
            Command::ObjGet(_) => Ok(Reply::Fd(3)),
            Command::ObjGetInfoByFd(request) => {
                let InfoRequest::Map { info, .. } = request.info else { return Err(Errno::EINVAL.into()) };
                (info.map_type, info.max_entries, info.key_size, info.value_size) =
                    (self.map_type, self.max_entries, 4, 4);
                Ok(Reply::Info { len: 80 })
            }
            Command::MapUpdateElem(_) => Ok(Reply::Done),
            _ => Err(Errno::EINVAL.into()),
        }
    }

    fn close(&self, _fd: i32) {}

    fn duplicate(&self, fd: i32) -> Result<i32, Errno> {
        Ok(fd + 1)
    }

    fn possible_cpus(&self) -> u32 {
        1
    }

    fn version_code(&self) -> u32 {
        0
    }

    fn map_memory(&self, _fd: i32, offset: u64, len: usize, _writable: bool) -> Result<Box<dyn SharedMemory>, Errno> {
        Ok(Box::new(self.memory.part(offset as usize, len)))
    }

    fn perf_event_open(&self, _event: &PerfEvent, _pid: Option<u32>, _cpu: Option<u32>) -> Result<i32, Errno> {
        Ok(4)
    }

    fn perf_event_enable(&self, _event_fd: i32, _on: bool) -> Result<(), Errno> {
        Ok(())
    }

    fn perf_event_memory(&self, _event_fd: i32, pages: usize) -> Result<Box<dyn SharedMemory>, Errno> {
        Ok(Box::new(self.memory.part(0, (1 + pages) * PAGE)))
    }
}

fn map(map_type: u32, max_entries: u32, memory: &Memory) -> RawMap {
    let kernel: Arc<dyn Kernel> = Arc::new(Liar { map_type, max_entries, memory: memory.clone() });
    RawMap::open_pinned(&kernel, "/pinned").unwrap()
}

/// A ring of one page: consumer, producer, the data twice.
struct Ring {
    memory: Memory,
    ring: RingBuffer,
}

impl Ring {
    fn new(consumed: u64, produced: u64, data: &[u8]) -> Ring {
        let memory = Memory::new(4 * PAGE);
        memory.put(0, &consumed.to_ne_bytes());
        memory.put(PAGE, &produced.to_ne_bytes());
        for copy in [2, 3] {
            memory.put(copy * PAGE, data);
        }
        let ring = RingBuffer::new(&map(RINGBUF, PAGE as u32, &memory)).unwrap();
        Ring { memory, ring }
    }

    fn read(&mut self) -> Result<Vec<Vec<u8>>, Error> {
        let mut records = Vec::new();
        self.ring.consume(|record| records.push(record.to_vec()))?;
        Ok(records)
    }

    fn consumed(&self) -> u64 {
        self.memory.load_acquire_u64(0).unwrap()
    }
}

/// A ring-buffer record with a length word of choice.
fn record(word: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = [&word.to_ne_bytes()[..], &[0; 4], data].concat();
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;

fn is_protocol_error<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Kernel(error)) if error.errno == Errno::EPROTO)
}

#[test]
fn a_busy_record_holds_up_those_behind_it() {
    let bytes = [record(3, b"one"), record(3 | BUSY, b"two"), record(5, b"three")].concat();
    let mut ring = Ring::new(0, bytes.len() as u64, &bytes);
    assert_eq!(ring.read().unwrap(), [b"one"]);
    assert_eq!(ring.consumed(), 16);
    assert!(ring.read().unwrap().is_empty());
    for copy in [2, 3] {
        ring.memory.put(copy * PAGE + 16, &3u32.to_ne_bytes());
    }
    assert_eq!(ring.read().unwrap(), [&b"two"[..], b"three"]);
    assert_eq!(ring.consumed(), bytes.len() as u64);
}

#[test]
fn discarded_records_are_passed_over() {
    let bytes = [record(3 | DISCARDED, b"one"), record(0, b""), record(3 | DISCARDED, b"two")].concat();
    let mut ring = Ring::new(0, bytes.len() as u64, &bytes);
    assert_eq!(ring.read().unwrap(), [b""]);
    assert_eq!(ring.consumed(), bytes.len() as u64);
}

#[test]
fn a_record_across_the_end_comes_in_one_piece() {
    let text = b"across the end of the ring";
    let bytes = record(text.len() as u32, text);
    let mut data = vec![0; PAGE];
    for (index, byte) in bytes.iter().enumerate() {
        data[(PAGE - 16 + index) % PAGE] = *byte;
    }
    let start = 5 * PAGE as u64 - 16;
    let mut ring = Ring::new(start, start + bytes.len() as u64, &data);
    assert_eq!(ring.read().unwrap(), [text]);
}

#[test]
fn lengths_that_lie_are_errors() {
    // Longer than what was produced, than the ring, than anything.
    for len in [9, 4089, 4096, 0x3fff_ffff] {
        assert!(is_protocol_error(&Ring::new(0, 16, &record(len, b"")).read()), "{len}");
    }
    // More produced than fits.
    assert!(is_protocol_error(&Ring::new(0, 4097, &record(1, b"")).read()));
    assert!(is_protocol_error(&Ring::new(0, u64::MAX, &record(1, b"")).read()));
    // Consumed more than was produced: nothing to read.
    assert!(Ring::new(64, 8, &[]).read().unwrap().is_empty());
}

#[test]
fn a_ring_of_an_impossible_size_is_refused() {
    let memory = Memory::new(4 * PAGE);
    for size in [0, 5000] {
        assert!(matches!(RingBuffer::new(&map(RINGBUF, size, &memory)), Err(Error::Unfit(_))), "{size}");
    }
}

/// A perf ring of one page of data behind its header.
struct PerfRing {
    memory: Memory,
    buffer: PerfBuffer,
}

#[derive(Debug, PartialEq)]
enum Event {
    Sample(Vec<u8>),
    Lost(u64),
}

impl PerfRing {
    fn new(tail: u64, head: u64, data: &[u8]) -> PerfRing {
        let memory = Memory::new(2 * PAGE);
        memory.put(1024, &head.to_ne_bytes());
        memory.put(1032, &tail.to_ne_bytes());
        memory.put(PAGE, data);
        let buffer = PerfBuffer::new(&map(PERF_EVENT_ARRAY, 1, &memory), 1).unwrap();
        PerfRing { memory, buffer }
    }

    fn read(&mut self) -> Result<Vec<Event>, Error> {
        let mut events = Vec::new();
        self.buffer.consume(|record| {
            events.push(match record {
                skep::PerfRecord::Sample { data, .. } => Event::Sample(data.to_vec()),
                skep::PerfRecord::Lost { count, .. } => Event::Lost(count),
            });
        })?;
        Ok(events)
    }

    fn tail(&self) -> u64 {
        self.memory.load_acquire_u64(1032).unwrap()
    }
}

/// `struct perf_event_header` and a body.
fn perf_record(kind: u32, len: u16, body: &[u8]) -> Vec<u8> {
    [&kind.to_ne_bytes()[..], &0u16.to_ne_bytes(), &len.to_ne_bytes(), body].concat()
}

fn sample(len: u32, data: &[u8]) -> Vec<u8> {
    let mut body = [&len.to_ne_bytes()[..], data].concat();
    body.resize(body.len().next_multiple_of(8), 0);
    perf_record(9, 8 + body.len() as u16, &body)
}

#[test]
fn perf_records_of_all_kinds() {
    let lost = perf_record(2, 24, &[7u64.to_ne_bytes(), 41u64.to_ne_bytes()].concat());
    let throttle = perf_record(5, 32, &[0; 24]);
    let bytes = [sample(3, b"one"), throttle, lost, sample(12, b"twelve bytes")].concat();
    let mut ring = PerfRing::new(0, bytes.len() as u64, &bytes);
    let expected = [Event::Sample(b"one".to_vec()), Event::Lost(41), Event::Sample(b"twelve bytes".to_vec())];
    assert_eq!(ring.read().unwrap(), expected);
    assert_eq!(ring.tail(), bytes.len() as u64);
}

#[test]
fn a_perf_record_across_the_end_is_put_together() {
    let bytes = sample(20, b"across the very end.");
    for cut in [4, 8, 12, 24] {
        let mut data = vec![0; PAGE];
        for (index, byte) in bytes.iter().enumerate() {
            data[(PAGE - cut + index) % PAGE] = *byte;
        }
        let start = 3 * PAGE as u64 - cut as u64;
        let mut ring = PerfRing::new(start, start + bytes.len() as u64, &data);
        assert_eq!(ring.read().unwrap(), [Event::Sample(b"across the very end.".to_vec())], "cut at {cut}");
    }
}

#[test]
fn perf_lengths_that_lie_are_errors() {
    for len in [0, 7, 17, u16::MAX] {
        let bytes = perf_record(9, len, &[0; 8]);
        assert!(is_protocol_error(&PerfRing::new(0, 16, &bytes).read()), "{len}");
    }
    assert!(is_protocol_error(&PerfRing::new(0, 4097, &sample(3, b"one")).read()));
    assert!(is_protocol_error(&PerfRing::new(0, u64::MAX, &sample(3, b"one")).read()));
    // The inner length of a sample is beyond the record: no sample, and the reader goes on.
    let bytes = [sample(100, b"one"), sample(3, b"two")].concat();
    assert_eq!(PerfRing::new(0, bytes.len() as u64, &bytes).read().unwrap(), [Event::Sample(b"two".to_vec())]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_memory_gives_records_or_an_error(
        data in proptest::collection::vec(any::<u8>(), PAGE),
        from in any::<u64>(),
        len in 0..8192u64,
    ) {
        // Small lengths, so that some records are real.
        let small: Vec<u8> = data.chunks(4).flat_map(|c| [c[0], 0, 0, 0]).collect();
        for data in [&data, &small] {
            let aligned = from & !7;
            if let Ok(records) = Ring::new(aligned, aligned.saturating_add(len), data).read() {
                prop_assert!(records.iter().all(|record| record.len() <= PAGE));
            }
            if let Ok(events) = PerfRing::new(aligned, aligned.saturating_add(len), data).read() {
                prop_assert!(events.len() <= PAGE / 8);
            }
        }
    }
}
