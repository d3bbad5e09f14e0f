//! Reading what `bpf_perf_event_output` writes: one ring per CPU (`BPF_MAP_TYPE_PERF_EVENT_ARRAY`).
//!
//! Layout, as of `perf_event_open(2)`: a page of header with the head (the kernel's) and the tail (ours), then a power of
//! two of pages of data. Head and tail only grow. Records may wrap.

use crate::error::{Error, KernelError};
use crate::map::RawMap;
use skep_abi::map_type::MapType;
use skep_kernel::{Errno, Handle, PerfEvent, PerfEventKind, PerfSample, SampleRate, SharedMemory};
use std::sync::Arc;
use std::time::Duration;

/// `data_head` of `struct perf_event_mmap_page`.
const HEAD: usize = 1024;
/// `data_tail` of `struct perf_event_mmap_page`.
const TAIL: usize = 1032;
/// `struct perf_event_header`.
const HEADER_BYTES: u64 = 8;
/// `PERF_RECORD_LOST`
const RECORD_LOST: u32 = 2;
/// More memory than anybody's limit of locked memory; keeps the arithmetic far from overflow.
const MOST_PAGES: usize = 1 << 24;
/// `PERF_RECORD_SAMPLE`
const RECORD_SAMPLE: u32 = 9;

/// What a ring gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerfRecord<'a> {
    /// What a program wrote, with padding up to eight bytes.
    Sample {
        /// Which CPU's ring.
        cpu: u32,
        /// The bytes.
        data: &'a [u8],
    },
    /// The ring was full: so many samples are lost.
    Lost {
        /// Which CPU's ring.
        cpu: u32,
        /// How many.
        count: u64,
    },
}

/// The reading side of a perf event array.
///
/// ```no_run
/// # fn f(loaded: &skep::LoadedObject) -> Result<(), skep::Error> {
/// let mut buffer = skep::PerfBuffer::new(loaded.map("events")?, 8)?;
/// buffer.poll(Some(std::time::Duration::from_millis(100)), |record| println!("{record:?}"))?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct PerfBuffer {
    /// Kept open: Linux takes the rings out of the map when the file they were put in by is closed.
    map: RawMap,
    rings: Vec<CpuRing>,
}

struct CpuRing {
    cpu: u32,
    event: Handle,
    memory: Box<dyn SharedMemory>,
    /// Bytes of data; the header page stands before them.
    size: u64,
}

impl std::fmt::Debug for CpuRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CpuRing").field("cpu", &self.cpu).field("size", &self.size).finish_non_exhaustive()
    }
}

impl PerfBuffer {
    /// Makes a ring of `pages` (a power of two) for each CPU and puts it into the map.
    ///
    /// ```no_run
    /// # fn f(loaded: &skep::LoadedObject) -> Result<(), skep::Error> {
    /// let buffer = skep::PerfBuffer::new(loaded.map("events")?, 8)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Unfit`] for a map of another type and a number of pages that is no power of two; `EPERM` beyond the limit
    /// of locked memory.
    pub fn new(map: &RawMap, pages: usize) -> Result<PerfBuffer, Error> {
        if map.map_type() != Some(MapType::PerfEventArray) {
            return Err(Error::Unfit(format!("map '{}' is no perf event array", map.name())));
        }
        if !pages.is_power_of_two() || pages > MOST_PAGES {
            return Err(Error::Unfit(format!(
                "a perf ring of {pages} pages: the number must be a power of two, at most {MOST_PAGES}"
            )));
        }
        let kernel = map.kernel_arc();
        let failed = |action: &str, errno| {
            KernelError::new(&**kernel, "PERF_EVENT_OPEN", format!("{action} for map '{}'", map.name()), errno)
        };
        let event = PerfEvent {
            kind: PerfEventKind::BpfOutput,
            rate: SampleRate::Period(1),
            sample: PerfSample::Raw,
            wakeup_events: 1,
            inherit: false,
        };
        let mut rings = Vec::new();
        for cpu in 0..kernel.possible_cpus().min(map.info().max_entries) {
            let fd = match kernel.perf_event_open(&event, None, Some(cpu)) {
                Ok(fd) => fd,
                // Possible, but not there now.
                Err(Errno::ENODEV) => continue,
                Err(errno) => return Err(failed("open a perf event", errno).into()),
            };
            let event = Handle::new(Arc::clone(kernel), fd);
            let memory = kernel.perf_event_memory(fd, pages).map_err(|errno| failed("map a ring", errno))?;
            map.update(&cpu.to_ne_bytes(), &fd.to_ne_bytes())?;
            kernel.perf_event_enable(fd, true).map_err(|errno| failed("start a ring", errno))?;
            let size = (pages * rustix::param::page_size()) as u64;
            rings.push(CpuRing { cpu, event, memory, size });
        }
        Ok(PerfBuffer { map: map.try_clone()?, rings })
    }

