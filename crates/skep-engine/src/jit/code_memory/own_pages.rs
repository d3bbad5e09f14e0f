//! Pages of a program's own: written, then made executable.

use rustix::mm::{MprotectFlags, mprotect};
use std::io;

use super::arena::{FILLER, Guarded, page_bytes};
use super::ranges::{self, Registration};

/// Code on pages of its own, between guard pages.
#[derive(Debug)]
pub(super) struct OwnPages {
    /// Ends before the mapping: afterwards, something else may lie there.
    _registration: Registration,
    mapping: Guarded,
}

impl OwnPages {
    /// Bytes that code of that length takes.
    pub(super) fn size_of(len: usize) -> usize {
        len.max(1).next_multiple_of(page_bytes() as usize)
    }

    /// Copies code there.
    pub(super) fn new(code: &[u8]) -> io::Result<OwnPages> {
        let mapping = Guarded::reserve(Self::size_of(code.len()))?;
        let (start, len) = (mapping.inner().cast::<u8>(), mapping.len());
        // SAFETY: the mapping is ours and nobody else knows it; it is as long as `len` says and, from the first line on,
        // writable, and at least as long as the code.
        unsafe {
            mprotect(mapping.inner(), len, MprotectFlags::READ | MprotectFlags::WRITE)?;
            start.copy_from_nonoverlapping(code.as_ptr(), code.len());
            start.add(code.len()).write_bytes(FILLER, len - code.len());
            mprotect(mapping.inner(), len, MprotectFlags::READ | MprotectFlags::EXEC)?;
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: readable, and written no more.
        super::arena::clean_caches(unsafe { std::slice::from_raw_parts(start, len) });
        let registration = ranges::register(mapping.address(), mapping.address() + len as u64);
        Ok(OwnPages { mapping, _registration: registration })
    }

    /// Where it begins.
    pub(super) fn address(&self) -> u64 {
        self.mapping.address()
    }
}
