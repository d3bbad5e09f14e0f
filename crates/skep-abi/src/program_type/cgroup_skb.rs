//! Packets that sockets of a cgroup receive or send. The result is 1 to pass and 0 to drop; at egress, 2 and 3 say the
//! same and report congestion.

use super::prelude::*;

const FIELDS: &[ContextField] = sk_buff::join![
    sk_buff::COMMON,
    sk_buff::CONTROL_BLOCK,
    sk_buff::ADDRESSES,
    &[
        sk_buff::MARK.writable(),
        sk_buff::QUEUE_MAPPING,
        sk_buff::PRIORITY.writable(),
        sk_buff::TC_INDEX,
        sk_buff::DATA_START.privileged(),
        sk_buff::DATA_END.privileged(),
        sk_buff::TIME_STAMP,
        sk_buff::TIME_STAMP.writable().privileged(),
        sk_buff::HARDWARE_TIME_STAMP
    ]
];

pub(super) const INFO: ProgramTypeInfo = ProgramTypeInfo {
    sections: &[
        section("cgroup_skb/ingress").attach(A::CgroupInetIngress).optional(),
        section("cgroup_skb/egress").attach(A::CgroupInetEgress).optional(),
        section("cgroup/skb"),
    ],
    attach_types: &[A::CgroupInetIngress, A::CgroupInetEgress],
    context: ContextInfo::Struct { name: "__sk_buff", size: 192, fields: FIELDS },
    packet_read: true,
    packet_to_helpers: true,
    unprivileged: true,
    helpers: &[
        "perf_event_output",
        "skb_load_bytes",
        "get_socket_cookie",
        "get_socket_uid",
        "skb_load_bytes_relative",
        "skb_cgroup_id",
        "get_local_storage",
        "skb_ancestor_cgroup_id",
        "sk_lookup_tcp",
        "sk_lookup_udp",
        "sk_release",
        "sk_fullsock",
        "tcp_sock",
        "skb_ecn_set_ce",
        "get_listener_sock",
        "skc_lookup_tcp",
        "sk_storage_get",
        "sk_storage_delete",
        "get_netns_cookie",
        "sk_cgroup_id",
        "sk_ancestor_cgroup_id",
        "skc_to_tcp6_sock",
        "skc_to_tcp_sock",
        "skc_to_tcp_timewait_sock",
        "skc_to_tcp_request_sock",
        "skc_to_udp6_sock",
        "ktime_get_coarse_ns",
        "skc_to_unix_sock",
        "skc_to_mptcp_sock",
    ],
    returns: &[returns(&[A::CgroupInetEgress], 0, 3), returns(&[], 0, 1)],
    ..ProgramTypeInfo::new(
        ProgramType::CgroupSkb,
        "cgroup_skb",
        Version(4, 10),
        "Passes or drops the packets of sockets in a cgroup.",
    )
};
