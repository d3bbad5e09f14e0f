//! Spin locks in map values.

use crate::maps;
use crate::run::{Call, HelperResult};

/// `long bpf_spin_lock(lock)`
pub(super) fn lock(call: &mut Call<'_, '_, '_>) -> HelperResult {
    maps::spin_lock(call.word(call.args[0])?);
    Ok(0)
}

/// `long bpf_spin_unlock(lock)`
pub(super) fn unlock(call: &mut Call<'_, '_, '_>) -> HelperResult {
    maps::spin_unlock(call.word(call.args[0])?);
    Ok(0)
}
