//! Atomic operations on program memory, done with the host's atomics.
//!
//! Fetching operations are fully ordered and the others relaxed, as in Linux's memory model. Where the address is not
//! aligned to the size, which hosts' atomics need, the operation is done in two steps, not atomically: Linux gives
//! programs no promise there either.

use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

use skep_isa::{AtomicOp, Size};

/// An unsigned integer with its atomic kin.
pub(crate) trait Cell: Copy {
    /// Does `op` on the cell at `address`; gives what the fetching register receives.
    ///
    /// # Safety
    /// `address` can be read and written for the size of `Self`.
    unsafe fn read_modify_write(address: *mut Self, op: AtomicOp, src: u64, r0: u64) -> u64;

    /// Loads with acquire order.
    ///
    /// # Safety
    /// `address` can be read for the size of `Self`.
    unsafe fn load_acquire(address: *mut Self) -> u64;

    /// Stores with release order.
    ///
    /// # Safety
    /// `address` can be written for the size of `Self`.
    unsafe fn store_release(address: *mut Self, value: u64);
}

macro_rules! cells {
    ($($int:ty, $atomic:ty, $size:expr;)*) => {$(
        impl Cell for $int {
            #[inline]
            unsafe fn read_modify_write(address: *mut $int, op: AtomicOp, src: u64, r0: u64) -> u64 {
                if !address.is_aligned() {
                    // SAFETY: as the caller vouches.
                    let old = unsafe { address.read_unaligned() };
                    let result = op.eval($size, old.into(), src, r0);
                    // SAFETY: as the caller vouches.
                    unsafe { address.write_unaligned(result.memory as $int) };
                    return old.into();
                }
                // SAFETY: aligned, and as the caller vouches; other accesses of the cell are atomic or, as in C, the
                // program's own fault.
                let cell = unsafe { <$atomic>::from_ptr(address) };
                let order = if op.fetches() { Ordering::SeqCst } else { Ordering::Relaxed };
                let value = src as $int;
                let old = match op {
                    AtomicOp::Add { .. } => cell.fetch_add(value, order),
                    AtomicOp::Or { .. } => cell.fetch_or(value, order),
                    AtomicOp::And { .. } => cell.fetch_and(value, order),
                    AtomicOp::Xor { .. } => cell.fetch_xor(value, order),
                    AtomicOp::Xchg => cell.swap(value, order),
                    AtomicOp::Cmpxchg => {
                        cell.compare_exchange(r0 as $int, value, order, order).unwrap_or_else(|found| found)
                    }
                };
                old.into()
            }

            #[inline]
            unsafe fn load_acquire(address: *mut $int) -> u64 {
                if !address.is_aligned() {
                    // SAFETY: as the caller vouches.
                    return unsafe { address.read_unaligned() }.into();
                }
                // SAFETY: aligned, and as the caller vouches.
                unsafe { <$atomic>::from_ptr(address) }.load(Ordering::Acquire).into()
            }

            #[inline]
            unsafe fn store_release(address: *mut $int, value: u64) {
                if !address.is_aligned() {
                    // SAFETY: as the caller vouches.
                    return unsafe { address.write_unaligned(value as $int) };
                }
                // SAFETY: aligned, and as the caller vouches.
                unsafe { <$atomic>::from_ptr(address) }.store(value as $int, Ordering::Release);
            }
        }
    )*};
}

cells! {
    u8, AtomicU8, Size::Byte;
    u16, AtomicU16, Size::Half;
    u32, AtomicU32, Size::Word;
    u64, AtomicU64, Size::Double;
}
