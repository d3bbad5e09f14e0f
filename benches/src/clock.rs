//! The clock: processor time of this thread.
//!
//! It stands still while another thread has the processor, so that a busy machine disturbs less than by the wall's clock.
//! What the kernel does for this thread, such as running a program in it, counts.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// A moment on the clock.
#[derive(Clone, Copy)]
pub(crate) struct Moment(Duration);

impl Moment {
    /// This one.
    pub(crate) fn now() -> Moment {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        // Neither is negative, and the nanoseconds are below a second.
        Moment(Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32))
    }

    /// What has passed since.
    pub(crate) fn elapsed(self) -> Duration {
        Moment::now().0.saturating_sub(self.0)
    }
}
