//! BTF of what programs read in packets and in their contexts: headers of network protocols, the context structs of the
//! program-type table. No instance of these is made here; the bytes are the packet's or the context's.

use super::layout::{KernelType, TypeTable};
use skep_abi::program_type::{ContextInfo, ProgramType};
use skep_btf::TypeId;

/// A member: name, place in bits, bits if it is a bit-field, type.
struct Field {
    name: &'static str,
    bit: u32,
    bits: u8,
    ty: Wire,
}

/// Types of members.
#[derive(Clone, Copy)]
enum Wire {
    /// One byte.
    U8,
    /// Two bytes, in network order.
    Be16,
    /// Four bytes, in network order.
    Be32,
    /// A link-layer address.
    Mac,
    /// An IPv6 address.
    In6,
    /// The flow label of IPv6.
    FlowLabel,
}

/// A header.
struct Header {
    name: &'static str,
    bytes: u32,
    fields: &'static [Field],
}

const fn field(name: &'static str, byte: u32, ty: Wire) -> Field {
    Field { name, bit: byte * 8, bits: 0, ty }
}

/// A bit-field of type `__u8` or `__be16`; the place is that on little-endian machines.
const fn bit_field(name: &'static str, bit: u32, bits: u8, ty: Wire) -> Field {
    Field { name, bit, bits, ty }
}

/// The headers, as RFC 791, 792, 768, 9293, 8200, 826 and IEEE 802.1Q have them, under Linux's names.
const HEADERS: &[Header] = &[
    Header {
        name: "ethhdr",
        bytes: 14,
        fields: &[field("h_dest", 0, Wire::Mac), field("h_source", 6, Wire::Mac), field("h_proto", 12, Wire::Be16)],
    },
    Header {
        name: "vlan_hdr",
        bytes: 4,
        fields: &[field("h_vlan_TCI", 0, Wire::Be16), field("h_vlan_encapsulated_proto", 2, Wire::Be16)],
    },
    Header {
        name: "arphdr",
        bytes: 8,
        fields: &[
            field("ar_hrd", 0, Wire::Be16),
            field("ar_pro", 2, Wire::Be16),
            field("ar_hln", 4, Wire::U8),
            field("ar_pln", 5, Wire::U8),
            field("ar_op", 6, Wire::Be16),
        ],
    },
    Header {
        name: "iphdr",
        bytes: 20,
        fields: &[
            bit_field("ihl", 0, 4, Wire::U8),
            bit_field("version", 4, 4, Wire::U8),
            field("tos", 1, Wire::U8),
            field("tot_len", 2, Wire::Be16),
            field("id", 4, Wire::Be16),
            field("frag_off", 6, Wire::Be16),
            field("ttl", 8, Wire::U8),
            field("protocol", 9, Wire::U8),
            field("check", 10, Wire::Be16),
            field("saddr", 12, Wire::Be32),
            field("daddr", 16, Wire::Be32),
        ],
    },
    Header {
        name: "ipv6hdr",
        bytes: 40,
        fields: &[
            bit_field("priority", 0, 4, Wire::U8),
            bit_field("version", 4, 4, Wire::U8),
            field("flow_lbl", 1, Wire::FlowLabel),
            field("payload_len", 4, Wire::Be16),
            field("nexthdr", 6, Wire::U8),
            field("hop_limit", 7, Wire::U8),
            field("saddr", 8, Wire::In6),
            field("daddr", 24, Wire::In6),
        ],
    },
    Header {
        name: "tcphdr",
        bytes: 20,
        fields: &[
            field("source", 0, Wire::Be16),
            field("dest", 2, Wire::Be16),
            field("seq", 4, Wire::Be32),
            field("ack_seq", 8, Wire::Be32),
            bit_field("res1", 96, 4, Wire::Be16),
            bit_field("doff", 100, 4, Wire::Be16),
            bit_field("fin", 104, 1, Wire::Be16),
            bit_field("syn", 105, 1, Wire::Be16),
            bit_field("rst", 106, 1, Wire::Be16),
            bit_field("psh", 107, 1, Wire::Be16),
            bit_field("ack", 108, 1, Wire::Be16),
            bit_field("urg", 109, 1, Wire::Be16),
            bit_field("ece", 110, 1, Wire::Be16),
            bit_field("cwr", 111, 1, Wire::Be16),
            field("window", 14, Wire::Be16),
            field("check", 16, Wire::Be16),
            field("urg_ptr", 18, Wire::Be16),
        ],
    },
    Header {
        name: "udphdr",
        bytes: 8,
        fields: &[
            field("source", 0, Wire::Be16),
            field("dest", 2, Wire::Be16),
            field("len", 4, Wire::Be16),
            field("check", 6, Wire::Be16),
        ],
    },
    Header {
        name: "icmphdr",
        bytes: 8,
        fields: &[field("type", 0, Wire::U8), field("code", 1, Wire::U8), field("checksum", 2, Wire::Be16)],
    },
    Header {
        name: "icmp6hdr",
        bytes: 8,
        fields: &[
            field("icmp6_type", 0, Wire::U8),
            field("icmp6_code", 1, Wire::U8),
            field("icmp6_cksum", 2, Wire::Be16),
        ],
    },
];

impl Wire {
    fn describe(self, table: &mut TypeTable) -> TypeId {
        match self {
            Wire::U8 => u8::describe(table),
            Wire::Be16 => u16::describe(table),
            Wire::Be32 => u32::describe(table),
            Wire::Mac => <[u8; 6]>::describe(table),
            Wire::In6 => super::structs::In6Addr::describe(table),
            Wire::FlowLabel => <[u8; 3]>::describe(table),
        }
    }
}

/// Adds the headers and the context structs.
pub(super) fn describe_all(table: &mut TypeTable) {
    for header in HEADERS {
        let members: Vec<_> =
            header.fields.iter().map(|field| (field.name, field.ty.describe(table), field.bit, field.bits)).collect();
        table.once(header.name, |builder| builder.structure(header.name, header.bytes, &members));
    }
    for program_type in ProgramType::ALL {
        if let ContextInfo::Struct { name, size, fields } = program_type.info().context {
            let members: Vec<_> = fields
                .iter()
                .map(|field| {
                    (field.name, context_field(table, field.size, field.element), u32::from(field.offset) * 8, 0)
                })
                .collect();
            table.once(name, |builder| builder.structure(name, size.into(), &members));
        }
    }
}

/// The type of a context field: a number of `element` bytes, or as many of them as `size` holds.
fn context_field(table: &mut TypeTable, size: u16, element: u8) -> TypeId {
    let ty = match element {
        1 => u8::describe(table),
        2 => u16::describe(table),
        4 => u32::describe(table),
        _ => u64::describe(table),
    };
    let count = u32::from(size) / u32::from(element.max(1));
    if count <= 1 {
        return ty;
    }
    let index = u32::describe(table);
    table.once(&format!("{} [{count}]", ty.0), |builder| builder.array(ty, index, count))
}
