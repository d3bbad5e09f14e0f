//! Segment routing endpoints (`End.BPF`). The result is a `BPF_*` of `enum bpf_ret_code`.

use super::lwt_in;
use super::prelude::*;

pub(super) const INFO: ProgramTypeInfo = ProgramTypeInfo {
    sections: &[section("lwt_seg6local")],
    context: lwt_in::INFO.context,
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
        "lwt_seg6_store_bytes",
        "lwt_seg6_adjust_srh",
        "lwt_seg6_action",
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
        ProgramType::LwtSeg6local,
        "lwt_seg6local",
        Version(4, 18),
        "Processes packets of a segment routing endpoint.",
    )
};
