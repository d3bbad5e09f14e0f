//! Socket filters: `SO_ATTACH_BPF`. The result is how many bytes of the packet to keep.

use super::prelude::*;

const FIELDS: &[ContextField] = sk_buff::join![
    sk_buff::COMMON,
    sk_buff::CONTROL_BLOCK,
    &[sk_buff::MARK, sk_buff::QUEUE_MAPPING, sk_buff::PRIORITY, sk_buff::TC_INDEX]
];

pub(super) const INFO: ProgramTypeInfo = ProgramTypeInfo {
    sections: &[section("socket")],
    context: ContextInfo::Struct { name: "__sk_buff", size: 192, fields: FIELDS },
    packet_load: true,
    unprivileged: true,
    locks: false,
    helpers: &[
        "perf_event_output",
        "skb_load_bytes",
        "get_socket_cookie",
        "get_socket_uid",
        "skb_load_bytes_relative",
        "get_netns_cookie",
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
        ProgramType::SocketFilter,
        "socket_filter",
        Version(3, 19),
        "Decides how much of each packet a socket gets.",
    )
};
