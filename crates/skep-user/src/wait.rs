//! Waiting for something to become readable.

use crate::memory::{barrier_everywhere, barrier_here};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Wakes those who wait for a change. While nobody waits, a change costs next to nothing.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    waiting: AtomicUsize,
    changes: Mutex<u64>,
    changed: Condvar,
}

impl Signal {
    /// Something changed: whoever waits looks again.
    #[inline]
    pub(crate) fn notify(&self) {
        barrier_here();
        if self.waiting.load(Relaxed) > 0 {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        *self.changes.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
    }

    /// Waits until `ready` or a notification; `false` when the time is up first. `None` waits without end.
    pub(crate) fn wait_until(&self, timeout: Option<Duration>, ready: impl Fn() -> bool) -> bool {
        let deadline = timeout.and_then(|t| Instant::now().checked_add(t));
        if ready() {
            return true;
        }
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let _waiting = Waiting::new(&self.waiting);
        // From here on those who notify see us, or we see what they did.
        barrier_everywhere();
        loop {
            if ready() {
                return true;
            }
            changes = match deadline {
                None => self.changed.wait(changes).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    self.changed.wait_timeout(changes, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

/// One who waits.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Relaxed);
        Waiting(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
