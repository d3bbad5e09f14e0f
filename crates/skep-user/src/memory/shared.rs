//! A piece of memory that programs may be using.

use super::atomic_copy;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Bytes at a native address that stay mapped for `'a`, and that programs may read and write at any time.
///
/// Bounds are checked, panicking outside as slices do: whoever computes an offset from a program's or a user's number
/// checks that number first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shared<'a> {
    address: u64,
    len: usize,
    _owner: PhantomData<&'a ()>,
}

impl<'a> Shared<'a> {
    /// The `len` bytes at `address`.
    ///
    /// # Safety
    /// They stay mapped, readable and writable for `'a`, and everyone else who touches them meanwhile does so as a
    /// program does or through this type. (Where they are only readable, no writing method is called.)
    pub(crate) const unsafe fn new(address: u64, len: usize) -> Shared<'a> {
        Shared { address, len, _owner: PhantomData }
    }

    /// Where it is.
    pub(crate) const fn address(self) -> u64 {
        self.address
    }

    /// Bytes.
    pub(crate) const fn len(self) -> usize {
        self.len
    }

    /// `len` bytes of it, from `offset` on.
    #[inline]
    pub(crate) fn part(self, offset: usize, len: usize) -> Shared<'a> {
        assert!(offset <= self.len && len <= self.len - offset, "{offset}+{len} of {} bytes", self.len);
        Shared { address: self.address + offset as u64, len, _owner: PhantomData }
    }

    /// Copies as much as `to` holds out of the front.
    #[inline]
    pub(crate) fn read(self, to: &mut [u8]) {
        let from = self.part(0, to.len());
        // SAFETY: inside of what `new` vouched for.
        unsafe { atomic_copy::copy_out(from.address, to) }
    }

    /// All of it.
    pub(crate) fn to_vec(self) -> Vec<u8> {
        let mut bytes = vec![0; self.len];
        self.read(&mut bytes);
        bytes
    }

    /// Overwrites the front.
    #[inline]
    pub(crate) fn write(self, from: &[u8]) {
        let to = self.part(0, from.len());
        // SAFETY: inside of what `new` vouched for.
        unsafe { atomic_copy::copy_in(to.address, from) }
    }

    /// Overwrites the front with other memory that programs may be using.
    #[inline(always)]
    pub(crate) fn copy_from(self, from: Shared<'_>) {
        if from.len == 8 && self.len >= 8 && (from.address | self.address).is_multiple_of(8) {
            self.double(0).store(from.double(0).load(Relaxed), Relaxed);
        } else {
            self.copy_pieces(from);
        }
    }

    #[inline(never)]
    fn copy_pieces(self, from: Shared<'_>) {
        let mut piece = [0; 64];
        for at in (0..from.len).step_by(piece.len()) {
            let piece = &mut piece[..(from.len - at).min(64)];
            from.part(at, piece.len()).read(piece);
            self.part(at, piece.len()).write(piece);
        }
    }

    /// Zeroes all of it.
    pub(crate) fn zero(self) {
        // SAFETY: what `new` vouched for.
        unsafe { atomic_copy::fill_zero(self.address, self.len) }
    }

    /// The 32-bit word at an offset that makes a multiple of four.
    #[inline]
    pub(crate) fn word(self, offset: usize) -> &'a AtomicU32 {
        let at = self.part(offset, 4).address;
        assert!(at.is_multiple_of(4), "{at:#x} is no address of a word");
        // SAFETY: mapped for 'a, aligned; any bytes are a valid AtomicU32.
        unsafe { &*(at as *const AtomicU32) }
    }

    /// The 64-bit word at an offset that makes a multiple of eight.
    #[inline]
    pub(crate) fn double(self, offset: usize) -> &'a AtomicU64 {
        let at = self.part(offset, 8).address;
        assert!(at.is_multiple_of(8), "{at:#x} is no address of a double word");
        // SAFETY: mapped for 'a, aligned; any bytes are a valid AtomicU64.
        unsafe { &*(at as *const AtomicU64) }
    }
}
