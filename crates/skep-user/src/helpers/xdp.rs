//! XDP packets.

use super::packet::{moved, packet};
use crate::memory::Shared;
use crate::run::{Call, HelperError, HelperResult};
use skep_abi::errno::Errno;

/// `long bpf_xdp_adjust_head(context, delta)`
pub(super) fn adjust_head(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let delta = call.args[1] as i32;
    let done = packet(call)?.adjust_head(delta);
    moved(call, done, Errno::EINVAL)
}

/// `long bpf_xdp_adjust_meta(context, delta)`
pub(super) fn adjust_meta(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let delta = call.args[1] as i32;
    packet(call)?.adjust_meta(delta)?;
    moved(call, true, Errno::EINVAL)
}

/// `long bpf_xdp_adjust_tail(context, delta)`
pub(super) fn adjust_tail(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let delta = call.args[1] as i32;
    let done = packet(call)?.adjust_tail(delta);
    moved(call, done, Errno::EINVAL)
}

fn part<'c>(call: &'c mut Call<'_, '_, '_>, offset: u64, len: u64) -> Result<Shared<'c>, HelperError> {
    const FARTHEST: u64 = 0xffff;
    let (offset, len) = (u64::from(offset as u32), u64::from(len as u32));
    if offset > FARTHEST || len > FARTHEST {
        return Err(Errno::EFAULT.into());
    }
    super::packet::part(call, offset, len, Errno::EINVAL)
}

/// `long bpf_xdp_load_bytes(context, offset, to, len)`
pub(super) fn load_bytes(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [_, offset, to, len, _] = call.args;
    let bytes = part(call, offset, len)?.to_vec();
    call.machine.write(to, &bytes)?;
    Ok(0)
}

/// `long bpf_xdp_store_bytes(context, offset, from, len)`
pub(super) fn store_bytes(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [_, offset, from, len, _] = call.args;
    let bytes = call.bytes(from, len as u32 as usize)?;
    part(call, offset, len)?.write(&bytes);
    Ok(0)
}

/// `u64 bpf_xdp_get_buff_len(context)`
pub(super) fn length(call: &mut Call<'_, '_, '_>) -> HelperResult {
    Ok(packet(call)?.len() as u64)
}
