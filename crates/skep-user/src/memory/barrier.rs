//! A memory barrier in all threads of the process at once.

use std::sync::OnceLock;
use std::sync::atomic::{Ordering::SeqCst, compiler_fence, fence};

const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: the call takes three numbers and touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

fn is_supported() -> bool {
    static SUPPORTED: OnceLock<bool> = OnceLock::new();
    *SUPPORTED.get_or_init(|| membarrier(REGISTER_PRIVATE_EXPEDITED))
}

/// As if every thread of this process had executed a full fence during the call: whoever calls this rarely spares a fence to
/// those who call [`barrier_here`] often.
pub(crate) fn barrier_everywhere() {
    fence(SeqCst);
    if is_supported() {
        membarrier(PRIVATE_EXPEDITED);
    }
}

/// The other side of [`barrier_everywhere`]: of two threads that each write, come here or there, and then read what the other
/// wrote, one sees the other's write. Costs nothing where the system has such a barrier.
#[inline]
pub(crate) fn barrier_here() {
    if is_supported() {
        compiler_fence(SeqCst);
    } else {
        fence(SeqCst);
    }
}
