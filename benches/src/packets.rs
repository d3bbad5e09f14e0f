//! What programs run on.

/// So many bytes that follow no simple rule, always the same.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}

/// The addresses, ports and payload of a TCP segment.
pub(crate) struct Segment<'a> {
    pub(crate) source: [u8; 4],
    pub(crate) destination: [u8; 4],
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    pub(crate) flags: u8,
    pub(crate) payload: &'a [u8],
}

const TCP_LENGTH: usize = 20;
const IPV4_LENGTH: usize = 20;

/// An Ethernet frame with an IPv4 header without options and that segment.
pub(crate) fn tcp(segment: &Segment<'_>) -> Vec<u8> {
    let mut frame = vec![0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2, 0x08, 0x00];
    let length = (IPV4_LENGTH + TCP_LENGTH + segment.payload.len()) as u16;
    let mut ip = vec![0x45, 0];
    ip.extend(length.to_be_bytes());
    ip.extend([0x12, 0x34, 0x40, 0, 64, 6, 0, 0]);
    ip.extend(segment.source);
    ip.extend(segment.destination);
    let sum = checksum(&ip).to_be_bytes();
    ip[10..12].copy_from_slice(&sum);
    frame.extend(ip);
    frame.extend(segment.source_port.to_be_bytes());
    frame.extend(segment.destination_port.to_be_bytes());
    frame.extend([0, 0, 0x10, 0x01, 0, 0, 0x20, 0x02]);
    frame.extend([0x50, segment.flags, 0x20, 0, 0, 0, 0, 0]);
    frame.extend(segment.payload);
    frame
}

/// The internet checksum of a header of even length.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_rfc_1071() {
        // The example of its section 3, complemented.
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }

    #[test]
    fn a_header_sums_to_zero() {
        let segment = Segment {
            source: [1; 4],
            destination: [2; 4],
            source_port: 3,
            destination_port: 4,
            flags: 2,
            payload: b"",
        };
        assert_eq!(checksum(&tcp(&segment)[14..34]), 0);
    }
}
