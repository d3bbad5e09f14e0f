//! Tables of structs that begin as zeroes.

use super::Region;
use std::marker::PhantomData;
use std::ops::Deref;

/// A type made of atomics alone, for which any bytes are valid.
///
/// # Safety
/// As it says; its alignment is at most that of a page.
pub(crate) unsafe trait Atomics: Sync {}

/// A fixed number of structs, all zero at first; only what is touched costs memory.
pub(crate) struct Table<T: Atomics> {
    region: Region,
    len: usize,
    _entries: PhantomData<T>,
}

impl<T: Atomics> Table<T> {
    /// `len` entries; `None` when they do not fit the address space.
    pub(crate) fn new(len: usize) -> Option<Self> {
        let region = Region::new(len.checked_mul(size_of::<T>())?)?;
        region.prefer_huge_pages();
        Some(Table { region, len, _entries: PhantomData })
    }

    /// The memory under the first `len` entries is there from now on; `false` if there is not enough.
    pub(crate) fn populate(&self, len: usize) -> bool {
        self.region.populate(len.min(self.len) * size_of::<T>())
    }
}

impl<T: Atomics> Deref for Table<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: the region has room for `len` entries, is aligned to pages and lives as long as `self`; any bytes are
        // valid entries, and all who touch them do so through shared references to atomics.
        unsafe { std::slice::from_raw_parts(self.region.bytes().address() as *const T, self.len) }
    }
}
