//! Clocks.

use crate::run::{Call, HelperResult};
use crate::world::ClockKind;

/// Ticks of Linux's clock in a second (`CONFIG_HZ`), and the number it starts from: five minutes before it wraps at 32 bits.
const TICKS: u64 = 250;
const FIRST_TICK: u64 = (300 * TICKS as u32).wrapping_neg() as u64;

fn now(call: &Call<'_, '_, '_>, kind: ClockKind) -> HelperResult {
    Ok(call.env.kernel.config.clock.now(kind))
}

/// `u64 bpf_ktime_get_ns(void)`
pub(super) fn monotonic(call: &mut Call<'_, '_, '_>) -> HelperResult {
    now(call, ClockKind::Monotonic)
}

/// `u64 bpf_ktime_get_boot_ns(void)`
pub(super) fn boot(call: &mut Call<'_, '_, '_>) -> HelperResult {
    now(call, ClockKind::Boot)
}

/// `u64 bpf_ktime_get_coarse_ns(void)`
pub(super) fn coarse(call: &mut Call<'_, '_, '_>) -> HelperResult {
    now(call, ClockKind::MonotonicCoarse)
}

/// `u64 bpf_ktime_get_tai_ns(void)`
pub(super) fn tai(call: &mut Call<'_, '_, '_>) -> HelperResult {
    now(call, ClockKind::Tai)
}

/// `u64 bpf_jiffies64(void)`
pub(super) fn jiffies(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let nanoseconds = call.env.kernel.config.clock.now(ClockKind::Monotonic);
    Ok(FIRST_TICK + nanoseconds / (1_000_000_000 / TICKS))
}
