//! Heap memory that a program works on: contexts, packets.

use super::Shared;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Zeroed bytes at a stable address that is a multiple of eight.
///
/// It is made of atomics, so that a program may change it at any time while we hold references to it.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    words: Box<[AtomicU64]>,
    len: usize,
}

impl Buffer {
    /// `len` zero bytes.
    pub(crate) fn new(len: usize) -> Buffer {
        Buffer { words: (0..len.div_ceil(8)).map(|_| AtomicU64::new(0)).collect(), len }
    }

    /// All of it.
    pub(crate) fn bytes(&self) -> Shared<'_> {
        let address = self.words.as_ptr().expose_provenance() as u64;
        // SAFETY: the words live as long as `self`; they are atomics, which others may change through shared references.
        unsafe { Shared::new(address, self.len) }
    }

    /// Makes all of it zero again.
    pub(crate) fn clear(&self) {
        self.words.iter().for_each(|word| word.store(0, Relaxed));
    }
}
