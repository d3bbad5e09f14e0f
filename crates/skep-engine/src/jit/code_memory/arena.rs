//! An arena: a file in memory, mapped readable and executable between two guard pages, written through its descriptor.

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use rustix::process::{Resource, getrlimit};
use std::io;
use std::os::fd::OwnedFd;
use std::ptr;

use super::ranges::{self, Registration};

/// Fills what is no code: it traps (x86-64: `int3`; aarch64: no instruction).
pub(super) const FILLER: u8 = if cfg!(target_arch = "aarch64") { 0x00 } else { 0xcc };

pub(super) fn page_bytes() -> u32 {
    rustix::param::page_size() as u32
}

/// An arena. Where its file has ended, its mapping faults.
#[derive(Debug)]
pub(super) struct Arena {
    /// Ends before the mapping: afterwards, something else may lie there.
    _registration: Registration,
    mapping: Guarded,
    file: OwnedFd,
}

impl Arena {
    /// An empty arena for at least `len` bytes of code.
    pub(super) fn new(len: u32) -> io::Result<Arena> {
        let len = len.checked_next_multiple_of(page_bytes()).ok_or(io::ErrorKind::OutOfMemory)?;
        // The limit counts for files in memory, too, and who exceeds it is killed.
        if getrlimit(Resource::Fsize).current.is_some_and(|limit| limit < len.into()) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let create = |flags| memfd_create("skep-code", MemfdFlags::CLOEXEC | flags);
        // Kernels before 6.3 do not know that flag, which only keeps the file from being executed as a program.
        let file = create(MemfdFlags::NOEXEC_SEAL).or_else(|_| create(MemfdFlags::empty()))?;
        let mapping = Guarded::reserve(len as usize)?;
        let protection = ProtFlags::READ | ProtFlags::EXEC;
        // SAFETY: this replaces a part of the reservation, which is ours and which nobody uses yet.
        unsafe { mmap(mapping.inner(), len as usize, protection, MapFlags::SHARED | MapFlags::FIXED, &file, 0)? };
        let registration = ranges::register(mapping.address(), mapping.address() + u64::from(len));
        Ok(Arena { file, mapping, _registration: registration })
    }

    /// Where it begins.
    pub(super) fn address(&self) -> u64 {
        self.mapping.address()
    }

    pub(super) fn len(&self) -> u32 {
        self.mapping.len as u32
    }

    /// Writes code. The caller has taken that space.
    pub(super) fn write(&self, offset: u32, mut code: &[u8]) -> io::Result<()> {
        let mut at = u64::from(offset);
        while !code.is_empty() {
            let count = rustix::io::retry_on_intr(|| rustix::io::pwrite(&self.file, code, at))?;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            code = &code[count..];
            at += count as u64;
        }
        Ok(())
    }

    /// Writes filler. The caller has taken that space.
    pub(super) fn fill(&self, offset: u32, len: u32) -> io::Result<()> {
        static FILLERS: [u8; 1 << 14] = [FILLER; 1 << 14];
        let end = offset + len;
        let mut at = offset;
        while at < end {
            let count = (end - at).min(FILLERS.len() as u32);
            self.write(at, &FILLERS[..count as usize])?;
            at += count;
        }
        Ok(())
    }
}

/// Reserved addresses with an inaccessible page on each side.
#[derive(Debug)]
pub(super) struct Guarded {
    base: u64,
    /// Without the guards.
    len: usize,
}

impl Guarded {
    /// Reserves addresses without memory; `len` is a multiple of the page size.
    pub(super) fn reserve(len: usize) -> io::Result<Guarded> {
        let whole = len + 2 * page_bytes() as usize;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a fresh anonymous mapping aliases nothing.
        let base = unsafe { mmap_anonymous(ptr::null_mut(), whole, ProtFlags::empty(), flags)? };
        Ok(Guarded { base: base as u64, len })
    }

    /// Behind the first guard.
    pub(super) fn address(&self) -> u64 {
        self.base + u64::from(page_bytes())
    }

    pub(super) fn inner(&self) -> *mut std::ffi::c_void {
        self.address() as *mut _
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let whole = self.len + 2 * page_bytes() as usize;
        // SAFETY: the mapping is ours, and whoever runs code in it holds what owns it. A failure leaks it, which is safe.
        let _ = unsafe { munmap(self.base as *mut _, whole) };
    }
}

/// Takes new code from the data caches to where instructions are fetched from, which does not look there (Arm ARM, B2.4.4).
#[cfg(target_arch = "aarch64")]
pub(super) fn clean_caches(code: &[u8]) {
    use std::arch::asm;
    let (start, end) = (code.as_ptr() as u64, code.as_ptr() as u64 + code.len() as u64);
    let cache_type: u64;
    // SAFETY: reads a register that Linux lets every program read.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) cache_type, options(nomem, nostack, preserves_flags)) };
    // The shortest line of all caches, as the logarithm of its words.
    let lines = |log2_words: u64| {
        let line = 4_u64 << (log2_words & 0xf);
        (start & !(line - 1)..end).step_by(line as usize)
    };
    for line in lines(cache_type >> 16) {
        // SAFETY: maintenance of a cache line changes no memory; the address is mapped.
        unsafe { asm!("dc cvau, {}", in(reg) line, options(nostack, preserves_flags)) };
    }
    // SAFETY: a barrier.
    unsafe { asm!("dsb ish", options(nostack, preserves_flags)) };
    for line in lines(cache_type) {
        // SAFETY: as above.
        unsafe { asm!("ic ivau, {}", in(reg) line, options(nostack, preserves_flags)) };
    }
    // SAFETY: barriers.
    unsafe { asm!("dsb ish", "isb", options(nostack, preserves_flags)) };
}
