//! `BPF_MAP_TYPE_RINGBUF`: records from programs to user space, in Linux's exact memory layout.
//!
//! ```text
//! page 0        kept by the kernel
//! page 1        consumer position (u64), written by user space          ← offset 0 of what user space maps
//! page 2        producer position (u64), written here
//! page 3 …      data, then the same data again
//! ```
//!
//! Positions count bytes and only grow; the data is at their low bits. A record is an eight-byte header (length with the
//! busy and discard bits, distance in pages from the start) and its bytes, rounded up to eight. User space reads a
//! record once its busy bit is gone.

use super::{Definition, Kind, MapImplementation, NewValue, Side};
use crate::memory::{DoubleMapped, PAGE, Shared};
use crate::wait::Signal;
use skep_abi::errno::Errno;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};
use std::sync::{Arc, Mutex, PoisonError};

const CONSUMER: usize = PAGE;
const PRODUCER: usize = 2 * PAGE;
const DATA: usize = 3 * PAGE;
const HEADER: u64 = 8;
const BUSY: u32 = 1 << 31;
const DISCARD: u32 = 1 << 30;
const LARGEST_RECORD: u64 = (u32::MAX / 4) as u64;

/// `flags` of submit, discard and output.
pub(crate) const NO_WAKEUP: u64 = 1;
/// Wake the reader even if it has not caught up.
pub(crate) const FORCE_WAKEUP: u64 = 2;

/// A ring buffer.
pub(crate) struct RingBuffer {
    memory: DoubleMapped,
    size: u64,
    /// Start of the oldest record that is not finished. Its lock keeps producers apart.
    pending: Mutex<u64>,
    signal: Arc<Signal>,
}

/// What `bpf_ringbuf_query` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Positions {
    /// Unread bytes.
    pub(crate) available: u64,
    /// Bytes of data in all.
    pub(crate) size: u64,
    /// Consumer position.
    pub(crate) consumer: u64,
    /// Producer position.
    pub(crate) producer: u64,
}

impl RingBuffer {
    /// Makes the ring; the number of entries is its size in bytes.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn new(definition: &Definition) -> Result<RingBuffer, Errno> {
        let size = definition.max_entries as usize;
        let memory = DoubleMapped::new(DATA, size).ok_or(Errno::ENOMEM)?;
        Ok(RingBuffer { memory, size: size as u64, pending: Mutex::new(0), signal: definition.signal.clone() })
    }

    fn consumer(&self) -> &AtomicU64 {
        self.memory.bytes().double(CONSUMER)
    }

    fn producer(&self) -> &AtomicU64 {
        self.memory.bytes().double(PRODUCER)
    }

    fn at(&self, position: u64) -> usize {
        DATA + (position & (self.size - 1)) as usize
    }

    /// Room for a record of `len` bytes, zeroed by nobody; `None` when the ring is full or `len` absurd.
    pub(crate) fn reserve(&self, len: u64) -> Option<Shared<'_>> {
        if len > LARGEST_RECORD {
            return None;
        }
        let total = (len + HEADER).next_multiple_of(8);
        if total > self.size {
            return None;
        }
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let consumer = self.consumer().load(Acquire);
        let producer = self.producer().load(Relaxed);
        // Skip what was finished since: user space may not write over a record that is still busy.
        while *pending < producer {
            let header = self.memory.bytes().word(self.at(*pending)).load(Acquire);
            if header & BUSY != 0 {
                break;
            }
            *pending += (u64::from(header & !(BUSY | DISCARD)) + HEADER).next_multiple_of(8);
        }
        let end = producer + total;
        // As in Linux, the ring is never quite full.
        if end.wrapping_sub(consumer) >= self.size || end.wrapping_sub(*pending) >= self.size {
            return None;
        }
        let at = self.at(producer);
        let bytes = self.memory.bytes();
        bytes.word(at + 4).store((at / PAGE) as u32, Relaxed);
        bytes.word(at).store(len as u32 | BUSY, Relaxed);
        self.producer().store(end, Release);
        Some(bytes.part(at + HEADER as usize, len as usize))
    }

    /// Finishes a record that [`RingBuffer::reserve`] gave, by its address. `false` if there is no such record.
    pub(crate) fn commit(&self, record: u64, discard: bool, flags: u64) -> bool {
        let bytes = self.memory.bytes();
        let first = bytes.address() + DATA as u64 + HEADER;
        let Some(offset) = record.checked_sub(first).filter(|o| *o < self.size && o.is_multiple_of(8)) else {
            return false;
        };
        let header = bytes.word(DATA + offset as usize);
        let len = header.load(Relaxed) & !BUSY;
        header.store(if discard { len | DISCARD } else { len }, SeqCst);
        let caught_up = self.consumer().load(SeqCst) & (self.size - 1) == offset;
        if flags & FORCE_WAKEUP != 0 || (caught_up && flags & NO_WAKEUP == 0) {
            self.signal.notify();
        }
        true
    }

    /// Where reader and writer stand.
    pub(crate) fn positions(&self) -> Positions {
        let (consumer, producer) = (self.consumer().load(Acquire), self.producer().load(Acquire));
        Positions { available: producer.wrapping_sub(consumer), size: self.size, consumer, producer }
    }

    /// Whether the next record is there and finished.
    pub(crate) fn is_readable(&self) -> bool {
        let positions = self.positions();
        positions.available != 0 && positions.available <= self.size
    }
}

impl MapImplementation for RingBuffer {
    fn update(&self, _key: &[u8], _value: NewValue<'_>, _flags: u64, _side: Side) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }

    fn read(&self, _key: &[u8], _flags: u64, _to: &mut [u8]) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }

    fn delete(&self, _key: &[u8]) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }

    fn next_key(&self, _key: Option<&[u8]>, _next: &mut [u8]) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }

    fn user_value_size(&self) -> usize {
        0
    }

    fn memory(&self) -> Option<Shared<'_>> {
        let all = self.memory.bytes();
        Some(all.part(CONSUMER, all.len() - CONSUMER))
    }

    fn memory_usage(&self) -> u64 {
        DATA as u64 + self.size
    }

    fn kind(&self) -> Kind<'_> {
        Kind::Ring(self)
    }
}
