//! Output to perf events.

use crate::maps::Kind;
use crate::run::{Call, HelperResult};
use skep_abi::errno::Errno;
use skep_kernel::PerfEventKind;

/// `flags`: the index in the map; this value is the CPU that runs.
const INDEX: u64 = 0xffff_ffff;
/// `flags`: how many bytes of the packet follow the data.
const PACKET_LEN: u64 = 0xf_ffff << 32;

/// `long bpf_perf_event_output(context, map, flags, data, size)`, and the forms that take a BTF-typed packet
pub(super) fn event_output(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [_, map, flags, data, size] = call.args;
    let packet_len = (flags & PACKET_LEN) >> 32;
    let has_packet = call.env.context.packet().is_some();
    if flags & !(INDEX | PACKET_LEN) != 0 || (packet_len > 0 && !has_packet) {
        return Err(Errno::EINVAL.into());
    }
    let mut bytes = call.machine.read_vec(data, size as u32 as usize)?;
    if packet_len > 0 {
        let packet = call.env.context.packet().and_then(|packet| Some(packet.part(0, packet_len)?.to_vec()));
        bytes.extend_from_slice(&packet.ok_or(Errno::EFAULT)?);
    }
    let map = call.map(map)?;
    let Kind::PerfEvents(events) = map.implementation.kind() else { return Err(Errno::EINVAL.into()) };
    let cpu = call.cpu();
    let index = if flags & INDEX == INDEX { cpu } else { (flags & INDEX) as u32 };
    let event = events.event(index, call.env.run)?;
    if event.kind != PerfEventKind::BpfOutput {
        return Err(Errno::EINVAL.into());
    }
    if event.cpu.is_some_and(|only| only != cpu) {
        return Err(Errno::EOPNOTSUPP.into());
    }
    event.output(&bytes)?;
    Ok(0)
}
