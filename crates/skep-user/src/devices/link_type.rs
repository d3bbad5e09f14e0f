//! Link types: what stands before the network header, and how to make an Ethernet header of it.
//!
//! Numbers and layouts: the tcpdump group's registry of link-layer header types.

use super::error::CaptureProblem;

const ETHERNET_HEADER: usize = 14;
const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xdd];
/// Numbers below are lengths or pseudo protocols, not Ethernet types.
const FIRST_ETHERTYPE: u16 = 0x0600;

/// A kind of link whose packets can be read as Ethernet frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkType {
    /// `EN10MB`: as it is.
    Ethernet,
    /// `RAW`, `IPV4`, `IPV6`: begins with the IP header. Gets a header with zero addresses.
    RawIp,
    /// `LINUX_SLL`, of `tcpdump -i any`. Keeps its source address and protocol.
    LinuxCooked,
    /// `LINUX_SLL2`, of newer `tcpdump -i any`.
    LinuxCooked2,
}

impl LinkType {
    /// The link type of that number.
    pub const fn from_number(number: u32) -> Option<LinkType> {
        match number {
            1 => Some(LinkType::Ethernet),
            // 12 and 14 are what some systems write into files for `RAW`.
            12 | 14 | 101 | 228 | 229 => Some(LinkType::RawIp),
            113 => Some(LinkType::LinuxCooked),
            276 => Some(LinkType::LinuxCooked2),
            _ => None,
        }
    }

    /// The packet as an Ethernet frame, in `scratch` where it must be changed; and how many bytes longer it is than the
    /// packet was.
    pub(crate) fn to_ethernet<'a>(
        self,
        packet: &'a [u8],
        scratch: &'a mut Vec<u8>,
    ) -> Result<(&'a [u8], i64), CaptureProblem> {
        let (source, ethertype, header) = match self {
            LinkType::Ethernet => return Ok((packet, 0)),
            LinkType::RawIp => ([0; 6], ip_version(packet)?, 0),
            LinkType::LinuxCooked => cooked(packet, 113, 16, 6, 14)?,
            LinkType::LinuxCooked2 => cooked(packet, 276, 20, 12, 0)?,
        };
        scratch.clear();
        scratch.extend_from_slice(&[0; 6]);
        scratch.extend_from_slice(&source);
        scratch.extend_from_slice(&ethertype);
        scratch.extend_from_slice(&packet[header..]);
        Ok((scratch, ETHERNET_HEADER as i64 - header as i64))
    }
}

fn ip_version(packet: &[u8]) -> Result<[u8; 2], CaptureProblem> {
    match packet.first().map(|byte| byte >> 4) {
        Some(4) => Ok(ETHERTYPE_IPV4),
        Some(6) => Ok(ETHERTYPE_IPV6),
        _ => Err(CaptureProblem::BadLinkHeader { link_type: 101, why: "the packet is neither IPv4 nor IPv6" }),
    }
}

/// Source address and Ethernet type of a cooked header, and its length.
fn cooked(
    packet: &[u8],
    link_type: u32,
    len: usize,
    address_at: usize,
    protocol_at: usize,
) -> Result<([u8; 6], [u8; 2], usize), CaptureProblem> {
    let bad = |why| CaptureProblem::BadLinkHeader { link_type, why };
    let header = packet.get(..len).ok_or(bad("the packet is shorter than its cooked header"))?;
    let mut source = [0; 6];
    source.copy_from_slice(&header[address_at..address_at + 6]);
    let protocol = [header[protocol_at], header[protocol_at + 1]];
    if u16::from_be_bytes(protocol) < FIRST_ETHERTYPE {
        return Err(bad("the packet's protocol is no Ethernet type"));
    }
    Ok((source, protocol, len))
}
