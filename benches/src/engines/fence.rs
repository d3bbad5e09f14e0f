//! Waiting for the processor.

/// Returns when all instructions before it are done.
#[inline(always)]
pub(super) fn finish() {
    // SAFETY: barriers, which every processor of that architecture has; they change neither memory nor registers.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        std::arch::x86_64::_mm_lfence();
        #[cfg(target_arch = "aarch64")]
        std::arch::asm!("dsb ld", "isb", options(nostack, preserves_flags));
    }
}
