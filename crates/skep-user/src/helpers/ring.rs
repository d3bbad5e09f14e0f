//! Ring buffers.

use crate::maps::ringbuf::{FORCE_WAKEUP, NO_WAKEUP};
use crate::maps::{Kind, RingBuffer};
use crate::run::{Call, HelperError, HelperResult};
use skep_abi::errno::Errno;

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
    let Some(record) = ring.reserve(size) else { return Ok(0) };
    call.env.records.push((record.address(), ring));
    Ok(call.lend(record.address(), record.len()))
}

/// Finishes a record that this run reserved; nothing happens to any other address.
pub(super) fn finish(call: &mut Call<'_, '_, '_>, record: u64, discard: bool, flags: u64) {
    let records = &mut call.env.records;
    if let Some(at) = records.iter().rposition(|(address, _)| *address == record) {
        let (address, ring) = records.swap_remove(at);
        ring.commit(address, discard, flags);
        call.machine.conceal(record);
    }
}

/// `void bpf_ringbuf_submit(record, flags)`
pub(super) fn submit(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [record, flags, ..] = call.args;
    finish(call, record, false, flags);
    Ok(0)
}

/// `void bpf_ringbuf_discard(record, flags)`
pub(super) fn discard(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [record, flags, ..] = call.args;
    finish(call, record, true, flags);
    Ok(0)
}

/// `long bpf_ringbuf_output(map, data, size, flags)`
pub(super) fn output(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [map, data, size, flags, _] = call.args;
    if flags & !(NO_WAKEUP | FORCE_WAKEUP) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let bytes = call.machine.read_vec(data, size as usize)?;
    let ring = ring(call, map)?;
    let record = ring.reserve(bytes.len() as u64).ok_or(Errno::EAGAIN)?;
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
