//! Headers of network protocols and socket addresses, under Linux's names: what programs read in packets.
//!
//! Sources: RFC 791, 792, 768, 9293, 8200, 4443, 826 and IEEE 802.1Q; the places are those of the bytes on the wire.

use super::layout::{KernelType as _, TypeTable};
use super::records::{Field, Record, Shape, array, bit_field, field, record, shaped, union};
use super::scalars::{BE16, BE32, SOCKET_FAMILY, SUM16, U8, U16, U32, UNSIGNED_CHAR};
use super::structs::In6Addr;

const IN6: Shape = Shape::Kernel(In6Addr::describe);
const IN4: Record = record("in_addr", 4, &[field("s_addr", 0, BE32)]);

const ICMP_ECHO: Record = record("", 4, &[field("id", 0, BE16), field("sequence", 2, BE16)]);
const ICMP_FRAGMENT: Record = record("", 4, &[field("__unused", 0, BE16), field("mtu", 2, BE16)]);
const ICMP_REST: Record = union(
    "",
    4,
    &[
        shaped("echo", 0, Shape::Of(&ICMP_ECHO)),
        field("gateway", 0, BE32),
        shaped("frag", 0, Shape::Of(&ICMP_FRAGMENT)),
        array("reserved", 0, U8, 4),
    ],
);
const ICMP6_ECHO: Record = record("icmpv6_echo", 4, &[field("identifier", 0, BE16), field("sequence", 2, BE16)]);
const ICMP6_REST: Record = union(
    "",
    4,
    &[
        array("un_data32", 0, BE32, 1),
        array("un_data16", 0, BE16, 2),
        array("un_data8", 0, U8, 4),
        shaped("u_echo", 0, Shape::Of(&ICMP6_ECHO)),
    ],
);

const IPV4_ADDRESSES: &[Field] = &[field("saddr", 0, BE32), field("daddr", 4, BE32)];
const IPV4_PAIR: Record =
    union("", 8, &[shaped("", 0, Shape::Of(&IPV4_PLAIN)), shaped("addrs", 0, Shape::Of(&IPV4_PLAIN))]);
const IPV4_PLAIN: Record = record("", 8, IPV4_ADDRESSES);
const IPV6_ADDRESSES: &[Field] = &[shaped("saddr", 0, IN6), shaped("daddr", 16, IN6)];
const IPV6_PAIR: Record =
    union("", 32, &[shaped("", 0, Shape::Of(&IPV6_PLAIN)), shaped("addrs", 0, Shape::Of(&IPV6_PLAIN))]);
const IPV6_PLAIN: Record = record("", 32, IPV6_ADDRESSES);

const HEADERS: &[Record] = &[
    record(
        "ethhdr",
        14,
        &[array("h_dest", 0, UNSIGNED_CHAR, 6), array("h_source", 6, UNSIGNED_CHAR, 6), field("h_proto", 12, BE16)],
    ),
    record("vlan_hdr", 4, &[field("h_vlan_TCI", 0, BE16), field("h_vlan_encapsulated_proto", 2, BE16)]),
    record(
        "arphdr",
        8,
        &[
            field("ar_hrd", 0, BE16),
            field("ar_pro", 2, BE16),
            field("ar_hln", 4, UNSIGNED_CHAR),
            field("ar_pln", 5, UNSIGNED_CHAR),
            field("ar_op", 6, BE16),
        ],
    ),
    record(
        "iphdr",
        20,
        &[
            bit_field("ihl", 0, 4, U8),
            bit_field("version", 4, 4, U8),
            field("tos", 1, U8),
            field("tot_len", 2, BE16),
            field("id", 4, BE16),
            field("frag_off", 6, BE16),
            field("ttl", 8, U8),
            field("protocol", 9, U8),
            field("check", 10, SUM16),
            shaped("", 12, Shape::Of(&IPV4_PAIR)),
        ],
    ),
    record(
        "ipv6hdr",
        40,
        &[
            bit_field("priority", 0, 4, U8),
            bit_field("version", 4, 4, U8),
            array("flow_lbl", 1, U8, 3),
            field("payload_len", 4, BE16),
            field("nexthdr", 6, U8),
            field("hop_limit", 7, U8),
            shaped("", 8, Shape::Of(&IPV6_PAIR)),
        ],
    ),
    record(
        "tcphdr",
        20,
        &[
            field("source", 0, BE16),
            field("dest", 2, BE16),
            field("seq", 4, BE32),
            field("ack_seq", 8, BE32),
            bit_field("ae", 96, 1, U16),
            bit_field("res1", 97, 3, U16),
            bit_field("doff", 100, 4, U16),
            bit_field("fin", 104, 1, U16),
            bit_field("syn", 105, 1, U16),
            bit_field("rst", 106, 1, U16),
            bit_field("psh", 107, 1, U16),
            bit_field("ack", 108, 1, U16),
            bit_field("urg", 109, 1, U16),
            bit_field("ece", 110, 1, U16),
            bit_field("cwr", 111, 1, U16),
            field("window", 14, BE16),
            field("check", 16, SUM16),
            field("urg_ptr", 18, BE16),
        ],
    ),
    record(
        "udphdr",
        8,
        &[field("source", 0, BE16), field("dest", 2, BE16), field("len", 4, BE16), field("check", 6, SUM16)],
    ),
    record(
        "icmphdr",
        8,
        &[
            field("type", 0, U8),
            field("code", 1, U8),
            field("checksum", 2, SUM16),
            shaped("un", 4, Shape::Of(&ICMP_REST)),
        ],
    ),
    record(
        "icmp6hdr",
        8,
        &[
            field("icmp6_type", 0, U8),
            field("icmp6_code", 1, U8),
            field("icmp6_cksum", 2, SUM16),
            shaped("icmp6_dataun", 4, Shape::Of(&ICMP6_REST)),
        ],
    ),
    IN4,
    record(
        "sockaddr_in",
        16,
        &[
            field("sin_family", 0, SOCKET_FAMILY),
            field("sin_port", 2, BE16),
            shaped("sin_addr", 4, Shape::Of(&IN4)),
            array("__pad", 8, UNSIGNED_CHAR, 8),
        ],
    ),
    record(
        "sockaddr_in6",
        28,
        &[
            field("sin6_family", 0, SOCKET_FAMILY),
            field("sin6_port", 2, BE16),
            field("sin6_flowinfo", 4, BE32),
            shaped("sin6_addr", 8, IN6),
            field("sin6_scope_id", 24, U32),
        ],
    ),
];

/// Adds them all.
pub(super) fn describe_all(table: &mut TypeTable) {
    for header in HEADERS {
        header.describe(table);
    }
}
