//! Zeroed, page-aligned memory of fixed size at a stable address.

use super::{HUGE_PAGE, PAGE, Shared};
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, mmap_anonymous, munmap};
use std::ptr;

/// An anonymous mapping: zero until written, and only what is touched costs memory.
#[derive(Debug)]
pub(crate) struct Region {
    base: u64,
    len: usize,
    mapped: usize,
}

impl Region {
    /// Maps `len` bytes. `None` when the system refuses.
    pub(crate) fn new(len: usize) -> Option<Region> {
        let mapped = len.max(1).checked_next_multiple_of(PAGE)?;
        // SAFETY: a fresh anonymous mapping at an address of the system's choice aliases nothing.
        let base = unsafe {
            mmap_anonymous(
                ptr::null_mut(),
                mapped,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )
        };
        Some(Region { base: base.ok()? as u64, len, mapped })
    }

    /// Asks for large pages, where the region has room for some: tables that are looked into at random miss less then.
    pub(crate) fn prefer_huge_pages(&self) {
        if self.mapped >= HUGE_PAGE {
            // SAFETY: the advice changes nothing that can be read. A refusal leaves small pages.
            let _ = unsafe { madvise(self.base as *mut _, self.mapped, Advice::LinuxHugepage) };
        }
    }

    /// Has the memory under the first `len` bytes from now on; `false` if there is not enough.
    pub(crate) fn populate(&self, len: usize) -> bool {
        let len = len.min(self.mapped).next_multiple_of(PAGE);
        if len as u64 > memory_of_machine() {
            return false;
        }
        // SAFETY: the advice changes nothing that can be read.
        len == 0 || unsafe { madvise(self.base as *mut _, len, Advice::LinuxPopulateWrite) } != Err(Errno::NOMEM)
    }

    /// All of it.
    #[inline]
    pub(crate) fn bytes(&self) -> Shared<'_> {
        // SAFETY: the region is mapped, readable and writable while `self` lives.
        unsafe { Shared::new(self.base, self.len) }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and whoever was given an address of it also held its owner.
        // A failure leaks the mapping, which is safe.
        let _ = unsafe { munmap(self.base as *mut _, self.mapped) };
    }
}

/// Bytes of memory that the machine has.
pub(crate) fn memory_of_machine() -> u64 {
    let machine = rustix::system::sysinfo();
    u64::from(machine.mem_unit).saturating_mul(machine.totalram as u64)
}

/// Linux's ring layout: a head of whole pages, then a body that appears twice in a row, so that a record that wraps
/// can be read as one piece.
#[derive(Debug)]
pub(crate) struct DoubleMapped {
    base: u64,
    head: usize,
    body: usize,
}

impl DoubleMapped {
    /// Maps `head` bytes and twice the same `body` bytes; both are multiples of the page size. `None` when the system
    /// refuses.
    pub(crate) fn new(head: usize, body: usize) -> Option<DoubleMapped> {
        debug_assert!(head.is_multiple_of(PAGE) && body.is_multiple_of(PAGE));
        let once = head.checked_add(body)?;
        let all = once.checked_add(body)?;
        let file = rustix::fs::memfd_create("skep-ring", rustix::fs::MemfdFlags::CLOEXEC).ok()?;
        rustix::fs::ftruncate(&file, once as u64).ok()?;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a fresh reservation, at an address of the system's choice.
        let base = unsafe { mmap_anonymous(ptr::null_mut(), all, ProtFlags::empty(), MapFlags::PRIVATE) }.ok()?;
        let region = DoubleMapped { base: base as u64, head, body };
        let second = (region.base + once as u64) as *mut _;
        // SAFETY: both mappings replace parts of the reservation just made, which nobody else knows.
        unsafe {
            mmap(base, once, access, MapFlags::SHARED | MapFlags::FIXED, &file, 0).ok()?;
            mmap(second, body, access, MapFlags::SHARED | MapFlags::FIXED, &file, head as u64).ok()?;
        }
        Some(region)
    }

    /// All mapped bytes, the second body included.
    pub(crate) fn bytes(&self) -> Shared<'_> {
        // SAFETY: all of it is mapped, readable and writable while `self` lives.
        unsafe { Shared::new(self.base, self.head + 2 * self.body) }
    }
}

impl Drop for DoubleMapped {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and whoever was given an address of it also held its owner.
        // A failure leaks the mapping, which is safe.
        let _ = unsafe { munmap(self.base as *mut _, self.head + 2 * self.body) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_appears_twice() {
        let ring = DoubleMapped::new(PAGE, 2 * PAGE).expect("memory");
        let bytes = ring.bytes();
        assert_eq!(bytes.len(), 5 * PAGE);
        bytes.part(3 * PAGE - 2, 4).write(&[1, 2, 3, 4]);
        let mut start = [0; 2];
        bytes.part(PAGE, 2).read(&mut start);
        assert_eq!(start, [3, 4]);
    }

    #[test]
    fn absurd_sizes_are_refused() {
        assert!(Region::new(usize::MAX).is_none());
        assert!(Region::new(1 << 62).is_none());
    }
}
