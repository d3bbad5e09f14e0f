//! Random numbers for programs: xorshift64*, small, fast and reproducible from its seed. Not for secrets.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The next number of a run, whose state is 0 before the first; only that takes a seed.
#[inline]
pub(crate) fn next(state: &mut u64, seeds: &AtomicU64) -> u32 {
    if *state == 0 {
        *state = begin(seeds.fetch_add(1, Relaxed));
    }
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
}

/// The state that follows from a seed. Zero would stay zero.
fn begin(seed: u64) -> u64 {
    seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1
}
