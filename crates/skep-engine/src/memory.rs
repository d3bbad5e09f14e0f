//! Memory as programs see it: native, or regions that are checked on each access.
//!
//! Invariant: [`Regions::resolve`] returns a pointer only to bytes of one live region or one live stack frame.

use std::marker::PhantomData;
use std::ptr::NonNull;

use crate::environment::Fault;

/// A stretch of memory that is lent to a sandboxed run.
#[derive(Debug)]
pub struct Region<'m> {
    base: u64,
    memory: NonNull<u8>,
    len: usize,
    writable: bool,
    lent: PhantomData<&'m mut [u8]>,
}

impl<'m> Region<'m> {
    /// Memory the program may read. The program sees it at its own address unless [`Region::at`] places it elsewhere.
    pub fn read_only(bytes: &'m [u8]) -> Self {
        Region::new(NonNull::from(bytes).cast(), bytes.len(), false)
    }

    /// Memory the program may read and write.
    pub fn writable(bytes: &'m mut [u8]) -> Self {
        let len = bytes.len();
        Region::new(NonNull::from(bytes).cast(), len, true)
    }

    /// Memory that no reference stands for, such as values of a map that other threads change meanwhile.
    ///
    /// # Safety
    /// `len` bytes at `memory` are readable, and writable where so said, for all of `'m`.
    pub unsafe fn from_raw(memory: NonNull<u8>, len: usize, writable: bool) -> Self {
        Region::new(memory, len, writable)
    }

    fn new(memory: NonNull<u8>, len: usize, writable: bool) -> Self {
        let base = memory.as_ptr().expose_provenance() as u64;
        Region { base, memory, len, writable, lent: PhantomData }
    }

    /// The same memory at an address of the caller's choice.
    pub fn at(mut self, base: u64) -> Self {
        self.base = base;
        self
    }

    /// Where the program sees it.
    pub fn address(&self) -> u64 {
        self.base
    }

    /// Whether all of another region is the same memory at the same addresses, and may be accessed in the same ways.
    fn covers(&self, other: &Region<'_>) -> bool {
        let native = |region: &Region<'_>| (region.memory.addr().get() as u64).wrapping_sub(region.base);
        let end = |region: &Region<'_>| region.base.saturating_add(region.len as u64);
        native(self) == native(other)
            && self.base <= other.base
            && end(other) <= end(self)
            && (self.writable || !other.writable)
    }

    /// The native address of `len` bytes at `address`, if all of them lie inside and may be so accessed.
    fn resolve(&self, address: u64, len: u64, write: bool) -> Option<NonNull<u8>> {
        let offset = address.checked_sub(self.base)?;
        let inside = offset.checked_add(len)? <= self.len as u64;
        // SAFETY: `offset` is at most `len`, so the result stays inside the region's allocation.
        (inside && (self.writable || !write)).then(|| unsafe { self.memory.add(offset as usize) })
    }
}

/// One live stack frame, at native addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameBounds {
    pub(crate) bottom: NonNull<u8>,
    pub(crate) len: usize,
}

/// All that a sandboxed program may touch.
#[derive(Debug, Default)]
pub(crate) struct Regions<'m> {
    /// By base address, ascending; bases are distinct.
    sorted: Vec<Region<'m>>,
    /// Live stack frames, outermost first.
    frames: Vec<FrameBounds>,
}

impl<'m> Regions<'m> {
    /// Adds a region; one that begins at the same address is replaced, and so are those that it covers: a packet that
    /// grew at its front covers what it was, and would otherwise end where that ended.
    pub(crate) fn add(&mut self, region: Region<'m>) {
        self.sorted.retain(|other| !region.covers(other));
        match self.sorted.binary_search_by_key(&region.base, |r| r.base) {
            Ok(at) => self.sorted[at] = region,
            Err(at) => self.sorted.insert(at, region),
        }
    }

