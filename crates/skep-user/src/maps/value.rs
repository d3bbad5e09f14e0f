//! How a value is copied: around the fields that belong to the kernel, and under its lock where asked.

use crate::memory::Shared;
use crate::sync::atomic::pause;
use skep_abi::errno::Errno;
use std::ops::Range;
use std::sync::atomic::{
    AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};
use std::time::{Duration, Instant};

/// Where the bytes of a new value come from.
pub(crate) trait Source: Copy {
    /// Copies what begins at an offset to all of `to`.
    fn copy(self, offset: usize, to: Shared<'_>);

    /// What begins at an offset.
    fn from(self, offset: usize) -> Self;
}

impl Source for &[u8] {
    #[inline(always)]
    fn copy(self, offset: usize, to: Shared<'_>) {
        to.write(&self[offset..offset + to.len()]);
    }

    fn from(self, offset: usize) -> Self {
        &self[offset..]
    }
}

impl Source for Shared<'_> {
    #[inline(always)]
    fn copy(self, offset: usize, to: Shared<'_>) {
        to.copy_from(self.part(offset, to.len()));
    }

    fn from(self, offset: usize) -> Self {
        self.part(offset, self.len() - offset)
    }
}

/// What a map knows of its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ValueFormat {
    /// Bytes of a value.
    pub(crate) size: usize,
    /// Offset of its `struct bpf_spin_lock`.
    pub(crate) spin_lock: Option<usize>,
    /// Bytes that are not copied in either direction (locks, timers, kernel pointers), in order. User space reads zeroes there.
    pub(crate) kernel_fields: Vec<Range<usize>>,
}

impl ValueFormat {
    /// Plain bytes.
    pub(crate) fn plain(size: usize) -> ValueFormat {
        ValueFormat { size, ..ValueFormat::default() }
    }

    /// Distance between the values of an array.
    pub(crate) fn stride(&self) -> usize {
        self.size.next_multiple_of(8)
    }

    /// Copies a value out; kernel fields read as zero.
    pub(crate) fn read(&self, from: Shared<'_>, to: &mut [u8]) {
        from.part(0, self.size).read(&mut to[..self.size]);
        for field in &self.kernel_fields {
            to[field.clone()].fill(0);
        }
    }

    /// Copies a value in; kernel fields stay as they are.
    #[inline(always)]
    pub(crate) fn write(&self, to: Shared<'_>, from: impl Source) {
        let mut at = 0;
        for field in &self.kernel_fields {
            from.copy(at, to.part(at, field.start - at));
            at = field.end;
        }
        from.copy(at, to.part(at, self.size - at));
    }

    /// Copies one CPU's value out, to its [stride](Self::stride): user space sees what lies behind it as well.
    pub(crate) fn read_padded(&self, from: Shared<'_>, to: &mut [u8]) {
        self.read(from, to);
        from.part(self.size, self.stride() - self.size).read(&mut to[self.size..self.stride()]);
    }

    /// Copies one CPU's value in, with what user space put behind it.
    pub(crate) fn write_padded(&self, to: Shared<'_>, from: impl Source) {
        self.write(to, from);
        from.copy(self.size, to.part(self.size, self.stride() - self.size));
    }

    /// The value's lock, for a copy with those flags; `None` where they do not ask for it.
    ///
    /// # Errors
    /// `EBUSY` if the lock stays taken: a verified program gives it back soon, but an unverified one in the sandbox may
    /// have written over it.
    pub(crate) fn guard<'a>(&self, value: Shared<'a>, flags: u64) -> Result<Option<SpinGuard<'a>>, Errno> {
        match self.spin_lock {
            Some(offset) if flags & super::flags::LOCK != 0 => {
                SpinGuard::acquire(value.word(offset), PATIENCE).map(Some)
            }
            _ => Ok(None),
        }
    }
}

/// Takes a `struct bpf_spin_lock`, 0 free, 1 held, if it is free.
#[inline(always)]
pub(crate) fn try_spin_lock(word: &AtomicU32) -> bool {
    word.compare_exchange(0, 1, Acquire, Relaxed).is_ok()
}

/// Takes a `struct bpf_spin_lock`.
#[inline(always)]
pub(crate) fn spin_lock(word: &AtomicU32) {
    if !try_spin_lock(word) {
        wait_for_lock(word);
    }
}

#[cold]
fn wait_for_lock(word: &AtomicU32) {
    let mut tries = 0u32;
    // Looking does not take the cache line away from the holder.
    while word.load(Relaxed) != 0 || !try_spin_lock(word) {
        pause(tries);
        tries = tries.wrapping_add(1);
    }
}

/// Gives it back.
#[inline(always)]
pub(crate) fn spin_unlock(word: &AtomicU32) {
    word.store(0, Release);
}

/// How long user space waits for a value's lock.
const PATIENCE: Duration = Duration::from_secs(5);

/// A lock that is held.
pub(crate) struct SpinGuard<'a>(&'a AtomicU32);

impl<'a> SpinGuard<'a> {
    fn acquire(word: &'a AtomicU32, patience: Duration) -> Result<Self, Errno> {
        let start = Instant::now();
        while !try_spin_lock(word) {
            if start.elapsed() > patience {
                return Err(Errno::EBUSY);
            }
            std::thread::yield_now();
        }
        Ok(SpinGuard(word))
    }
}

impl Drop for SpinGuard<'_> {
    fn drop(&mut self) {
        spin_unlock(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Region;

    #[test]
    fn waiting_for_a_lock_ends() {
        let word = AtomicU32::new(0);
        let held = SpinGuard::acquire(&word, Duration::ZERO).expect("free");
        assert_eq!(SpinGuard::acquire(&word, Duration::from_millis(1)).err(), Some(Errno::EBUSY));
        drop(held);
        assert!(SpinGuard::acquire(&word, Duration::ZERO).is_ok());
    }

    #[test]
    fn kernel_fields_are_neither_read_nor_written() {
        let region = Region::new(16).expect("memory");
        region.bytes().write(&[9; 16]);
        let format = ValueFormat { size: 12, spin_lock: Some(4), kernel_fields: std::iter::once(4..8).collect() };
        region.bytes().word(4).store(0, Relaxed);
        format.write(region.bytes(), &[1; 12][..]);
        assert_eq!(region.bytes().to_vec(), [1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 9, 9, 9, 9]);
        region.bytes().word(4).store(1, Relaxed);
        let mut seen = [7; 12];
        format.read(region.bytes(), &mut seen);
        assert_eq!(seen, [1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1]);
    }
}
