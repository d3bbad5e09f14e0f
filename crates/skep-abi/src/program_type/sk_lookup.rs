//! Socket lookup of a network namespace. The result is `SK_PASS` or `SK_DROP`.

use super::prelude::*;

const FIELDS: &[ContextField] = &[
    field("sk", 0, 8, 8).gives(SOCK_OR_NULL),
    field("family", 8, 4, 4).narrow(Narrow::From(1)),
    field("protocol", 12, 4, 4).narrow(Narrow::From(1)),
    field("remote_ip4", 16, 4, 4).narrow(Narrow::From(1)),
    field("remote_ip6", 20, 16, 4).narrow(Narrow::From(1)),
    field("remote_port", 36, 2, 2).narrow(Narrow::From(1)),
    field("remote_port", 36, 4, 4).narrow(Narrow::From(1)),
    field("local_ip4", 40, 4, 4).narrow(Narrow::From(1)),
    field("local_ip6", 44, 16, 4).narrow(Narrow::From(1)),
    field("local_port", 60, 4, 4).narrow(Narrow::From(1)),
    field("ingress_ifindex", 64, 4, 4).narrow(Narrow::From(1)),
];

pub(super) const INFO: ProgramTypeInfo = ProgramTypeInfo {
    sections: &[section("sk_lookup").attach(A::SkLookup)],
    attach_types: &[A::SkLookup],
    context: ContextInfo::Struct { name: "bpf_sk_lookup", size: 72, fields: FIELDS },
    helpers: &[
        "perf_event_output",
        "sk_release",
        "sk_assign",
        "skc_to_tcp6_sock",
        "skc_to_tcp_sock",
        "skc_to_tcp_timewait_sock",
        "skc_to_tcp_request_sock",
        "skc_to_udp6_sock",
        "ktime_get_coarse_ns",
        "skc_to_unix_sock",
        "skc_to_mptcp_sock",
    ],
    returns: &[returns(&[], 0, 1)],
    socket_map_helpers: &["map_update_elem", "map_delete_elem"],
    ..ProgramTypeInfo::new(
        ProgramType::SkLookup,
        "sk_lookup",
        Version(5, 9),
        "Chooses the socket for a new connection or datagram.",
    )
};
