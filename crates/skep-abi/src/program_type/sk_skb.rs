//! Stream parsers and verdicts of socket maps.

use super::prelude::*;

const FIELDS: &[ContextField] = sk_buff::join![
    sk_buff::COMMON,
    sk_buff::ADDRESSES,
    &[
        sk_buff::QUEUE_MAPPING,
        sk_buff::PRIORITY.writable(),
        sk_buff::TC_INDEX.writable(),
        sk_buff::CONTROL_BLOCK_READ_ONLY,
        sk_buff::DATA_START,
        sk_buff::DATA_END
    ]
];

pub(super) const INFO: ProgramTypeInfo = ProgramTypeInfo {
    sections: &[
        section("sk_skb/stream_parser").attach(A::SkSkbStreamParser).optional(),
        section("sk_skb/stream_verdict").attach(A::SkSkbStreamVerdict).optional(),
        section("sk_skb/verdict").attach(A::SkSkbVerdict).optional(),
        section("sk_skb"),
    ],
    context: ContextInfo::Struct { name: "__sk_buff", size: 192, fields: FIELDS },
    packet_read: true,
    packet_write: true,
    packet_to_helpers: true,
    helpers: &[
        "skb_store_bytes",
        "perf_event_output",
        "skb_load_bytes",
        "skb_change_tail",
        "skb_pull_data",
        "skb_change_head",
        "get_socket_cookie",
        "get_socket_uid",
        "skb_adjust_room",
        "sk_redirect_map",
        "sk_redirect_hash",
        "sk_lookup_tcp",
        "sk_lookup_udp",
        "sk_release",
        "skc_lookup_tcp",
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
        ProgramType::SkSkb,
        "sk_skb",
        Version(4, 14),
        "Splits a stream into messages and decides where they go.",
    )
};
