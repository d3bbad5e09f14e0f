//! `struct __sk_buff`: the parts that the program types on packets share.

use super::context::{ContextField, FieldKind, Narrow, field};

const fn any_part(name: &'static str, offset: u16) -> ContextField {
    field(name, offset, 4, 4).narrow(Narrow::From(1))
}

/// What all types but the flow dissector may read.
pub(super) const COMMON: &[ContextField] = &[
    any_part("len", 0),
    any_part("pkt_type", 4),
    any_part("protocol", 16),
    any_part("vlan_present", 20),
    any_part("vlan_tci", 24),
    any_part("vlan_proto", 28),
    any_part("ingress_ifindex", 36),
    any_part("ifindex", 40),
    any_part("hash", 68),
    any_part("napi_id", 84),
    any_part("gso_segs", 164),
    field("sk", 168, 8, 8).gives(FieldKind::SockCommonOrNull),
    any_part("gso_size", 176),
];

pub(super) const MARK: ContextField = any_part("mark", 8);
pub(super) const QUEUE_MAPPING: ContextField = any_part("queue_mapping", 12);
pub(super) const PRIORITY: ContextField = any_part("priority", 32);
pub(super) const TC_INDEX: ContextField = any_part("tc_index", 44);
pub(super) const CONTROL_BLOCK_READ_ONLY: ContextField = field("cb", 48, 20, 4).narrow(Narrow::From(1)).wide();
pub(super) const CONTROL_BLOCK: &[ContextField] = &[CONTROL_BLOCK_READ_ONLY.writable().narrow_store()];
pub(super) const DATA_START: ContextField = field("data", 76, 4, 4).gives(FieldKind::PacketData);
pub(super) const DATA_END: ContextField = field("data_end", 80, 4, 4).gives(FieldKind::PacketEnd);
pub(super) const TIME_STAMP: ContextField = field("tstamp", 152, 8, 8);
pub(super) const HARDWARE_TIME_STAMP: ContextField = field("hwtstamp", 184, 8, 8);

/// Packet pointers with metadata.
pub(super) const DATA: &[ContextField] =
    &[DATA_START, DATA_END, field("data_meta", 140, 4, 4).gives(FieldKind::PacketMeta)];

/// Addresses of the packet's socket.
pub(super) const ADDRESSES: &[ContextField] = &[
    any_part("family", 88),
    field("remote_ip4", 92, 4, 4),
    field("local_ip4", 96, 4, 4),
    field("remote_ip6", 100, 16, 4),
    field("local_ip6", 116, 16, 4),
    any_part("remote_port", 132),
    any_part("local_port", 136),
];

/// What traffic control has beside.
pub(super) const TRAFFIC_CONTROL: &[ContextField] = &[
    MARK.writable(),
    QUEUE_MAPPING.writable(),
    PRIORITY.writable(),
    TC_INDEX.writable(),
    any_part("tc_classid", 72).writable(),
    TIME_STAMP.writable(),
    any_part("wire_len", 160),
    field("tstamp_type", 180, 1, 1),
    HARDWARE_TIME_STAMP,
];

/// Puts lists of rows into one, in order of offset.
pub(super) const fn joined<const N: usize>(parts: &[&[ContextField]]) -> [ContextField; N] {
    let mut out = [MARK; N];
    let mut filled = 0;
    let mut part = 0;
    while part < parts.len() {
        let mut row = 0;
        while row < parts[part].len() {
            let mut at = filled;
            while at > 0 && out[at - 1].offset > parts[part][row].offset {
                out[at] = out[at - 1];
                at -= 1;
            }
            out[at] = parts[part][row];
            filled += 1;
            row += 1;
        }
        part += 1;
    }
    out
}

/// How many rows lists have together.
pub(super) const fn total(parts: &[&[ContextField]]) -> usize {
    let (mut sum, mut part) = (0, 0);
    while part < parts.len() {
        sum += parts[part].len();
        part += 1;
    }
    sum
}

/// A list of rows made of lists.
macro_rules! join {
    ($($part:expr),* $(,)?) => {{
        const PARTS: &[&[ContextField]] = &[$($part),*];
        const ROWS: [ContextField; sk_buff::total(PARTS)] = sk_buff::joined(PARTS);
        &ROWS
    }};
}
pub(super) use join;
