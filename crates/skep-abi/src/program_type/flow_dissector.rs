//! The flow dissector of a network namespace. The result is `BPF_OK`, `BPF_DROP` or `BPF_FLOW_DISSECTOR_CONTINUE`.

use super::prelude::*;

const FIELDS: &[ContextField] =
    &[sk_buff::DATA_START, sk_buff::DATA_END, field("flow_keys", 144, 8, 8).gives(FieldKind::FlowKeys)];

/// Size of `struct bpf_flow_keys`, which the context's `flow_keys` points to, in bytes (Linux 6.18).
pub const FLOW_KEYS_BYTES: u32 = 56;

pub(super) const INFO: ProgramTypeInfo = ProgramTypeInfo {
    sections: &[section("flow_dissector").attach(A::FlowDissector).optional()],
    context: ContextInfo::Struct { name: "__sk_buff", size: 192, fields: FIELDS },
    packet_read: true,
    packet_to_helpers: true,
    helpers: &[
        "skb_load_bytes",
        "skc_to_tcp6_sock",
        "skc_to_tcp_sock",
        "skc_to_tcp_timewait_sock",
        "skc_to_tcp_request_sock",
        "skc_to_udp6_sock",
        "ktime_get_coarse_ns",
        "skc_to_unix_sock",
        "skc_to_mptcp_sock",
    ],
    socket_map_helpers: &["map_update_elem", "map_delete_elem"],
    ..ProgramTypeInfo::new(
        ProgramType::FlowDissector,
        "flow_dissector",
        Version(4, 20),
        "Finds the flow keys of a packet.",
    )
};
