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

use super::{Definition, Kind, MapImplementation, NewValue, Operation, Side, direct, spin_lock, spin_unlock};
use crate::memory::{DoubleMapped, PAGE, Shared, barrier_here};
use crate::wait::Signal;
use skep_abi::errno::Errno;
use skep_engine::{Direct, RunFacts};
use std::sync::Arc;
use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// Address of the [`RingBuffer`], in the kernel's page.
const SELF: usize = 0;
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

/// Bits of the kernel's word of a record that hold the distance in pages; above them is the CPU that reserved it.
const DISTANCE_BITS: u32 = 20;
const DISTANCE: u32 = (1 << DISTANCE_BITS) - 1;

/// A ring buffer. Its address is in the page that the kernel keeps, so that a record leads to its ring.
pub(crate) struct RingBuffer {
    memory: DoubleMapped,
    size: u64,
    producers: Producers,
    signal: Arc<Signal>,
}

/// What producers share: touched with the lock held.
#[derive(Default)]
#[repr(align(128))]
struct Producers {
    lock: AtomicU32,
    /// Start of the oldest record that may not be finished.
    pending: AtomicU64,
    /// Where the consumer was when it was last looked at: it can only be further.
    consumer: AtomicU64,
}

impl Producers {
    fn lock(&self) -> impl Drop {
        struct Guard<'a>(&'a AtomicU32);
        impl Drop for Guard<'_> {
            fn drop(&mut self) {
                spin_unlock(self.0);
            }
        }
        spin_lock(&self.lock);
        Guard(&self.lock)
    }
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
    pub(crate) fn new(definition: &Definition) -> Result<Box<RingBuffer>, Errno> {
        let size = definition.max_entries as usize;
        let memory = DoubleMapped::new(DATA, size).ok_or(Errno::ENOMEM)?;
        let signal = definition.signal.clone();
        let ring = Box::new(RingBuffer { memory, size: size as u64, producers: Producers::default(), signal });
        ring.memory.bytes().double(SELF).store(direct::address_of(&*ring), Relaxed);
        Ok(ring)
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

    /// Room for a record of `len` bytes for that CPU, zeroed by nobody; `None` when the ring is full or `len` absurd.
    #[inline]
    pub(crate) fn reserve(&self, len: u64, cpu: u32) -> Option<Shared<'_>> {
        if len > LARGEST_RECORD {
            return None;
        }
        let total = (len + HEADER).next_multiple_of(8);
        let producers = &self.producers;
        let guard = producers.lock();
        let producer = self.producer().load(Relaxed);
        let end = producer + total;
        // As in Linux, the ring is never quite full.
        if end.wrapping_sub(producers.consumer.load(Relaxed)) >= self.size {
            producers.consumer.store(self.consumer().load(Acquire), Relaxed);
            if end.wrapping_sub(producers.consumer.load(Relaxed)) >= self.size {
                return None;
            }
        }
        // User space may have gone past a record that is still busy.
        if end.wrapping_sub(producers.pending.load(Relaxed)) >= self.size {
            self.skip_finished(producer);
            if end.wrapping_sub(producers.pending.load(Relaxed)) >= self.size {
                return None;
            }
        }
        let at = self.at(producer);
        let record = self.memory.bytes().part(at, (HEADER + len) as usize);
        record.word(4).store((at / PAGE) as u32 | cpu << DISTANCE_BITS, Relaxed);
        record.word(0).store(len as u32 | BUSY, Relaxed);
        self.producer().store(end, Release);
        drop(guard);
        Some(record.part(HEADER as usize, len as usize))
    }

    /// Length with the flags of the record at a position, and the position of the next.
    fn record(&self, position: u64) -> (u32, u64) {
        let header = self.memory.bytes().word(self.at(position)).load(Acquire);
        (header, position + (u64::from(header & !(BUSY | DISCARD)) + HEADER).next_multiple_of(8))
    }

    /// Moves on to the first record that is not finished. The caller holds the lock.
    #[cold]
    fn skip_finished(&self, producer: u64) {
        let mut pending = self.producers.pending.load(Relaxed);
        while pending < producer {
            let (header, next) = self.record(pending);
            if header & BUSY != 0 {
                break;
            }
            pending = next;
        }
        self.producers.pending.store(pending, Relaxed);
    }

    /// Finishes a record that [`RingBuffer::reserve`] gave, by its address. `false` if there is no such record.
    #[inline]
    pub(crate) fn commit(&self, record: u64, discard: bool, flags: u64) -> bool {
        let bytes = self.memory.bytes();
        let first = bytes.address() + DATA as u64 + HEADER;
        let Some(offset) = record.checked_sub(first).filter(|o| *o < self.size && o.is_multiple_of(8)) else {
            return false;
        };
        let header = bytes.word(DATA + offset as usize);
        let len = header.load(Relaxed) & !BUSY;
        header.store(if discard { len | DISCARD } else { len }, Release);
        if flags & FORCE_WAKEUP != 0 {
            self.signal.notify();
        } else if flags & NO_WAKEUP == 0 {
            // Before the consumer's position is looked at: it may be about to wait.
            barrier_here();
            if self.consumer().load(Relaxed) & (self.size - 1) == offset {
                self.signal.notify();
            }
        }
        true
    }

    /// Gives up what a run on that CPU left reserved.
    pub(crate) fn discard_unfinished(&self, cpu: u32) {
        let _guard = self.producers.lock();
        let producer = self.producer().load(Relaxed);
        self.skip_finished(producer);
        let mut position = self.producers.pending.load(Relaxed);
        while position < producer {
            let (header, next) = self.record(position);
            let at = self.at(position);
            let owner = self.memory.bytes().word(at + 4).load(Relaxed) >> DISTANCE_BITS;
            if header & BUSY != 0 && owner == cpu & (u32::MAX >> DISTANCE_BITS) {
                self.commit(self.memory.bytes().address() + at as u64 + HEADER, true, 0);
            }
            position = next;
        }
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

    fn delete(&self, _key: &[u8], _side: Side) -> Result<(), Errno> {
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

    fn direct(&self, operation: Operation) -> Option<Direct> {
        match operation {
            Operation::RingReserve => direct::on(self, reserve),
            Operation::RingOutput => direct::on(self, output),
            _ => None,
        }
    }

    fn kind(&self) -> Kind<'_> {
        Kind::Ring(self)
    }
}

