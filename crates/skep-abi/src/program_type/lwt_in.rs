//! Lightweight tunnels. The result is a `BPF_*` of `enum bpf_ret_code`.

use super::prelude::*;

const FIELDS: &[ContextField] = sk_buff::join![
    sk_buff::COMMON,
    sk_buff::CONTROL_BLOCK,
    &[
        sk_buff::MARK.writable(),
        sk_buff::QUEUE_MAPPING,
        sk_buff::PRIORITY.writable(),
        sk_buff::TC_INDEX,
        sk_buff::DATA_START,
        sk_buff::DATA_END
    ]
];

pub(super) const INFO: ProgramTypeInfo = ProgramTypeInfo {
    sections: &[section("lwt_in")],
    context: ContextInfo::Struct { name: "__sk_buff", size: 192, fields: FIELDS },
    packet_read: true,
    packet_to_helpers: true,
    helpers: &[
        "get_route_realm",
        "perf_event_output",
        "skb_load_bytes",
        "csum_diff",
        "skb_under_cgroup",
        "get_hash_recalc",
        "skb_pull_data",
        "lwt_push_encap",
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
        ProgramType::LwtIn,
        "lwt_in",
        Version(4, 10),
        "Decides about packets that a tunnel route receives.",
    )
};