    /// Takes back the region that begins at `address`.
    pub(crate) fn remove(&mut self, address: u64) {
        if let Ok(at) = self.sorted.binary_search_by_key(&address, |r| r.base) {
            self.sorted.remove(at);
        }
    }

    pub(crate) fn push_frame(&mut self, frame: FrameBounds) {
        self.frames.push(frame);
    }

    pub(crate) fn pop_frame(&mut self) {
        self.frames.pop();
    }

    /// The native address of `len` bytes at `address`.
    #[inline]
    pub(crate) fn resolve(&self, address: u64, len: u64, write: bool) -> Result<NonNull<u8>, Fault> {
        for frame in self.frames.iter().rev() {
            let offset = address.wrapping_sub(frame.bottom.addr().get() as u64);
            if offset.checked_add(len).is_some_and(|end| end <= frame.len as u64) {
                // SAFETY: `offset + len` lies inside the live frame.
                return Ok(unsafe { frame.bottom.add(offset as usize) });
            }
        }
        let after = self.sorted.partition_point(|r| r.base <= address);
        let region = after.checked_sub(1).and_then(|at| self.sorted.get(at));
        region.and_then(|r| r.resolve(address, len, write)).ok_or(Fault::Memory { address, len, write })
    }

    /// Bytes from `address` to the end of the region or frame it lies in.
    pub(crate) fn readable_from(&self, address: u64) -> u64 {
        let within = |base: u64, len: u64| len.checked_sub(address.checked_sub(base)?);
        let frames = self.frames.iter().map(|f| (f.bottom.addr().get() as u64, f.len as u64));
        let regions = self.sorted.iter().map(|r| (r.base, r.len as u64));
        frames.chain(regions).filter_map(|(base, len)| within(base, len)).max().unwrap_or(0)
    }
}

/// Where memory is.
#[derive(Debug)]
pub(crate) enum Memory<'m> {
    /// Addresses are native and not checked: the verifier has.
    Native,
    /// Each access is checked.
    Regions(Regions<'m>),
}

impl Memory<'_> {
    /// The native address of `len` bytes at `address`.
    #[inline]
    pub(crate) fn resolve(&self, address: u64, len: u64, write: bool) -> Result<*mut u8, Fault> {
        match self {
            Memory::Native => Ok(std::ptr::with_exposed_provenance_mut(address as usize)),
            Memory::Regions(regions) => regions.resolve(address, len, write).map(NonNull::as_ptr),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_at_its_front_and_then_at_its_end_is_one_region() {
        let mut memory = [0_u8; 32];
        let start = NonNull::from(&mut memory).cast::<u8>();
        let part = |from: usize, len: usize| {
            // SAFETY: every part lies inside `memory`, which lives until the end of the test.
            unsafe { Region::from_raw(start.add(from), len, true) }
        };
        let mut regions = Regions::default();
        regions.add(part(8, 8));
        regions.add(part(4, 12));
        regions.add(part(4, 20));
        let base = start.as_ptr().expose_provenance() as u64;
        assert!(regions.resolve(base + 4, 20, true).is_ok());
        assert!(regions.resolve(base + 20, 4, true).is_ok(), "beyond the end of the first");
        assert!(regions.resolve(base + 20, 5, true).is_err());
        assert!(regions.resolve(base + 3, 1, false).is_err());
    }

    #[test]
    fn what_may_only_be_read_does_not_cover_what_may_be_written() {
        let mut memory = [0_u8; 16];
        let start = NonNull::from(&mut memory).cast::<u8>();
        let mut regions = Regions::default();
        // SAFETY: inside `memory`, which lives until the end of the test.
        regions.add(unsafe { Region::from_raw(start.add(4), 4, true) });
        // SAFETY: as above.
        regions.add(unsafe { Region::from_raw(start, 16, false) });
        let base = start.as_ptr().expose_provenance() as u64;
        assert!(regions.resolve(base + 4, 4, true).is_ok());
        assert!(regions.resolve(base, 4, true).is_err());
    }
}
