//! Doing something with fewer rights.

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
use std::io;

/// What `bpf(2)` asks for, in one place or another.
const OF_BPF: CapabilitySet =
    CapabilitySet::SYS_ADMIN.union(CapabilitySet::NET_ADMIN).union(CapabilitySet::PERFMON).union(CapabilitySet::BPF);

/// Runs `action` with the rights of a user who has, of the capabilities that BPF asks for, at most those of `kept` (a bit
/// for each by its number). Only this thread is affected, and only until `action` returns or panics.
///
/// # Errors
/// What the system says to the change.
pub fn with_capabilities<T>(kept: u64, action: impl FnOnce() -> T) -> io::Result<T> {
    let before = capabilities(None)?;
    let effective = before.effective.difference(OF_BPF.difference(CapabilitySet::from_bits_retain(kept)));
    set_capabilities(None, CapabilitySets { effective, ..before })?;
    let _restore = Restore(before);
    Ok(action())
}

/// Whether users without CAP_BPF may load programs at all (`kernel.unprivileged_bpf_disabled`).
pub fn serves_unprivileged_users() -> bool {
    let setting = std::fs::read_to_string("/proc/sys/kernel/unprivileged_bpf_disabled");
    setting.is_ok_and(|setting| setting.trim() == "0")
}

struct Restore(CapabilitySets);

impl Drop for Restore {
    fn drop(&mut self) {
        // These were in effect before: a thread may always take back what its permitted set has.
        _ = set_capabilities(None, self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_come_back_even_after_a_panic() {
        let before = capabilities(None).expect("capabilities can be read");
        let inside = with_capabilities(0, || capabilities(None).expect("and again").effective);
        assert!(!inside.expect("dropping is always allowed").intersects(OF_BPF));
        let panicked = std::panic::catch_unwind(|| with_capabilities(0, || panic!("on purpose")));
        assert!(panicked.is_err());
        assert_eq!(capabilities(None).expect("and again"), before);
    }

    #[test]
    fn those_that_are_kept_stay() {
        let before = capabilities(None).expect("capabilities can be read").effective;
        let inside = with_capabilities(CapabilitySet::BPF.bits(), || capabilities(None).expect("and again").effective);
        let kept = inside.expect("dropping is always allowed").intersection(OF_BPF);
        assert_eq!(kept, before.intersection(CapabilitySet::BPF));
    }
}
