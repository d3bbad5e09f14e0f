//! Groups of sockets on one port. The result is `SK_PASS` or `SK_DROP`.

use super::prelude::*;

const FIELDS: &[ContextField] = &[
    field("data", 0, 8, 8).gives(FieldKind::PacketData),
    field("data_end", 8, 8, 8).gives(FieldKind::PacketEnd),
    field("len", 16, 4, 4).narrow(Narrow::From(1)),
    field("eth_protocol", 20, 4, 4).narrow(Narrow::From(2)),
    field("ip_protocol", 24, 4, 4).narrow(Narrow::From(1)),
    field("bind_inany", 28, 4, 4).narrow(Narrow::From(1)),
    field("hash", 32, 4, 4),
    field("sk", 40, 8, 8).gives(SOCK),
    field("migrating_sk", 48, 8, 8).gives(FieldKind::SockCommonOrNull),
];

pub(super) const INFO: ProgramTypeInfo = ProgramTypeInfo {
    sections: &[
        section("sk_reuseport/migrate").attach(A::SkReuseportSelectOrMigrate),
        section("sk_reuseport").attach(A::SkReuseportSelect),
    ],
    attach_types: &[A::SkReuseportSelect, A::SkReuseportSelectOrMigrate],
    context: ContextInfo::Struct { name: "sk_reuseport_md", size: 56, fields: FIELDS },
    packet_read: true,
    packet_to_helpers: true,
    helpers: &[
        "skb_load_bytes",
        "get_socket_cookie",
        "skb_load_bytes_relative",
        "sk_select_reuseport",
        "ktime_get_coarse_ns",
    ],
    socket_map_helpers: &["map_update_elem", "map_delete_elem"],
    ..ProgramTypeInfo::new(
        ProgramType::SkReuseport,
        "sk_reuseport",
        Version(4, 19),
        "Chooses which of several listening sockets gets a connection.",
    )
};
