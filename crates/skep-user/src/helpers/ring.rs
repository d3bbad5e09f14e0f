//! Ring buffers.

use crate::kernel::UserKernel;
use crate::maps::ringbuf::{self, FORCE_WAKEUP, NO_WAKEUP};
use crate::maps::{Kind, RingBuffer};
use crate::run::{Call, HelperError, HelperResult};
use skep_abi::errno::Errno;
use skep_engine::Direct;

/// The ring behind a map argument.
pub(super) fn ring<'a>(call: &Call<'_, 'a, '_>, map: u64) -> Result<&'a RingBuffer, HelperError> {
    match call.map(map)?.implementation.kind() {
        Kind::Ring(ring) => Ok(ring),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// `void *bpf_ringbuf_reserve(map, size, flags)`
pub(super) fn reserve(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [map, size, flags, ..] = call.args;
    let ring = ring(call, map)?;
    if flags != 0 {
        return Ok(0);
    }
    let Some(record) = ring.reserve(size, call.cpu()) else { return Ok(0) };
    call.note_record(record.address(), ring);
    Ok(call.lend(record.address(), record.len()))
}

/// `void bpf_ringbuf_submit(record, flags)`
pub(super) fn submit(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [record, flags, ..] = call.args;
    call.finish_record(record, false, flags);
    Ok(0)
}

/// `void bpf_ringbuf_discard(record, flags)`
pub(super) fn discard(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [record, flags, ..] = call.args;
    call.finish_record(record, true, flags);
    Ok(0)
}

pub(super) fn direct_submit(_kernel: &UserKernel) -> Direct {
    Direct::Function { function: ringbuf::submit, data: None }
}

pub(super) fn direct_discard(_kernel: &UserKernel) -> Direct {
    Direct::Function { function: ringbuf::discard, data: None }
}

/// `long bpf_ringbuf_output(map, data, size, flags)`
pub(super) fn output(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [map, data, size, flags, _] = call.args;
    if flags & !(NO_WAKEUP | FORCE_WAKEUP) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let bytes = call.machine.read_vec(data, size as usize)?;
    let ring = ring(call, map)?;
    let record = ring.reserve(bytes.len() as u64, call.cpu()).ok_or(Errno::EAGAIN)?;
    record.write(&bytes);
    ring.commit(record.address(), false, flags);
    Ok(0)
}

/// `u64 bpf_ringbuf_query(map, what)`
pub(super) fn query(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [map, what, ..] = call.args;
    let positions = ring(call, map)?.positions();
    Ok(match what {
        0 => positions.available,
        1 => positions.size,
        2 => positions.consumer,
        3 => positions.producer,
        _ => 0,
    })
}
