//! Structs that programs hand to helpers or keep in maps (`include/uapi/linux/bpf.h`, Linux 6.18).

use super::layout::TypeTable;
use super::records::{Record, Shape, array, array_of, field, record, shaped, union};
use super::scalars::{BE16, BE32, U8, U16, U32, U64};
use skep_abi::socket::SocketKind;
use skep_abi::special_field::{SPECIAL_STRUCTS, SpecialKind};
use skep_btf::TypeId;

const TUPLE_4: Record = record(
    "",
    12,
    &[field("saddr", 0, BE32), field("daddr", 4, BE32), field("sport", 8, BE16), field("dport", 10, BE16)],
);
const TUPLE_6: Record = record(
    "",
    36,
    &[array("saddr", 0, BE32, 4), array("daddr", 16, BE32, 4), field("sport", 32, BE16), field("dport", 34, BE16)],
);
const TUPLES: Record = union("", 36, &[shaped("ipv4", 0, Shape::Of(&TUPLE_4)), shaped("ipv6", 0, Shape::Of(&TUPLE_6))]);

const FLOW_4: Record = record("", 8, &[field("ipv4_src", 0, BE32), field("ipv4_dst", 4, BE32)]);
const FLOW_6: Record = record("", 32, &[array("ipv6_src", 0, U32, 4), array("ipv6_dst", 16, U32, 4)]);
const FLOW_ADDRESSES: Record = union("", 32, &[shaped("", 0, Shape::Of(&FLOW_4)), shaped("", 0, Shape::Of(&FLOW_6))]);
/// What a flow dissector fills in.
pub(super) const FLOW_KEYS: Record = record(
    "bpf_flow_keys",
    skep_abi::program_type::FLOW_KEYS_BYTES,
    &[
        field("nhoff", 0, U16),
        field("thoff", 2, U16),
        field("addr_proto", 4, U16),
        field("is_frag", 6, U8),
        field("is_first_frag", 7, U8),
        field("is_encap", 8, U8),
        field("ip_proto", 9, U8),
        field("n_proto", 10, BE16),
        field("sport", 12, BE16),
        field("dport", 14, BE16),
        shaped("", 16, Shape::Of(&FLOW_ADDRESSES)),
        field("flags", 48, U32),
        field("flow_label", 52, BE32),
    ],
);

const FIB_LENGTH: Record = union("", 2, &[field("tot_len", 0, U16), field("mtu_result", 0, U16)]);
const FIB_CLASS: Record = union("", 4, &[field("tos", 0, U8), field("flowinfo", 0, BE32), field("rt_metric", 0, U32)]);
const FIB_SOURCE: Record = union("", 16, &[field("ipv4_src", 0, BE32), array("ipv6_src", 0, U32, 4)]);
const FIB_DESTINATION: Record = union("", 16, &[field("ipv4_dst", 0, BE32), array("ipv6_dst", 0, U32, 4)]);
const FIB_TAG: Record = record("", 4, &[field("h_vlan_proto", 0, BE16), field("h_vlan_TCI", 2, BE16)]);
const FIB_TABLE: Record = union("", 4, &[shaped("", 0, Shape::Of(&FIB_TAG)), field("tbid", 0, U32)]);
const FIB_MAC: Record = record("", 12, &[array("smac", 0, U8, 6), array("dmac", 6, U8, 6)]);
const FIB_LINK: Record = union("", 12, &[field("mark", 0, U32), shaped("", 0, Shape::Of(&FIB_MAC))]);

const REMOTE: Record = union("", 16, &[field("remote_ipv4", 0, U32), array("remote_ipv6", 0, U32, 4)]);
const TUNNEL_FLAGS: Record = union("", 2, &[field("tunnel_ext", 0, U16), field("tunnel_flags", 0, BE16)]);
const LOCAL: Record = union("", 16, &[field("local_ipv4", 0, U32), array("local_ipv6", 0, U32, 4)]);

