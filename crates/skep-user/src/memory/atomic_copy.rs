//! Copies that do not race with programs.
//!
//! Every function takes addresses that the caller knows to be mapped: inside a [`super::Region`] that is alive, or an
//! argument of a verified program.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

/// Copies memory shared with programs into `to`.
///
/// # Safety
/// `to.len()` bytes from `from` are mapped and readable until the call returns.
#[inline]
pub(super) unsafe fn copy_out(from: u64, to: &mut [u8]) {
    let mut offset = 0;
    while offset < to.len() {
        let at = from + offset as u64;
        if at.is_multiple_of(8) && to.len() - offset >= 8 {
            // SAFETY: eight bytes at `at` are readable by the contract, and `at` is aligned.
            let value = unsafe { &*(at as *const AtomicU64) }.load(Relaxed);
            to[offset..offset + 8].copy_from_slice(&value.to_ne_bytes());
            offset += 8;
        } else {
            // SAFETY: one byte at `at` is readable by the contract.
            to[offset] = unsafe { &*(at as *const AtomicU8) }.load(Relaxed);
            offset += 1;
        }
    }
}

/// Copies `from` into memory shared with programs.
///
/// # Safety
/// `from.len()` bytes at `to` are mapped and writable until the call returns.
#[inline]
pub(super) unsafe fn copy_in(to: u64, from: &[u8]) {
    let mut offset = 0;
    while offset < from.len() {
        let at = to + offset as u64;
        if at.is_multiple_of(8)
            && let Some(bytes) = from[offset..].first_chunk::<8>()
        {
            // SAFETY: eight bytes at `at` are writable by the contract, and `at` is aligned.
            unsafe { &*(at as *const AtomicU64) }.store(u64::from_ne_bytes(*bytes), Relaxed);
            offset += 8;
        } else {
            // SAFETY: one byte at `at` is writable by the contract.
            unsafe { &*(at as *const AtomicU8) }.store(from[offset], Relaxed);
            offset += 1;
        }
    }
}

/// Zeroes memory shared with programs.
///
/// # Safety
/// `len` bytes at `to` are mapped and writable until the call returns.
pub(super) unsafe fn fill_zero(to: u64, len: usize) {
    const ZEROES: [u8; 256] = [0; 256];
    let mut done = 0;
    while done < len {
        let step = ZEROES.len().min(len - done);
        // SAFETY: the range lies inside of that of the contract.
        unsafe { copy_in(to + done as u64, &ZEROES[..step]) };
        done += step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_every_alignment_and_length() {
        let source: Vec<u8> = (0..64).collect();
        for start in 0..9 {
            for len in 0..40 {
                let mut shared = vec![0xffu8; 80];
                let address = shared.as_mut_ptr() as u64 + start;
                let mut back = vec![0; len];
                // SAFETY: start + len <= 80.
                unsafe {
                    copy_in(address, &source[..len]);
                    copy_out(address, &mut back);
                }
                assert_eq!(back, source[..len]);
                let outside =
                    shared.iter().enumerate().filter(|(i, _)| *i < start as usize || *i >= start as usize + len);
                assert!(outside.into_iter().all(|(_, b)| *b == 0xff), "start {start} len {len}");
            }
        }
    }
}
