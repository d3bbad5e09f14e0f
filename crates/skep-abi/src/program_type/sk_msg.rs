//! Messages sent on sockets of a socket map. The result is `SK_PASS` or `SK_DROP`.

use super::prelude::*;

const FIELDS: &[ContextField] = &[
    field("data", 0, 8, 8).gives(FieldKind::PacketData),
    field("data_end", 8, 8, 8).gives(FieldKind::PacketEnd),
    field("family", 16, 4, 4),
    field("remote_ip4", 20, 4, 4),
    field("local_ip4", 24, 4, 4),
    field("remote_ip6", 28, 16, 4),
    field("local_ip6", 44, 16, 4),
    field("remote_port", 60, 4, 4),
    field("local_port", 64, 4, 4),
    field("size", 68, 4, 4),
    field("sk", 72, 8, 8).gives(SOCK),
];

pub(super) const INFO: ProgramTypeInfo = ProgramTypeInfo {
    sections: &[section("sk_msg").attach(A::SkMsgVerdict).optional()],
    context: ContextInfo::Struct { name: "sk_msg_md", size: 80, fields: FIELDS },
    packet_read: true,
    packet_write: true,
    packet_to_helpers: true,
    helpers: &[
        "perf_event_output",
        "msg_redirect_map",
        "msg_apply_bytes",
        "msg_cork_bytes",
        "msg_pull_data",
        "msg_redirect_hash",
        "msg_push_data",
        "msg_pop_data",
        "sk_storage_get",
        "sk_storage_delete",
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
    ..ProgramTypeInfo::new(
        ProgramType::SkMsg,
        "sk_msg",
        Version(4, 17),
        "Decides where a message sent on a socket goes.",
    )
};
