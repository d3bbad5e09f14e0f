//! `struct __sk_buff` contexts, for all hooks that have packets as socket buffers.

use super::ethernet::{self, Addresses, IpAddresses, Tag};
use crate::run::{Context as _, StructContext};
use skep_abi::program_type::ProgramType;

const AF_INET: u64 = 2;
const AF_INET6: u64 = 10;

/// Where a program's view of the packet begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// At the Ethernet header.
    Link,
    /// At the network header.
    Network,
}

/// A socket buffer: the context, and what of the frame the program does not see.
#[derive(Debug)]
pub(crate) struct Skb {
    pub(crate) context: StructContext,
    view: View,
    /// The Ethernet header, where the view begins behind it.
    header: Vec<u8>,
}

impl Skb {
    pub(crate) fn new(program_type: ProgramType, view: View) -> Skb {
        Skb { context: StructContext::of(program_type), view, header: Vec::new() }
    }

    /// A frame as it comes in from the wire: the outer VLAN tag is taken off.
    pub(crate) fn receive(&mut self, frame: &[u8], ifindex: u32) {
        match ethernet::untag(frame) {
            Some((tag, inner)) => {
                self.fill(&inner, Addresses::CAPTURED);
                self.set_tag(tag);
            }
            None => self.fill(frame, Addresses::CAPTURED),
        }
        self.set("ifindex", ifindex.into());
        self.set("ingress_ifindex", ifindex.into());
        self.set("wire_len", self.len());
    }

    /// A frame as it is, for an interface with those addresses. All fields that do not follow from it are zero.
    pub(crate) fn fill(&mut self, frame: &[u8], addresses: Addresses) {
        let hidden = match self.view {
            View::Link => 0,
            View::Network => ethernet::HEADER.min(frame.len()),
        };
        self.header = frame[..hidden].to_vec();
        self.context.set_packet(&frame[hidden..]);
        if let Some(packet) = self.context.packet() {
            packet.set_network_offset(ethernet::HEADER.min(frame.len()) - hidden);
        }
        self.set("pkt_type", addresses.packet_type(frame) as u64);
        self.set("protocol", network_order(ethernet::protocol(frame)));
        if let Some(ip) = ethernet::ip_addresses(frame) {
            self.set_addresses(ip);
        }
    }

    /// What the program left, as an Ethernet frame.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let frame = [self.header.clone(), self.packet()].concat();
        match self.tag() {
            Some(tag) => ethernet::tagged(&frame, tag),
            None => frame,
        }
    }

    /// What the program sees of the packet.
    pub(crate) fn packet(&self) -> Vec<u8> {
        self.context.packet_bytes().unwrap_or_default()
    }

    /// How many bytes the program sees.
    pub(crate) fn len(&self) -> u64 {
        self.context.field("len").unwrap_or(0)
    }

    pub(crate) fn set(&mut self, field: &str, value: u64) {
        self.context.set_field(field, value);
    }

    fn set_tag(&mut self, tag: Tag) {
        self.set("vlan_present", 1);
        self.set("vlan_tci", tag.control.into());
        self.set("vlan_proto", network_order(tag.protocol));
    }

    fn tag(&self) -> Option<Tag> {
        let field = |name| self.context.field(name).unwrap_or(0);
        (field("vlan_present") != 0)
            .then(|| Tag { protocol: (field("vlan_proto") as u16).swap_bytes(), control: field("vlan_tci") as u16 })
    }

    /// The socket's addresses, as Linux derives them from the packet for a test run: the packet leaves the socket.
    fn set_addresses(&mut self, addresses: IpAddresses) {
        match addresses {
            IpAddresses::V4 { source, destination } => {
                self.set("family", AF_INET);
                self.set("local_ip4", u32::from_ne_bytes(source).into());
                self.set("remote_ip4", u32::from_ne_bytes(destination).into());
            }
            IpAddresses::V6 { source, destination } => {
                self.set("family", AF_INET6);
                self.context.set_field_bytes("local_ip6", &source);
                self.context.set_field_bytes("remote_ip6", &destination);
            }
        }
    }
}

/// A number whose bytes in memory are in network order.
fn network_order(number: u16) -> u64 {
    u16::from_ne_bytes(number.to_be_bytes()).into()
}