/// `bpf_ringbuf_reserve`.
///
/// # Safety
/// As [`skep_engine::DirectFunction`] says; r1 is the address of a [`RingBuffer`].
unsafe extern "C" fn reserve(ring: u64, len: u64, flags: u64, _: u64, _: u64, facts: *mut RunFacts) -> u64 {
    // SAFETY: the contract of this function.
    let (ring, cpu) = unsafe { (direct::map_at::<RingBuffer>(ring), (*facts).cpu) };
    if flags != 0 {
        return 0;
    }
    ring.reserve(len, cpu).map_or(0, Shared::address)
}

/// `bpf_ringbuf_output`.
///
/// # Safety
/// As [`skep_engine::DirectFunction`] says; r1 is the address of a [`RingBuffer`].
unsafe extern "C" fn output(ring: u64, data: u64, len: u64, flags: u64, _: u64, facts: *mut RunFacts) -> u64 {
    if flags & !(NO_WAKEUP | FORCE_WAKEUP) != 0 {
        return direct::answer(Err(Errno::EINVAL));
    }
    // SAFETY: the contract of this function.
    let (ring, cpu) = unsafe { (direct::map_at::<RingBuffer>(ring), (*facts).cpu) };
    let Some(record) = ring.reserve(len, cpu) else { return direct::answer(Err(Errno::EAGAIN)) };
    // SAFETY: the verifier proved that so many bytes are there.
    record.copy_from(unsafe { direct::memory_at(data, len as usize) });
    ring.commit(record.address(), false, flags);
    0
}

/// The ring of a record.
///
/// # Safety
/// The record is one that [`RingBuffer::reserve`] gave, not finished yet, of a ring that lives.
unsafe fn ring_of<'a>(record: u64) -> &'a RingBuffer {
    // SAFETY: in front of the record is its header, which programs do not touch.
    let header = unsafe { direct::memory_at(record - HEADER, HEADER as usize) };
    let distance = u64::from(header.word(4).load(Relaxed) & DISTANCE) * PAGE as u64;
    let start = (header.address() & !(PAGE as u64 - 1)) - distance;
    // SAFETY: so far in front is the kernel's page, which nobody else writes; it holds the address of the ring.
    unsafe { direct::map_at(direct::memory_at(start, 8).double(SELF).load(Relaxed)) }
}

/// Finishes a record of whichever ring.
///
/// # Safety
/// The record is one that [`RingBuffer::reserve`] gave, not finished yet, of a ring that lives.
pub(crate) unsafe fn finish(record: u64, discard: bool, flags: u64) {
    // SAFETY: the caller's promise.
    unsafe { ring_of(record) }.commit(record, discard, flags);
}

/// `bpf_ringbuf_submit`.
///
/// # Safety
/// As [`skep_engine::DirectFunction`] says.
pub(crate) unsafe extern "C" fn submit(record: u64, flags: u64, _: u64, _: u64, _: u64, _: *mut RunFacts) -> u64 {
    // SAFETY: the verifier proved that the record was reserved and not finished; the run keeps its ring alive.
    unsafe { finish(record, false, flags) };
    0
}

/// `bpf_ringbuf_discard`.
///
/// # Safety
/// As [`skep_engine::DirectFunction`] says.
pub(crate) unsafe extern "C" fn discard(record: u64, flags: u64, _: u64, _: u64, _: u64, _: *mut RunFacts) -> u64 {
    // SAFETY: as in `submit`.
    unsafe { finish(record, true, flags) };
    0
}

#[cfg(test)]
mod tests {
    use super::super::ValueFormat;
    use super::*;
    use crate::cpus::Cpus;
    use crate::memory::Budget;
    use skep_abi::map_type::{MapFlags, MapType};

    #[test]
    fn what_a_run_left_reserved_is_given_up_and_nothing_else() {
        let definition = Definition {
            map_type: MapType::Ringbuf,
            key_size: 0,
            max_entries: PAGE as u32,
            flags: MapFlags::empty(),
            extra: 0,
            value: ValueFormat::plain(0),
            seed: 0,
            cpus: Arc::new(Cpus::new(2)),
            budget: Budget::new(u64::MAX),
            signal: Arc::default(),
        };
        let ring = RingBuffer::new(&definition).expect("memory");
        let reserve = |len, cpu| ring.reserve(len, cpu).expect("room").address();
        let header = |record: u64| {
            let at = (record - HEADER - ring.memory.bytes().address()) as usize;
            ring.memory.bytes().word(at).load(Relaxed)
        };
        let records = [reserve(8, 0), reserve(16, 1), reserve(24, 0), reserve(32, 0)];
        assert!(ring.commit(records[2], false, 0));
        ring.discard_unfinished(0);
        assert_eq!(records.map(header), [8 | DISCARD, 16 | BUSY, 24, 32 | DISCARD]);
        assert!(ring.commit(records[1], false, 0));
        ring.discard_unfinished(1);
        assert_eq!(header(records[1]), 16);
    }
}
