//! Which addresses hold code of programs, for signal handlers: found without a lock, an allocation or a system call.
//!
//! Ranges lie in blocks that are never given back. Invariant: `end` is 0 where a range is free, [`CLAIMED`] while it is
//! written, else the end of a range whose `start` is written.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

const CLAIMED: u64 = 1;
const BLOCK: usize = 64;

struct Range {
    start: AtomicU64,
    end: AtomicU64,
}

struct Block {
    ranges: [Range; BLOCK],
    next: AtomicPtr<Block>,
}

impl Block {
    const fn new() -> Block {
        Block {
            ranges: [const { Range { start: AtomicU64::new(u64::MAX), end: AtomicU64::new(0) } }; BLOCK],
            next: AtomicPtr::new(ptr::null_mut()),
        }
    }

    fn next(&self) -> Option<&'static Block> {
        // SAFETY: null, or leaked by `grow`.
        unsafe { self.next.load(Ordering::Acquire).as_ref() }
    }

    /// The next block, made if need be.
    fn grow(&self) -> &'static Block {
        if let Some(next) = self.next() {
            return next;
        }
        let new = Box::into_raw(Box::new(Block::new()));
        match self.next.compare_exchange(ptr::null_mut(), new, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: nobody frees it any more.
            Ok(_) => unsafe { &*new },
            Err(other) => {
                // SAFETY: made above, and nobody has seen it. The other is one that `grow` leaked elsewhere.
                unsafe {
                    drop(Box::from_raw(new));
                    &*other
                }
            }
        }
    }
}

static FIRST: Block = Block::new();

/// A range that holds code until this is dropped.
pub(super) struct Registration(&'static Range);

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (start, end) = (self.0.start.load(Ordering::Relaxed), self.0.end.load(Ordering::Relaxed));
        write!(f, "{start:#x}..{end:#x}")
    }
}

/// Registers addresses that hold code from now on.
pub(super) fn register(start: u64, end: u64) -> Registration {
    let mut block = &FIRST;
    loop {
        let claim =
            |range: &&Range| range.end.compare_exchange(0, CLAIMED, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if let Some(range) = block.ranges.iter().find(claim) {
            range.start.store(start, Ordering::Relaxed);
            range.end.store(end, Ordering::Release);
            return Registration(range);
        }
        block = block.grow();
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.0.start.store(u64::MAX, Ordering::Relaxed);
        self.0.end.store(0, Ordering::Release);
    }
}

/// Whether code lies there. May be called in a signal handler.
pub(in crate::jit) fn contains(address: u64) -> bool {
    let mut block = Some(&FIRST);
    while let Some(current) = block {
        let hit = current.ranges.iter().any(|range| {
            let end = range.end.load(Ordering::Acquire);
            let start = range.start.load(Ordering::Acquire);
            // An end that has changed meanwhile belongs to another start.
            (start..end).contains(&address) && range.end.load(Ordering::Acquire) == end
        });
        if hit {
            return true;
        }
        block = current.next();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_found_until_they_are_dropped() {
        let base = 0x7000_0000_0000_0000;
        let some: Vec<_> = (0..3 * BLOCK as u64).map(|n| register(base + 32 * n, base + 32 * n + 16)).collect();
        for n in 0..3 * BLOCK as u64 {
            let start = base + 32 * n;
            assert_eq!([start - 1, start, start + 15, start + 16].map(contains), [false, true, true, false]);
        }
        drop(some);
        assert!((0..3 * BLOCK as u64).all(|n| !contains(base + 32 * n)));
    }
}
