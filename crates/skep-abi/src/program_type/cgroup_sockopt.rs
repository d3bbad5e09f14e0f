//! Socket options of a cgroup. The result is 1 to go on and 0 to refuse with EPERM.

use super::prelude::*;

const FIELDS: &[ContextField] = &[
    field("sk", 0, 8, 8).gives(SOCK),
    field("optval", 8, 8, 8).gives(FieldKind::PacketData),
    field("optval_end", 16, 8, 8).gives(FieldKind::PacketEnd),
    field("level", 24, 4, 4).only(&[A::CgroupGetsockopt]),
    field("level", 24, 4, 4).writable().only(&[A::CgroupSetsockopt]),
    field("optname", 28, 4, 4).only(&[A::CgroupGetsockopt]),
    field("optname", 28, 4, 4).writable().only(&[A::CgroupSetsockopt]),
    field("optlen", 32, 4, 4).writable(),
    field("retval", 36, 4, 4).writable().only(&[A::CgroupGetsockopt]),
];

pub(super) const INFO: ProgramTypeInfo = ProgramTypeInfo {
    sections: &[
        section("cgroup/getsockopt").attach(A::CgroupGetsockopt),
        section("cgroup/setsockopt").attach(A::CgroupSetsockopt),
    ],
    attach_types: &[A::CgroupGetsockopt, A::CgroupSetsockopt],
    context: ContextInfo::Struct { name: "bpf_sockopt", size: 40, fields: FIELDS },
    packet_read: true,
    packet_write: true,
    packet_to_helpers: true,
    helpers: &[
        "perf_event_output",
        "get_local_storage",
        "tcp_sock",
        "sk_storage_get",
        "sk_storage_delete",
        "get_netns_cookie",
        "get_retval",
        "set_retval",
    ],
    attach_helpers: &[(&[A::CgroupSetsockopt], &["setsockopt", "getsockopt"])],
    returns: &[returns(&[], 0, 1)],
    ..ProgramTypeInfo::new(
        ProgramType::CgroupSockopt,
        "cgroup_sockopt",
        Version(5, 3),
        "Watches and changes the socket options that a cgroup reads and sets.",
    )
};
