//! Sockets of a cgroup as they are made, bound and released. The result is 1 to go on and 0 to refuse with EPERM.

use super::prelude::*;

const FIELDS: &[ContextField] = &[
    field("bound_dev_if", 0, 4, 4).writable().only(&[A::CgroupInetSockCreate, A::CgroupInetSockRelease]),
    field("family", 4, 4, 4).narrow(Narrow::Start),
    field("type", 8, 4, 4).narrow(Narrow::Start),
    field("protocol", 12, 4, 4).narrow(Narrow::Start),
    field("mark", 16, 4, 4).writable().only(&[A::CgroupInetSockCreate, A::CgroupInetSockRelease]),
    field("priority", 20, 4, 4).writable().only(&[A::CgroupInetSockCreate, A::CgroupInetSockRelease]),
    field("src_ip4", 24, 4, 4).narrow(Narrow::From(1)).only(&[A::CgroupInet4PostBind]),
    field("src_ip6", 28, 16, 4).narrow(Narrow::From(1)).only(&[A::CgroupInet6PostBind]),
    field("src_port", 44, 4, 4).narrow(Narrow::Start).only(&[A::CgroupInet4PostBind, A::CgroupInet6PostBind]),
    field("dst_port", 48, 2, 2).narrow(Narrow::From(1)),
    field("dst_port", 48, 4, 4),
    field("dst_ip4", 52, 4, 4).narrow(Narrow::From(1)),
    field("dst_ip6", 56, 16, 4).narrow(Narrow::From(1)),
    field("state", 72, 4, 4).narrow(Narrow::Start),
    field("rx_queue_mapping", 76, 4, 4).narrow(Narrow::Start),
];

pub(super) const INFO: ProgramTypeInfo = ProgramTypeInfo {
    sections: &[
        section("cgroup/sock_create").attach(A::CgroupInetSockCreate),
        section("cgroup/sock_release").attach(A::CgroupInetSockRelease),
        section("cgroup/sock").attach(A::CgroupInetSockCreate).optional(),
        section("cgroup/post_bind4").attach(A::CgroupInet4PostBind),
        section("cgroup/post_bind6").attach(A::CgroupInet6PostBind),
    ],
    attach_types: &[A::CgroupInetSockCreate, A::CgroupInet4PostBind, A::CgroupInet6PostBind, A::CgroupInetSockRelease],
    context: ContextInfo::Struct { name: "bpf_sock", size: 80, fields: FIELDS },
    helpers: &[
        "perf_event_output",
        "get_socket_cookie",
        "get_local_storage",
        "sk_storage_get",
        "get_netns_cookie",
        "ktime_get_coarse_ns",
        "get_retval",
        "set_retval",
    ],
    returns: &[returns(&[], 0, 1)],
    ..ProgramTypeInfo::new(
        ProgramType::CgroupSock,
        "cgroup_sock",
        Version(4, 10),
        "Follows the life of sockets of a cgroup.",
    )
};
