//! Socket buffers. Packets here are in one piece, so that nothing need ever be pulled.

use super::packet::{moved, packet, part};
use crate::run::{Call, HelperError, HelperResult};
use skep_abi::errno::Errno;

const LARGEST_OFFSET: u64 = i32::MAX as u64;
/// Most bytes of a packet that is no super-packet.
const LARGEST_PACKET: u64 = 65535;
const ETHERNET: usize = 14;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;
const VLAN_AD: u16 = 0x88a8;
const VLAN_TAG: usize = 4;

/// A field of the context, or 0.
fn field(call: &Call<'_, '_, '_>, name: &str) -> u64 {
    call.env.context.field(name).unwrap_or(0)
}

fn protocol(call: &Call<'_, '_, '_>) -> u16 {
    u16::from_be(field(call, "protocol") as u16)
}

fn load(call: &mut Call<'_, '_, '_>, offset: u64, to: u64, len: u64) -> HelperResult {
    let len = u64::from(len as u32);
    let bytes = part(call, offset, len, Errno::EFAULT).map(|part| part.to_vec());
    match bytes {
        Ok(bytes) => call.machine.write(to, &bytes)?,
        Err(error) => {
            call.machine.write(to, &vec![0; call.size(len)?])?;
            return Err(error);
        }
    }
    Ok(0)
}

/// `long bpf_skb_load_bytes(skb, offset, to, len)`
pub(super) fn load_bytes(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [_, offset, to, len, _] = call.args;
    load(call, u64::from(offset as u32), to, len)
}

/// `long bpf_skb_load_bytes_relative(skb, offset, to, len, start)`: from the link (0) or network header (1).
pub(super) fn load_bytes_relative(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [_, offset, to, len, start] = call.args;
    let offset = u64::from(offset as u32);
    let base = match start as u32 {
        0 => 0,
        1 => packet(call)?.network_offset() as u64,
        _ => u64::MAX / 2,
    };
    let offset = if offset > 0xffff { u64::MAX / 2 } else { base + offset };
    load(call, offset, to, len)
}

