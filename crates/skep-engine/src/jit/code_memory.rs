//! Executable memory.
//!
//! Invariant: no page is mapped writable and executable at once.

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use std::io;
use std::ptr;

/// Machine code that stays where it is until this is dropped.
#[derive(Debug)]
pub(super) struct CodeMemory {
    base: u64,
    mapped: usize,
    len: usize,
}

impl CodeMemory {
    /// Copies code to executable memory.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn new(code: &[u8]) -> io::Result<CodeMemory> {
        let mapped = code.len().max(1).next_multiple_of(4096);
        let flags = MapFlags::PRIVATE;
        // SAFETY: a fresh anonymous mapping aliases nothing.
        let base = unsafe { mmap_anonymous(ptr::null_mut(), mapped, ProtFlags::READ | ProtFlags::WRITE, flags)? };
        let memory = CodeMemory { base: base as u64, mapped, len: code.len() };
        // SAFETY: the mapping is at least as long as the code, and nobody else knows it.
        unsafe { ptr::copy_nonoverlapping(code.as_ptr(), base.cast::<u8>(), code.len()) };
        // SAFETY: the mapping is ours.
        unsafe { mprotect(base, mapped, MprotectFlags::READ | MprotectFlags::EXEC)? };
        Ok(memory)
    }

    /// Where it begins.
    pub(super) fn address(&self) -> u64 {
        self.base
    }

    /// The code.
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: mapped, readable and never written again while `self` lives.
        unsafe { std::slice::from_raw_parts(self.base as *const u8, self.len) }
    }
}

impl Drop for CodeMemory {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and whoever runs the code holds what owns it. A failure leaks it, which is safe.
        let _ = unsafe { munmap(self.base as *mut _, self.mapped) };
    }
}
