//! Finding the TCP segment in a frame.

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// One direction of a connection: the key of the program's map `sessions`, byte for byte.
///
/// IPv4 addresses stand in the first four bytes; ports are in network order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct Flow {
    source: [u8; 16],
    destination: [u8; 16],
    source_port: [u8; 2],
    destination_port: [u8; 2],
}

/// A TCP segment with payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment<'a> {
    pub(crate) flow: Flow,
    /// Of the payload's first byte.
    pub(crate) sequence: u32,
    pub(crate) payload: &'a [u8],
}

/// An address as it stands in a [`Flow`].
fn padded(address: &[u8]) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(address) {
        *to = *from;
    }
    bytes
}

impl Segment<'_> {
    /// The segment in an Ethernet frame; `None` where the frame holds something else.
    pub(crate) fn find(frame: &[u8]) -> Option<Segment<'_>> {
        let packet = SlicedPacket::from_ethernet(frame).ok()?;
        let TransportSlice::Tcp(tcp) = packet.transport? else { return None };
        let (source, destination) = match packet.net? {
            NetSlice::Ipv4(ip) => (padded(&ip.header().source()), padded(&ip.header().destination())),
            NetSlice::Ipv6(ip) => (ip.header().source(), ip.header().destination()),
            NetSlice::Arp(_) => return None,
        };
        let (source_port, destination_port) = (tcp.source_port().to_be_bytes(), tcp.destination_port().to_be_bytes());
        let flow = Flow { source, destination, source_port, destination_port };
        Some(Segment { flow, sequence: tcp.sequence_number(), payload: tcp.payload() })
    }
}
