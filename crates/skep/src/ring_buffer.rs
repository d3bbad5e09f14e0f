//! Reading ring buffers (`BPF_MAP_TYPE_RINGBUF`).
//!
//! Layout, as of Linux 5.8: one page with the consumer's position, one with the producer's, then the data twice, one
//! copy after the other, so that a record that wraps can be read in one piece. Positions only grow. A record is a word
//! of length with two flags, a word that is the kernel's, the bytes, and padding to eight.

use crate::error::{Error, KernelError};
use crate::map::RawMap;
use skep_kernel::{Errno, SharedMemory};
use std::time::{Duration, Instant};

/// The record is still being written.
const BUSY: u32 = 1 << 31;
/// The record was given up.
const DISCARDED: u32 = 1 << 30;
/// Bytes before the data of a record.
const HEADER_BYTES: u64 = 8;

/// After so many records the producer hears how far the reader is.
const RECORDS_AT_ONCE: usize = 64;

/// The reading side of a ring buffer.
///
/// ```no_run
/// # fn f(loaded: &skep::LoadedObject) -> Result<(), skep::Error> {
/// let mut ring = skep::RingBuffer::new(loaded.map("events")?)?;
/// ring.poll(Some(std::time::Duration::from_millis(100)), |record| println!("{} bytes", record.len()))?;
/// # Ok(()) }
/// ```
pub struct RingBuffer {
    /// A handle of its own: the number of a closed descriptor might come to mean something else.
    map: RawMap,
    size: u64,
    consumer: Box<dyn SharedMemory>,
    producer: Box<dyn SharedMemory>,
    record: Vec<u8>,
}

impl std::fmt::Debug for RingBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RingBuffer").field("name", &self.map.name()).field("size", &self.size).finish_non_exhaustive()
    }
}

impl RingBuffer {
    /// Opens the ring of a map.
    ///
    /// ```no_run
    /// # fn f(loaded: &skep::LoadedObject) -> Result<(), skep::Error> {
    /// let ring = skep::RingBuffer::new(loaded.map("events")?)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Unfit`] for a map of another type; the kernel's errno for its memory.
    pub fn new(map: &RawMap) -> Result<RingBuffer, Error> {
        if map.map_type() != Some(skep_abi::map_type::MapType::Ringbuf) {
            return Err(Error::Unfit(format!("map '{}' is no ring buffer", map.name())));
        }
        let page = rustix::param::page_size();
        let size = map.info().max_entries as usize;
        if !size.is_power_of_two() {
            return Err(Error::Unfit(format!("ring buffer '{}' has {size} bytes, no power of two", map.name())));
        }
        let memory = |offset: usize, len: usize, writable: bool| {
            map.kernel_arc().map_memory(map.fd(), offset as u64, len, writable).map_err(|errno| {
                KernelError::new(&**map.kernel_arc(), "MMAP", format!("map the memory of '{}'", map.name()), errno)
            })
        };
        Ok(RingBuffer {
            map: map.try_clone()?,
            size: size as u64,
            consumer: memory(0, page, true)?,
            producer: memory(page, page + 2 * size, false)?,
            record: Vec::new(),
        })
    }

    /// Gives all waiting records to `handle`, oldest first, and how many there were. Does not wait.
    ///
    /// ```no_run
    /// # fn f(ring: &mut skep::RingBuffer) -> Result<(), skep::Error> {
    /// let count = ring.consume(|record| println!("{record:?}"))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the ring's memory makes no sense.
    pub fn consume(&mut self, mut handle: impl FnMut(&[u8])) -> Result<usize, Error> {
        self.consume_while(|record| {
            handle(record);
            true
        })
    }

    /// [`RingBuffer::consume`] until `handle` returns false; the record it got then counts as read.
    ///
    /// ```no_run
    /// # fn f(ring: &mut skep::RingBuffer) -> Result<(), skep::Error> {
    /// let mut first = None;
    /// ring.consume_while(|record| {
    ///     first = Some(record.to_vec());
    ///     false
    /// })?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the ring's memory makes no sense.
    pub fn consume_while(&mut self, mut handle: impl FnMut(&[u8]) -> bool) -> Result<usize, Error> {
        self.take(&mut handle).map_err(|errno| self.failed("MMAP", "read", errno))
    }

    /// Waits until there are records, at most `timeout` (`None`: without end), and consumes them. A signal ends the wait.
    ///
    /// ```no_run
    /// # fn f(ring: &mut skep::RingBuffer) -> Result<(), skep::Error> {
    /// while ring.poll(Some(std::time::Duration::from_secs(1)), |record| println!("{record:?}"))? > 0 {}
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`RingBuffer::consume`], and the kernel's errno of the waiting.
    pub fn poll(&mut self, timeout: Option<Duration>, mut handle: impl FnMut(&[u8])) -> Result<usize, Error> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        loop {
            let count = self.consume(&mut handle)?;
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if count > 0 || left == Some(Duration::ZERO) {
                return Ok(count);
            }
            match self.map.kernel().wait_readable(&[self.map.fd()], left) {
                // A signal: whoever caught it wants to look around.
                Err(Errno::EINTR) => return self.consume(handle),
                Err(errno) => return Err(self.failed("POLL", "wait for", errno)),
                Ok(_) => {}
            }
        }
    }

    fn failed(&self, command: &str, action: &str, errno: Errno) -> Error {
        let action = format!("{action} ring buffer '{}'", self.map.name());
        KernelError::new(self.map.kernel(), command, action, errno).into()
    }

    fn take(&mut self, handle: &mut dyn FnMut(&[u8]) -> bool) -> Result<usize, Errno> {
        // What the kernel keeps in this memory is checked all the same: EPROTO where it makes no sense.
        let page = (self.producer.len() as u64).checked_sub(2 * self.size).ok_or(Errno::EPROTO)?;
        let mut count = 0;
        let mut consumed = self.consumer.load_acquire_u64(0)?;
        loop {
            let produced = self.producer.load_acquire_u64(0)?;
            if consumed >= produced {
                return Ok(count);
            }
            if produced - consumed > self.size {
                return Err(Errno::EPROTO);
            }
            let begun = consumed;
            let more = self.take_until(page, &mut consumed, produced, &mut count, handle);
            // Only now may the producer write there again: the records were copied.
            self.consumer.store_release_u64(0, consumed)?;
            if !more? || consumed == begun {
                return Ok(count);
            }
        }
    }

    /// Takes the finished records up to a position, or so many that the producer should hear of it; `false` where `handle` wants
    /// no more.
    fn take_until(
        &mut self,
        page: u64,
        consumed: &mut u64,
        produced: u64,
        count: &mut usize,
        handle: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<bool, Errno> {
        for _ in 0..RECORDS_AT_ONCE {
            if *consumed >= produced {
                break;
            }
            let at = (page + (*consumed & (self.size - 1))) as usize;
            let header = self.producer.load_acquire_u32(at)?;
            if header & BUSY != 0 {
                break;
            }
            let len = u64::from(header & !DISCARDED);
            let whole = (len + HEADER_BYTES).next_multiple_of(8);
            // A busy record was left out above, so it is all there.
            if whole > produced - *consumed {
                return Err(Errno::EPROTO);
            }
            if header & DISCARDED == 0 {
                if self.record.len() != len as usize {
                    self.record.resize(len as usize, 0);
                }
                self.producer.read(at + HEADER_BYTES as usize, &mut self.record)?;
                *count += 1;
            }
            *consumed += whole;
            if header & DISCARDED == 0 && !handle(&self.record) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
