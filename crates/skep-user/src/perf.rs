//! Perf events: the rings of `bpf_perf_event_output`, and what tracing programs are attached to.
//!
//! The memory of a ring is as Linux's: a page of header, whose `data_head` we and whose `data_tail` the reader advance,
//! then a power of two of data pages.

use crate::memory::{PAGE, Region, Shared};
use crate::objects::{AttachPoint, Attachments, Program};
use crate::sync::lock;
use crate::wait::Signal;
use skep_abi::errno::Errno;
use skep_kernel::PerfEventKind;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Arc, Mutex, OnceLock};

const DATA_HEAD: usize = 1024;
const DATA_TAIL: usize = 1032;
const DATA_OFFSET: usize = 1040;
const DATA_SIZE: usize = 1048;
const RECORD_LOST: u32 = 2;
const RECORD_SAMPLE: u32 = 9;
const HEADER: usize = 8;

/// A perf event.
pub(crate) struct PerfEvent {
    /// A number of its own.
    pub(crate) id: u64,
    /// What it is about.
    pub(crate) kind: PerfEventKind,
    /// Only on that CPU.
    pub(crate) cpu: Option<u32>,
    /// Whether it runs.
    pub(crate) enabled: AtomicBool,
    /// Where `perf_event_attach` put a program on it.
    attached: Mutex<Option<Attached>>,
    ring: OnceLock<PerfRing>,
    signal: Arc<Signal>,
}

/// A program that leaves its attach point with the event.
struct Attached {
    point: AttachPoint,
    program: Arc<Program>,
    attachments: Arc<Attachments>,
}

impl Drop for Attached {
    fn drop(&mut self) {
        // It is there: only this takes it away.
        let _ = self.attachments.remove_program(&self.point, Some(&self.program));
    }
}

struct PerfRing {
    memory: Region,
    size: usize,
    writer: Mutex<Writer>,
}

#[derive(Default)]
struct Writer {
    /// Samples that found no room since the last record.
    lost: u64,
}

impl PerfEvent {
    /// A disabled event. `signal` wakes those who wait for something to read.
    pub(crate) fn new(id: u64, kind: PerfEventKind, cpu: Option<u32>, signal: Arc<Signal>) -> PerfEvent {
        PerfEvent {
            id,
            kind,
            cpu,
            enabled: AtomicBool::new(false),
            attached: Mutex::default(),
            ring: OnceLock::new(),
            signal,
        }
    }

    /// Attaches a program until the event goes.
    ///
    /// # Errors
    /// EEXIST if there is one.
    pub(crate) fn attach(
        &self,
        program: Arc<Program>,
        point: AttachPoint,
        attachments: &Arc<Attachments>,
    ) -> Result<(), Errno> {
        let mut attached = lock(&self.attached);
        if attached.is_some() {
            return Err(Errno::EEXIST);
        }
        attachments.add_program(&point, program.clone(), 0)?;
        *attached = Some(Attached { point, program, attachments: attachments.clone() });
        Ok(())
    }

    /// Makes the ring.
    ///
    /// # Errors
    /// EINVAL for a number of pages that is no power of two or differs from what is there, ENOMEM.
    pub(crate) fn make_ring(&self, pages: usize) -> Result<(), Errno> {
        if !pages.is_power_of_two() {
            return Err(Errno::EINVAL);
        }
        let size = pages.checked_mul(PAGE).ok_or(Errno::ENOMEM)?;
        if let Some(ring) = self.ring.get() {
            return if ring.size == size { Ok(()) } else { Err(Errno::EINVAL) };
        }
        let memory = Region::new(size.checked_add(PAGE).ok_or(Errno::ENOMEM)?).ok_or(Errno::ENOMEM)?;
        memory.bytes().double(DATA_OFFSET).store(PAGE as u64, Relaxed);
        memory.bytes().double(DATA_SIZE).store(size as u64, Relaxed);
        let _ = self.ring.set(PerfRing { memory, size, writer: Mutex::default() });
        Ok(())
    }

    /// The ring's memory.
    pub(crate) fn memory(&self) -> Option<Shared<'_>> {
        self.ring.get().map(|ring| ring.memory.bytes())
    }

    /// Whether there is a record to read.
    pub(crate) fn is_readable(&self) -> bool {
        self.memory().is_some_and(|m| m.double(DATA_HEAD).load(Acquire) != m.double(DATA_TAIL).load(Acquire))
    }

    /// Writes a sample of raw data.
    ///
    /// # Errors
    /// ENOSPC without a ring or room in it.
    pub(crate) fn output(&self, data: &[u8]) -> Result<(), Errno> {
        let ring = self.ring.get().ok_or(Errno::ENOSPC)?;
        let written = ring.write_sample(self.id, data);
        if written.is_ok() {
            self.signal.notify();
        }
        written
    }
}

impl PerfRing {
    fn write_sample(&self, id: u64, data: &[u8]) -> Result<(), Errno> {
        // The raw data and their length together fill whole double words.
        let raw = (data.len() + 4).next_multiple_of(8);
        let mut record = Vec::with_capacity(HEADER + raw + 24);
        let mut writer = lock(&self.writer);
        if writer.lost > 0 {
            push_header(&mut record, RECORD_LOST, 24);
            record.extend_from_slice(&id.to_ne_bytes());
            record.extend_from_slice(&writer.lost.to_ne_bytes());
        }
        let size = u16::try_from(HEADER + raw).map_err(|_| Errno::E2BIG)?;
        push_header(&mut record, RECORD_SAMPLE, size);
        record.extend_from_slice(&(raw as u32 - 4).to_ne_bytes());
        record.extend_from_slice(data);
        record.resize(record.len().next_multiple_of(8), 0);
        let header = self.memory.bytes();
        let head = header.double(DATA_HEAD).load(Relaxed);
        let used = head.wrapping_sub(header.double(DATA_TAIL).load(Acquire));
        if used > self.size as u64 || record.len() as u64 > self.size as u64 - used {
            writer.lost += 1;
            return Err(Errno::ENOSPC);
        }
        writer.lost = 0;
        let at = head as usize & (self.size - 1);
        let first = record.len().min(self.size - at);
        header.part(PAGE + at, first).write(&record[..first]);
        header.part(PAGE, record.len() - first).write(&record[first..]);
        header.double(DATA_HEAD).store(head + record.len() as u64, Release);
        Ok(())
    }
}

fn push_header(record: &mut Vec<u8>, kind: u32, size: u16) {
    record.extend_from_slice(&kind.to_ne_bytes());
    record.extend_from_slice(&0u16.to_ne_bytes());
    record.extend_from_slice(&size.to_ne_bytes());
}
