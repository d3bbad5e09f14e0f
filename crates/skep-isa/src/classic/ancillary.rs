//! What Linux answers to loads at offsets beyond any packet.

use super::{ClassicInsn, ClassicOperation};

/// `SKF_AD_OFF`: offsets from here on name ancillary data, in steps of four.
pub const ANCILLARY_OFFSET: u32 = -0x1000_i32 as u32;

/// Something about a packet that is not in it (Linux's `SKF_AD_*`). The value is the distance from
/// [`ANCILLARY_OFFSET`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Ancillary {
    /// Ethernet protocol, in host order.
    Protocol = 0,
    /// Packet type: to us, broadcast, outgoing, ...
    PacketType = 4,
    /// Interface index.
    InterfaceIndex = 8,
    /// Searches a netlink attribute of type X from A on.
    NetlinkAttribute = 12,
    /// Searches a nested netlink attribute of type X from A on.
    NestedNetlinkAttribute = 16,
    /// Mark.
    Mark = 20,
    /// Receive queue.
    Queue = 24,
    /// Hardware type (ARPHRD) of the device.
    HardwareType = 28,
    /// Receive hash.
    Hash = 32,
    /// Current CPU.
    Cpu = 36,
    /// `A ^= X`: no load at all.
    XorX = 40,
    /// VLAN tag control information.
    VlanTag = 44,
    /// Whether there is a VLAN tag.
    VlanPresent = 48,
    /// Offset of the payload.
    PayloadOffset = 52,
    /// A random number.
    Random = 56,
    /// VLAN protocol, in host order.
    VlanProtocol = 60,
}

/// With the names libpcap gives them.
const NAMES: [(Ancillary, &str); 16] = [
    (Ancillary::Protocol, "proto"),
    (Ancillary::PacketType, "type"),
    (Ancillary::InterfaceIndex, "ifidx"),
    (Ancillary::NetlinkAttribute, "nla"),
    (Ancillary::NestedNetlinkAttribute, "nlan"),
    (Ancillary::Mark, "mark"),
    (Ancillary::Queue, "queue"),
    (Ancillary::HardwareType, "hatype"),
    (Ancillary::Hash, "rxhash"),
    (Ancillary::Cpu, "cpu"),
    (Ancillary::XorX, "xor_x"),
    (Ancillary::VlanTag, "vlan_tci"),
    (Ancillary::VlanPresent, "vlanp"),
    (Ancillary::PayloadOffset, "poff"),
    (Ancillary::Random, "random"),
    (Ancillary::VlanProtocol, "vlan_tpid"),
];

impl Ancillary {
    /// What a load at this offset means.
    pub fn at(offset: u32) -> Option<Ancillary> {
        let distance = offset.wrapping_sub(ANCILLARY_OFFSET);
        NAMES.iter().map(|(ancillary, _)| *ancillary).find(|ancillary| *ancillary as u32 == distance)
    }

    /// The offset that means this.
    pub const fn offset(self) -> u32 {
        ANCILLARY_OFFSET + self as u32
    }

    /// The name libpcap gives it.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(ancillary, _)| *ancillary == self).map_or("", |(_, name)| name)
    }

    /// What this instruction loads, if it is an ancillary load.
    pub(super) fn of(insn: &ClassicInsn) -> Option<Ancillary> {
        match insn.operation() {
            Some(ClassicOperation::LoadAbsolute(_)) => Ancillary::at(insn.k),
            _ => None,
        }
    }
}
