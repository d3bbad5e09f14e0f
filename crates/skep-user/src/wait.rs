//! Waiting for something to become readable.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Wakes those who wait for a change.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    changes: Mutex<u64>,
    changed: Condvar,
}

impl Signal {
    /// Something changed.
    pub(crate) fn notify(&self) {
        *self.changes.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
    }

    /// Waits until `ready` or a notification; `false` when the time is up first. `None` waits without end.
    pub(crate) fn wait_until(&self, timeout: Option<Duration>, ready: impl Fn() -> bool) -> bool {
        let deadline = timeout.and_then(|t| Instant::now().checked_add(t));
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
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