    /// Gives all waiting records to `handle`, ring by ring, and how many there were. Does not wait.
    ///
    /// ```no_run
    /// # fn f(buffer: &mut skep::PerfBuffer) -> Result<(), skep::Error> {
    /// buffer.consume(|record| match record {
    ///     skep::PerfRecord::Sample { cpu, data } => println!("CPU {cpu}: {data:?}"),
    ///     skep::PerfRecord::Lost { cpu, count } => println!("CPU {cpu}: {count} lost"),
    /// })?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When a ring's memory makes no sense.
    pub fn consume(&mut self, mut handle: impl FnMut(PerfRecord<'_>)) -> Result<usize, Error> {
        let mut count = 0;
        for ring in &self.rings {
            count += ring
                .take(&mut handle)
                .map_err(|errno| self.failed("MMAP", &format!("read the ring of CPU {} of", ring.cpu), errno))?;
        }
        Ok(count)
    }

    /// Waits until there are records, at most `timeout` (`None`: without end), and consumes them.
    ///
    /// ```no_run
    /// # fn f(buffer: &mut skep::PerfBuffer) -> Result<(), skep::Error> {
    /// buffer.poll(Some(std::time::Duration::from_secs(1)), |record| println!("{record:?}"))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`PerfBuffer::consume`], and the kernel's errno of the waiting.
    pub fn poll(&mut self, timeout: Option<Duration>, mut handle: impl FnMut(PerfRecord<'_>)) -> Result<usize, Error> {
        let count = self.consume(&mut handle)?;
        if count > 0 {
            return Ok(count);
        }
        let fds: Vec<i32> = self.rings.iter().map(|ring| ring.event.fd()).collect();
        match self.map.kernel().wait_readable(&fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => self.consume(handle),
            Err(errno) => Err(self.failed("POLL", "wait for the rings of", errno)),
        }
    }

    fn failed(&self, command: &str, action: &str, errno: Errno) -> Error {
        KernelError::new(self.map.kernel(), command, format!("{action} map '{}'", self.map.name()), errno).into()
    }
}

impl CpuRing {
    fn take(&self, handle: &mut dyn FnMut(PerfRecord<'_>)) -> Result<usize, Errno> {
        let head = self.memory.load_acquire_u64(HEAD)?;
        let mut tail = self.memory.load_acquire_u64(TAIL)?;
        if head.saturating_sub(tail) > self.size {
            return Err(Errno::EPROTO);
        }
        let mut count = 0;
        while tail < head {
            let header = self.bytes(tail, HEADER_BYTES)?;
            let kind = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]);
            let len = u64::from(u16::from_ne_bytes([header[6], header[7]]));
            if len < HEADER_BYTES || len > head - tail {
                return Err(Errno::EPROTO);
            }
            let body = self.bytes(tail + HEADER_BYTES, len - HEADER_BYTES)?;
            if let Some(record) = self.record(kind, &body) {
                handle(record);
                count += 1;
            }
            tail += len;
            self.memory.store_release_u64(TAIL, tail)?;
        }
        Ok(count)
    }

    fn record<'a>(&self, kind: u32, body: &'a [u8]) -> Option<PerfRecord<'a>> {
        let cpu = self.cpu;
        match kind {
            // A u32 of length, then the bytes.
            RECORD_SAMPLE => {
                let (len, data) = body.split_first_chunk::<4>()?;
                let data = data.get(..u32::from_ne_bytes(*len) as usize)?;
                Some(PerfRecord::Sample { cpu, data })
            }
            // The event's id, then the count.
            RECORD_LOST => {
                let count = body.get(8..16)?.first_chunk::<8>()?;
                Some(PerfRecord::Lost { cpu, count: u64::from_ne_bytes(*count) })
            }
            _ => None,
        }
    }

    /// Bytes at a position, put together where they wrap.
    fn bytes(&self, position: u64, len: u64) -> Result<Vec<u8>, Errno> {
        let mut bytes = vec![0; len as usize];
        let page = self.memory.len().checked_sub(self.size as usize).ok_or(Errno::EPROTO)?;
        let at = (position % self.size) as usize;
        let first = bytes.len().min(self.size as usize - at);
        let (head, rest) = bytes.split_at_mut(first);
        self.memory.read(page + at, head)?;
        self.memory.read(page, rest)?;
        Ok(bytes)
    }
}