/// `long bpf_skb_store_bytes(skb, offset, from, len, flags)`
pub(super) fn store_bytes(call: &mut Call<'_, '_, '_>) -> HelperResult {
    const RECOMPUTE_CHECKSUM: u64 = 1;
    const INVALIDATE_HASH: u64 = 2;
    let [_, offset, from, len, flags] = call.args;
    let offset = u64::from(offset as u32);
    if flags & !(RECOMPUTE_CHECKSUM | INVALIDATE_HASH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    if offset > LARGEST_OFFSET {
        return Err(Errno::EFAULT.into());
    }
    let bytes = call.bytes(from, len as u32 as usize)?;
    part(call, offset, bytes.len() as u64, Errno::EFAULT)?.write(&bytes);
    if flags & INVALIDATE_HASH != 0 {
        call.env.context.set_field("hash", 0);
    }
    Ok(0)
}

/// `long bpf_skb_pull_data(skb, len)`
pub(super) fn pull_data(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let len = u64::from(call.args[1] as u32);
    if len > packet(call)?.len() as u64 { Err(Errno::ENOMEM.into()) } else { Ok(0) }
}

/// `long bpf_skb_change_tail(skb, len, flags)`
pub(super) fn change_tail(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [_, len, flags, ..] = call.args;
    let len = u64::from(len as u32);
    let packet = packet(call)?;
    if flags != 0 || len > LARGEST_PACKET || len < packet.network_offset() as u64 {
        return Err(Errno::EINVAL.into());
    }
    packet.set_len(len as usize);
    moved(call, true, Errno::EINVAL)
}

/// `long bpf_skb_change_head(skb, room, flags)`
pub(super) fn change_head(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [_, room, flags, ..] = call.args;
    let room = u64::from(room as u32);
    let packet = packet(call)?;
    if flags != 0 || room + packet.len() as u64 > LARGEST_PACKET {
        return Err(Errno::EINVAL.into());
    }
    packet.splice(0, room as i64);
    moved(call, true, Errno::EINVAL)
}

/// `long bpf_skb_change_proto(skb, protocol, flags)`: makes room for, or cuts away, the difference of IPv6's and IPv4's
/// header; the program fills it in.
pub(super) fn change_protocol(call: &mut Call<'_, '_, '_>) -> HelperResult {
    const DIFFERENCE: i64 = 20;
    let [_, wanted, flags, ..] = call.args;
    let wanted = u16::from_be(wanted as u16);
    if flags != 0 {
        return Err(Errno::EINVAL.into());
    }
    let change = match (protocol(call), wanted) {
        (IPV4, IPV6) => DIFFERENCE,
        (IPV6, IPV4) => -DIFFERENCE,
        _ => return Err(Errno::ENOTSUPP.into()),
    };
    let packet = packet(call)?;
    let at = packet.network_offset();
    if change < 0 && packet.len() < at + DIFFERENCE as usize {
        return Err(Errno::ENOMEM.into());
    }
    packet.splice(at, change);
    call.env.context.set_field("protocol", u64::from(wanted.to_be()));
    moved(call, true, Errno::EINVAL)
}

/// `long bpf_skb_change_type(skb, type)`
pub(super) fn change_type(call: &mut Call<'_, '_, '_>) -> HelperResult {
    const OTHER_HOST: u64 = 3;
    let wanted = u64::from(call.args[1] as u32);
    if wanted > OTHER_HOST || field(call, "pkt_type") > OTHER_HOST {
        return Err(Errno::EINVAL.into());
    }
    call.env.context.set_field("pkt_type", wanted);
    Ok(0)
}

/// `long bpf_skb_adjust_room(skb, difference, mode, flags)`: between the link and network header (mode 1) or behind the
/// network header (mode 0).
pub(super) fn adjust_room(call: &mut Call<'_, '_, '_>) -> HelperResult {
    const KNOWN_FLAGS: u64 = 0x1ff | 0xff << 56;
    const LARGEST: u32 = 0xfff;
    let [_, difference, mode, flags, _] = call.args;
    let difference = difference as i32;
    if flags & !KNOWN_FLAGS != 0 {
        return Err(Errno::EINVAL.into());
    }
    if difference.unsigned_abs() > LARGEST {
        return Err(Errno::EFAULT.into());
    }
    let header = match protocol(call) {
        IPV4 => 20,
        IPV6 => 40,
        _ => return Err(Errno::ENOTSUPP.into()),
    };
    let packet = packet(call)?;
    let (network, len) = (packet.network_offset(), packet.len());
    let at = match mode as u32 {
        0 => network + header,
        1 => network,
        _ => return Err(Errno::ENOTSUPP.into()),
    };
    let result = len as i64 + i64::from(difference);
    // What is cut away must leave a network header.
    if result > LARGEST_PACKET as i64 || at > len || result < (network + header) as i64 {
        return Err(Errno::ENOTSUPP.into());
    }
    if difference < 0 && at + difference.unsigned_abs() as usize > len {
        return Err(Errno::ENOTSUPP.into());
    }
    packet.splice(at, i64::from(difference));
    moved(call, true, Errno::EINVAL)
}

fn set_tag(call: &mut Call<'_, '_, '_>, tag: Option<(u16, u16)>) {
    let (protocol, tci) = tag.unwrap_or_default();
    let context = &mut call.env.context;
    context.set_field("vlan_present", u64::from(tag.is_some()));
    context.set_field("vlan_proto", u64::from(protocol.to_be()));
    context.set_field("vlan_tci", u64::from(tci));
}

fn tag(call: &Call<'_, '_, '_>) -> Option<(u16, u16)> {
    let present = field(call, "vlan_present") != 0;
    present.then(|| (u16::from_be(field(call, "vlan_proto") as u16), field(call, "vlan_tci") as u16))
}

/// `long bpf_skb_vlan_push(skb, protocol, tci)`: the tag goes beside the packet, as from a device; one that is there
/// already goes into it.
pub(super) fn vlan_push(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [_, wanted, tci, ..] = call.args;
    let wanted = match u16::from_be(wanted as u16) {
        VLAN_AD => VLAN_AD,
        _ => VLAN,
    };
    if let Some((protocol, tci)) = tag(call) {
        let packet = packet(call)?;
        if packet.len() < ETHERNET {
            return Err(Errno::ENOMEM.into());
        }
        packet.splice(12, VLAN_TAG as i64);
        let mut bytes = protocol.to_be_bytes().to_vec();
        bytes.extend_from_slice(&tci.to_be_bytes());
        part(call, 12, VLAN_TAG as u64, Errno::ENOMEM)?.write(&bytes);
        call.env.context.set_field("protocol", u64::from(protocol.to_be()));
    }
    set_tag(call, Some((wanted, tci as u16)));
    moved(call, true, Errno::EINVAL)
}

/// `long bpf_skb_vlan_pop(skb)`
pub(super) fn vlan_pop(call: &mut Call<'_, '_, '_>) -> HelperResult {
    if tag(call).is_some() {
        set_tag(call, None);
    } else if remove_inner_tag(call)?.is_none() {
        return Ok(0);
    }
    if let Some(inner) = remove_inner_tag(call)? {
        set_tag(call, Some(inner));
    }
    moved(call, true, Errno::EINVAL)
}

/// Takes a tag out of the packet.
fn remove_inner_tag(call: &mut Call<'_, '_, '_>) -> Result<Option<(u16, u16)>, HelperError> {
    let mut bytes = [0; 6];
    match packet(call)?.part(12, 6) {
        Some(place) => place.read(&mut bytes),
        None => return Ok(None),
    }
    let [p0, p1, t0, t1, n0, n1] = bytes;
    let protocol = u16::from_be_bytes([p0, p1]);
    if !matches!(protocol, VLAN | VLAN_AD) {
        return Ok(None);
    }
    packet(call)?.splice(12, -(VLAN_TAG as i64));
    call.env.context.set_field("protocol", u64::from(u16::from_ne_bytes([n0, n1])));
    Ok(Some((protocol, u16::from_be_bytes([t0, t1]))))
}

/// `u32 bpf_get_hash_recalc(skb)`: a hash of the addresses and ports, or of what the packet begins with.
pub(super) fn hash(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let known = field(call, "hash");
    if known != 0 {
        return Ok(known);
    }
    let packet = packet(call)?;
    let from = packet.network_offset().min(packet.len());
    let bytes = packet.part(from as u64, (packet.len() - from).min(60) as u64).map(|part| part.to_vec());
    let hash = bytes
        .unwrap_or_default()
        .iter()
        .fold(0x811c_9dc5u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    call.env.context.set_field("hash", u64::from(hash.max(1)));
    Ok(u64::from(hash.max(1)))
}

/// `long bpf_set_hash(skb, hash)`
pub(super) fn set_hash(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let hash = u64::from(call.args[1] as u32);
    call.env.context.set_field("hash", hash);
    Ok(0)
}

/// `void bpf_set_hash_invalid(skb)`
pub(super) fn invalidate_hash(call: &mut Call<'_, '_, '_>) -> HelperResult {
    call.env.context.set_field("hash", 0);
    Ok(0)
}

/// `u64 bpf_get_socket_cookie(context)`: packets here belong to no socket.
pub(super) fn socket_cookie(_call: &mut Call<'_, '_, '_>) -> HelperResult {
    Ok(0)
}

/// `u32 bpf_get_socket_uid(skb)`: `overflowuid`, as Linux for a packet without a full socket.
pub(super) fn socket_uid(_call: &mut Call<'_, '_, '_>) -> HelperResult {
    Ok(65534)
}
