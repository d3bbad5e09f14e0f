//! What Linux reads from a frame's headers before programs see it.

/// Bytes of an Ethernet header.
pub(crate) const HEADER: usize = 14;
/// Bytes of a VLAN tag.
const TAG: usize = 4;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// Bytes of the headers without options.
const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;
const VLAN: u16 = 0x8100;
const PROVIDER_VLAN: u16 = 0x88a8;
/// Smaller numbers are lengths of IEEE 802.3 frames.
const FIRST_ETHERTYPE: u16 = 0x0600;
/// `ETH_P_802_3`: raw IPX. `ETH_P_802_2`: LLC.
const RAW_802_3: u16 = 0x0001;
const LLC_802_2: u16 = 0x0004;

/// `skb->pkt_type` (`linux/if_packet.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum PacketType {
    Host = 0,
    Broadcast = 1,
    Multicast = 2,
    OtherHost = 3,
}

/// Whom an interface takes a frame to be for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    /// Its own address; `None` takes every unicast frame as its own.
    pub(crate) own: Option<[u8; 6]>,
    /// Its broadcast address.
    pub(crate) broadcast: [u8; 6],
}

impl Addresses {
    /// The interface that a capture was made at: what it recorded was for it.
    pub(crate) const CAPTURED: Addresses = Addresses { own: None, broadcast: [0xff; 6] };
    /// The loopback interface, where test runs take place: all its addresses are zero.
    pub(crate) const LOOPBACK: Addresses = Addresses { own: Some([0; 6]), broadcast: [0; 6] };

    /// As `eth_type_trans` decides.
    pub(crate) fn packet_type(&self, frame: &[u8]) -> PacketType {
        let Some(destination) = frame.first_chunk::<6>() else { return PacketType::Host };
        if self.own.as_ref() == Some(destination) {
            PacketType::Host
        } else if destination[0] & 1 != 0 {
            if *destination == self.broadcast { PacketType::Broadcast } else { PacketType::Multicast }
        } else if self.own.is_none() {
            PacketType::Host
        } else {
            PacketType::OtherHost
        }
    }
}

/// A VLAN tag that was taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    /// `ETH_P_8021Q` or `ETH_P_8021AD`.
    pub(crate) protocol: u16,
    /// Priority, drop eligibility and VLAN id.
    pub(crate) control: u16,
}

fn half(frame: &[u8], at: usize) -> Option<u16> {
    frame.get(at..)?.first_chunk().copied().map(u16::from_be_bytes)
}

/// The frame's protocol as Linux has it in `skb->protocol`, in host order.
pub(crate) fn protocol(frame: &[u8]) -> u16 {
    match half(frame, 12) {
        Some(ethertype) if ethertype >= FIRST_ETHERTYPE => ethertype,
        _ if half(frame, HEADER) == Some(0xffff) => RAW_802_3,
        _ => LLC_802_2,
    }
}

/// The outer VLAN tag and the frame without it, as Linux takes it off when a packet comes in.
pub(crate) fn untag(frame: &[u8]) -> Option<(Tag, Vec<u8>)> {
    let protocol = half(frame, 12).filter(|p| matches!(*p, VLAN | PROVIDER_VLAN))?;
    let control = half(frame, HEADER)?;
    let (addresses, rest) = (frame.get(..12)?, frame.get(12 + TAG..)?);
    // The type of what is inside must be there.
    (rest.len() >= 2).then(|| (Tag { protocol, control }, [addresses, rest].concat()))
}

/// The frame with the tag put back.
pub(crate) fn tagged(frame: &[u8], tag: Tag) -> Vec<u8> {
    let (addresses, rest) = frame.split_at(frame.len().min(12));
    [addresses, &tag.protocol.to_be_bytes(), &tag.control.to_be_bytes(), rest].concat()
}

/// Source and destination of an IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IpAddresses {
    V4 { source: [u8; 4], destination: [u8; 4] },
    V6 { source: [u8; 16], destination: [u8; 16] },
}

/// Whether the frame says that it carries IP, but is too short for the IP header.
pub(crate) fn cuts_ip_header(frame: &[u8]) -> bool {
    let len = frame.len().saturating_sub(HEADER);
    match protocol(frame) {
        IPV4 => len < IPV4_HEADER,
        IPV6 => len < IPV6_HEADER,
        _ => false,
    }
}

/// The addresses of the IP packet that the frame carries.
pub(crate) fn ip_addresses(frame: &[u8]) -> Option<IpAddresses> {
    fn at<const N: usize>(packet: &[u8], offset: usize) -> Option<[u8; N]> {
        packet.get(offset..)?.first_chunk().copied()
    }
    let packet = frame.get(HEADER..)?;
    match protocol(frame) {
        IPV4 if packet.len() >= IPV4_HEADER => {
            Some(IpAddresses::V4 { source: at(packet, 12)?, destination: at(packet, 16)? })
        }
        IPV6 if packet.len() >= IPV6_HEADER => {
            Some(IpAddresses::V6 { source: at(packet, 8)?, destination: at(packet, 24)? })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(destination: [u8; 6], rest: &[u8]) -> Vec<u8> {
        [&destination[..], &[2; 6], rest].concat()
    }

    #[test]
    fn protocols_are_those_of_linux() {
        assert_eq!(protocol(&frame([0; 6], &[0x86, 0xdd])), IPV6);
        assert_eq!(protocol(&frame([0; 6], &[0, 32, 0xaa, 0xaa])), LLC_802_2);
        assert_eq!(protocol(&frame([0; 6], &[0, 32, 0xff, 0xff])), RAW_802_3);
        assert_eq!(protocol(&[]), LLC_802_2);
    }

    #[test]
    fn packet_types_depend_on_the_interface() {
        let kinds = |addresses: Addresses| {
            [[0; 6], [2, 1, 1, 1, 1, 1], [0xff; 6], [0x33, 0x33, 0, 0, 0, 1]]
                .map(|destination| addresses.packet_type(&frame(destination, &[8, 0])))
        };
        use PacketType::{Broadcast, Host, Multicast, OtherHost};
        assert_eq!(kinds(Addresses::CAPTURED), [Host, Host, Broadcast, Multicast]);
        assert_eq!(kinds(Addresses::LOOPBACK), [Host, OtherHost, Multicast, Multicast]);
    }

    #[test]
    fn only_the_outer_tag_is_taken_off() {
        let double = frame([1; 6], &[0x88, 0xa8, 0x20, 100, 0x81, 0, 0, 7, 8, 0, 0x45]);
        let (tag, inner) = untag(&double).expect("a tag");
        assert_eq!(tag, Tag { protocol: PROVIDER_VLAN, control: 0x2064 });
        assert_eq!(inner, frame([1; 6], &[0x81, 0, 0, 7, 8, 0, 0x45]));
        assert_eq!(tagged(&inner, tag), double);
        assert_eq!(untag(&frame([1; 6], &[8, 0, 0x45, 0])), None);
        assert_eq!(untag(&frame([1; 6], &[0x81, 0, 0, 7, 8])), None, "cut inside of the inner type");
    }
}
