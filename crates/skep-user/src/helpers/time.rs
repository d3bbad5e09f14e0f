//! Clocks.

use crate::kernel::UserKernel;
use crate::run::{Call, HelperResult};
use crate::world::{Clock, ClockKind};
use skep_engine::{Direct, DirectFunction, RunFacts};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

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

/// The same as a plain function; a clock that the owner sets is r1.
pub(super) fn direct_monotonic(kernel: &UserKernel) -> Direct {
    direct(kernel, host_monotonic)
}

pub(super) fn direct_boot(kernel: &UserKernel) -> Direct {
    direct(kernel, host_boot)
}

fn direct(kernel: &UserKernel, host: DirectFunction) -> Direct {
    match &kernel.config.clock {
        Clock::Host => Direct::Function { function: host, data: None },
        Clock::Virtual(time) => {
            let address = Arc::as_ptr(time).expose_provenance() as u64;
            Direct::Function { function: virtual_clock, data: Some(address) }
        }
    }
}

/// # Safety
/// As [`DirectFunction`] says; r1 is the address of the kernel's clock, which lives as long as the kernel that runs the
/// program.
unsafe extern "C" fn virtual_clock(time: u64, _: u64, _: u64, _: u64, _: u64, _: *mut RunFacts) -> u64 {
    // SAFETY: the contract of this function.
    unsafe { &*std::ptr::with_exposed_provenance::<AtomicU64>(time as usize) }.load(Relaxed)
}

/// # Safety
/// None is needed.
unsafe extern "C" fn host_monotonic(_: u64, _: u64, _: u64, _: u64, _: u64, _: *mut RunFacts) -> u64 {
    Clock::Host.now(ClockKind::Monotonic)
}

/// # Safety
/// None is needed.
unsafe extern "C" fn host_boot(_: u64, _: u64, _: u64, _: u64, _: u64, _: *mut RunFacts) -> u64 {
    Clock::Host.now(ClockKind::Boot)
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
