//! Spin locks in map values.

use crate::maps;
use crate::run::{Call, HelperResult};
use skep_engine::Fault;

/// How often an unverified program may find a lock taken before it is ended: it may be its own.
const PATIENCE: u32 = 1 << 16;

/// `long bpf_spin_lock(lock)`
pub(super) fn lock(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let word = call.word(call.args[0])?;
    if !call.machine.mode().is_checked() {
        maps::spin_lock(word);
        return Ok(0);
    }
    for _ in 0..PATIENCE {
        if maps::try_spin_lock(word) {
            call.env.held_locks.push(word);
            return Ok(0);
        }
        std::hint::spin_loop();
    }
    Err(Fault::Budget(u64::from(PATIENCE)).into())
}

/// `long bpf_spin_unlock(lock)`
pub(super) fn unlock(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let word = call.word(call.args[0])?;
    call.env.held_locks.retain(|held| !std::ptr::eq(*held, word));
    maps::spin_unlock(word);
    Ok(0)
}
