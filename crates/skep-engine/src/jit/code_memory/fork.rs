//! Forks: arenas are shared mappings, so that both processes have the same code, and neither may change it.

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

static FORKS: AtomicU64 = AtomicU64::new(0);

unsafe extern "C" {
    /// POSIX; not in the `libc` crate for Linux.
    fn pthread_atfork(
        prepare: Option<unsafe extern "C" fn()>,
        parent: Option<unsafe extern "C" fn()>,
        child: Option<unsafe extern "C" fn()>,
    ) -> i32;
}

/// Before the fork, so that both processes see the new number.
unsafe extern "C" fn prepare() {
    FORKS.fetch_add(1, Ordering::SeqCst);
}

/// How often this process has forked since it is watched, its ancestors included.
pub(super) fn count() -> u64 {
    FORKS.load(Ordering::SeqCst)
}

/// Begins to count.
pub(super) fn watch() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        // SAFETY: the handler only changes an atomic. It fails only without memory: forks then go unseen.
        let _ = unsafe { pthread_atfork(Some(prepare), None, None) };
    });
}
