//! Memory shared with the kernel by `mmap`.

use crate::system_call::last_errno;
use skep_abi::errno::Errno;
use skep_kernel::SharedMemory;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

/// A mapping. Every access to it is atomic, since the kernel writes at the same time.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
    writable: bool,
}

// SAFETY: the mapping belongs to this value alone and is accessed by atomic operations only.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes of a descriptor.
    pub(crate) fn new(fd: i32, offset: u64, len: usize, writable: bool) -> Result<Mapping, Errno> {
        if len == 0 {
            return Err(Errno::EINVAL);
        }
        let protection = if writable { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_READ };
        let offset = libc::off_t::try_from(offset).map_err(|_| Errno::EINVAL)?;
        // SAFETY: a new mapping where the kernel finds room; nothing of ours is touched.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, libc::MAP_SHARED, fd, offset) };
        if start == libc::MAP_FAILED {
            return Err(last_errno());
        }
        let start = NonNull::new(start.cast()).ok_or(Errno::ENOMEM)?;
        Ok(Mapping { start, len, writable })
    }

    /// The address of `size` bytes at `offset`, if they lie inside and are aligned to `align`.
    fn at(&self, offset: usize, size: usize, align: usize) -> Result<*mut u8, Errno> {
        let end = offset.checked_add(size).ok_or(Errno::EFAULT)?;
        if end > self.len {
            return Err(Errno::EFAULT);
        }
        if !offset.is_multiple_of(align) {
            return Err(Errno::EINVAL);
        }
        // SAFETY: `offset` is at most `len`, so the result lies in the mapping or at its end.
        Ok(unsafe { self.start.as_ptr().add(offset) })
    }

    fn writable(&self) -> Result<(), Errno> {
        if self.writable { Ok(()) } else { Err(Errno::EACCES) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nobody holds a pointer into it.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

impl SharedMemory for Mapping {
    fn len(&self) -> usize {
        self.len
    }

    fn read(&self, offset: usize, into: &mut [u8]) -> Result<(), Errno> {
        let from = self.at(offset, into.len(), 1)?;
        let head = from.align_offset(8).min(into.len());
        let (first, rest) = into.split_at_mut(head);
        let (words, last) = rest.as_chunks_mut::<8>();
        let tail_at = head + words.len() * 8;
        for (i, byte) in first.iter_mut().enumerate() {
            // SAFETY: inside the mapping by `at`.
            *byte = unsafe { AtomicU8::from_ptr(from.add(i)) }.load(Ordering::Relaxed);
        }
        for (i, word) in words.iter_mut().enumerate() {
            // SAFETY: inside the mapping, and aligned since `head` bytes come before.
            let value = unsafe { AtomicU64::from_ptr(from.add(head + i * 8).cast()) }.load(Ordering::Relaxed);
            *word = value.to_ne_bytes();
        }
        for (i, byte) in last.iter_mut().enumerate() {
            // SAFETY: inside the mapping by `at`.
            *byte = unsafe { AtomicU8::from_ptr(from.add(tail_at + i)) }.load(Ordering::Relaxed);
        }
        Ok(())
    }

    fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), Errno> {
        let to = self.at(offset, bytes.len(), 1)?;
        self.writable()?;
        for (i, byte) in bytes.iter().enumerate() {
            // SAFETY: inside the mapping by `at`, which is writable.
            unsafe { AtomicU8::from_ptr(to.add(i)) }.store(*byte, Ordering::Relaxed);
        }
        Ok(())
    }

    fn load_acquire_u64(&self, offset: usize) -> Result<u64, Errno> {
        let at = self.at(offset, 8, 8)?;
        // SAFETY: inside the mapping and aligned by `at`.
        Ok(unsafe { AtomicU64::from_ptr(at.cast()) }.load(Ordering::Acquire))
    }

    fn store_release_u64(&self, offset: usize, value: u64) -> Result<(), Errno> {
        let at = self.at(offset, 8, 8)?;
        self.writable()?;
        // SAFETY: inside the mapping and aligned by `at`; the mapping is writable.
        unsafe { AtomicU64::from_ptr(at.cast()) }.store(value, Ordering::Release);
        Ok(())
    }

    fn load_acquire_u32(&self, offset: usize) -> Result<u32, Errno> {
        let at = self.at(offset, 4, 4)?;
        // SAFETY: inside the mapping and aligned by `at`.
        Ok(unsafe { AtomicU32::from_ptr(at.cast()) }.load(Ordering::Acquire))
    }

    fn store_release_u32(&self, offset: usize, value: u32) -> Result<(), Errno> {
        let at = self.at(offset, 4, 4)?;
        self.writable()?;
        // SAFETY: inside the mapping and aligned by `at`; the mapping is writable.
        unsafe { AtomicU32::from_ptr(at.cast()) }.store(value, Ordering::Release);
        Ok(())
    }
}
