//! XDP. The result is an `XDP_*` action.

use super::prelude::*;

const FIELDS: &[ContextField] = &[
    field("data", 0, 4, 4).gives(FieldKind::PacketData),
    field("data_end", 4, 4, 4).gives(FieldKind::PacketEnd),
    field("data_meta", 8, 4, 4).gives(FieldKind::PacketMeta),
    field("ingress_ifindex", 12, 4, 4),
    field("rx_queue_index", 16, 4, 4),
    field("egress_ifindex", 20, 4, 4).only(&[A::XdpDevmap]),
];

pub(super) const INFO: ProgramTypeInfo = ProgramTypeInfo {
    sections: &[
        section("xdp.frags/devmap").attach(A::XdpDevmap).frags(),
        section("xdp/devmap").attach(A::XdpDevmap),
        section("xdp.frags/cpumap").attach(A::XdpCpumap).frags(),
        section("xdp/cpumap").attach(A::XdpCpumap),
        section("xdp.frags").attach(A::Xdp).frags(),
        section("xdp").attach(A::Xdp).optional(),
    ],
    context: ContextInfo::Struct { name: "xdp_md", size: 24, fields: FIELDS },
    packet_read: true,
    packet_write: true,
    packet_to_helpers: true,
    helpers: &[
        "redirect",
        "perf_event_output",
        "csum_diff",
        "xdp_adjust_head",
        "redirect_map",
        "xdp_adjust_meta",
        "xdp_adjust_tail",
        "fib_lookup",
        "sk_lookup_tcp",
        "sk_lookup_udp",
        "sk_release",
        "skc_lookup_tcp",
        "tcp_check_syncookie",
        "tcp_gen_syncookie",
        "skc_to_tcp6_sock",
        "skc_to_tcp_sock",
        "skc_to_tcp_timewait_sock",
        "skc_to_tcp_request_sock",
        "skc_to_udp6_sock",
        "ktime_get_coarse_ns",
        "check_mtu",
        "skc_to_unix_sock",
        "xdp_get_buff_len",
        "xdp_load_bytes",
        "xdp_store_bytes",
        "skc_to_mptcp_sock",
        "tcp_raw_gen_syncookie_ipv4",
        "tcp_raw_gen_syncookie_ipv6",
        "tcp_raw_check_syncookie_ipv4",
        "tcp_raw_check_syncookie_ipv6",
    ],
    socket_map_helpers: &["map_update_elem", "map_delete_elem"],
    ..ProgramTypeInfo::new(
        ProgramType::Xdp,
        "xdp",
        Version(4, 8),
        "Decides about packets before the network stack sees them.",
    )
};
