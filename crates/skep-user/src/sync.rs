//! Locks whose holder cannot leave them broken: a panic in one thread must not take the others along; and what
//! lock-free structures are made of.

pub(crate) use std::sync::Mutex;
use std::sync::{MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Locks, also after a panic of another holder.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Locks for reading, also after a panic of another holder.
pub(crate) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// Locks for writing, also after a panic of another holder.
pub(crate) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// The atomics of lock-free structures. `tests/models.rs` puts those of a model checker in their place.
pub(crate) mod atomic {
    pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

    /// Whether a read-modify-write operation keeps later loads behind it and earlier stores before it, as a fence would.
    pub(crate) const OPERATION_IS_FENCE: bool = cfg!(target_arch = "x86_64");

    /// Lets others go on while this thread waits for one of them; `tries` counts from 0.
    pub(crate) fn pause(tries: u32) {
        if tries % 64 == 63 {
            std::thread::yield_now();
        } else {
            std::hint::spin_loop();
        }
    }
}