const STRUCTS: &[Record] = &[
    FLOW_KEYS,
    record("bpf_sock_tuple", 36, &[shaped("", 0, Shape::Of(&TUPLES))]),
    record(
        "bpf_fib_lookup",
        64,
        &[
            field("family", 0, U8),
            field("l4_protocol", 1, U8),
            field("sport", 2, BE16),
            field("dport", 4, BE16),
            shaped("", 6, Shape::Of(&FIB_LENGTH)),
            field("ifindex", 8, U32),
            shaped("", 12, Shape::Of(&FIB_CLASS)),
            shaped("", 16, Shape::Of(&FIB_SOURCE)),
            shaped("", 32, Shape::Of(&FIB_DESTINATION)),
            shaped("", 48, Shape::Of(&FIB_TABLE)),
            shaped("", 52, Shape::Of(&FIB_LINK)),
        ],
    ),
    record(
        "bpf_tunnel_key",
        44,
        &[
            field("tunnel_id", 0, U32),
            shaped("", 4, Shape::Of(&REMOTE)),
            field("tunnel_tos", 20, U8),
            field("tunnel_ttl", 21, U8),
            shaped("", 22, Shape::Of(&TUNNEL_FLAGS)),
            field("tunnel_label", 24, U32),
            shaped("", 28, Shape::Of(&LOCAL)),
        ],
    ),
    record("bpf_dynptr", 16, &[array("__opaque", 0, U64, 2)]),
    record("bpf_iter_num", 8, &[array("__opaque", 0, U64, 1)]),
    record("bpf_pidns_info", 8, &[field("pid", 0, U32), field("tgid", 4, U32)]),
    record(
        "bpf_perf_event_value",
        24,
        &[field("counter", 0, U64), field("enabled", 8, U64), field("running", 16, U64)],
    ),
    record("bpf_raw_tracepoint_args", 0, &[array("args", 0, U64, 0)]),
    record("bpf_lpm_trie_key_hdr", 4, &[field("prefixlen", 0, U32)]),
];

/// Adds them all, the special structs and the socket structs.
pub(super) fn describe_all(table: &mut TypeTable) {
    for record in STRUCTS {
        record.describe(table);
    }
    for row in SPECIAL_STRUCTS {
        special(table, row.name, row.kind, row.size);
    }
    for (name, kind) in SOCKETS {
        socket(table, name, *kind);
    }
}

/// The struct behind a lock, timer and so on: programs see no field in it but a lock's word.
fn special(table: &mut TypeTable, name: &'static str, kind: SpecialKind, size: u32) {
    let word = if size.is_multiple_of(8) { U64 } else { U32 };
    let bytes = if size.is_multiple_of(8) { 8 } else { 4 };
    let element = word.describe(table);
    let member = match kind {
        SpecialKind::SpinLock | SpecialKind::ResilientSpinLock => ("val", element, 0, 0),
        SpecialKind::TaskWork => ("__opaque", element, 0, 0),
        _ => ("__opaque", array_of(table, element, size / bytes), 0, 0),
    };
    table.once(name, |builder| builder.structure(name, size, &[member]));
}

const SOCKETS: &[(&str, SocketKind)] =
    &[("bpf_sock", SocketKind::Full), ("bpf_tcp_sock", SocketKind::Tcp), ("bpf_xdp_sock", SocketKind::Xdp)];

/// `struct bpf_sock`, which pointers in contexts lead to.
pub(super) fn full_socket(table: &mut TypeTable) -> TypeId {
    socket(table, "bpf_sock", SocketKind::Full)
}

/// A socket struct from its table, whose rows name each element of an array: `src_ip6[2]`.
fn socket(table: &mut TypeTable, name: &'static str, kind: SocketKind) -> TypeId {
    let (word, long, half) = (U32.describe(table), U64.describe(table), BE16.describe(table));
    let mut members: Vec<(&str, TypeId, u32, u8)> = Vec::new();
    let mut end = 0;
    for row in kind.fields() {
        end = row.offset + row.size;
        let ty = match row.size {
            2 => half,
            8 => long,
            _ => word,
        };
        match row.name.split_once('[') {
            None => members.push((row.name, ty, row.offset * 8, 0)),
            Some((array, "0]")) => {
                let elements = kind.fields().iter().filter(|f| f.name.split('[').next() == Some(array)).count();
                members.push((array, array_of(table, ty, elements as u32), row.offset * 8, 0));
            }
            Some(_) => {}
        }
    }
    let widest = kind.fields().iter().map(|f| f.size).max().unwrap_or(1);
    table.once(name, |builder| builder.structure(name, end.next_multiple_of(widest), &members))
}

/// The type of [`FLOW_KEYS`].
pub(super) fn flow_keys(table: &mut TypeTable) -> TypeId {
    FLOW_KEYS.describe(table)
}
