//! A packet as programs see it: one piece of memory with room before and behind.

use crate::memory::{Buffer, Shared};
use skep_abi::errno::Errno;

/// Room before an XDP frame (Linux: `XDP_PACKET_HEADROOM`).
pub const XDP_HEADROOM: usize = 256;

/// What Linux keeps at the beginning of that room (`struct xdp_frame`): neither packet nor metadata get there.
pub(crate) const XDP_FRAME_INFO: usize = 40;

/// Bytes behind an XDP frame that Linux keeps for itself (`struct skb_shared_info`).
const SHARED_INFO: usize = 320;

/// Size of the memory that Linux gives a test frame.
const FRAME: usize = 4096;

/// Largest metadata before a packet.
const LARGEST_META: usize = 252;

/// A packet with its surroundings:
///
/// ```text
/// 0 ……… meta …… data ……………… end ……… limit
///   headroom  metadata  packet   tailroom
/// ```
///
/// Programs change the bytes at any time; the borders are ours.
#[derive(Debug, Default)]
pub struct Packet {
    buffer: Buffer,
    meta: usize,
    data: usize,
    end: usize,
    limit: usize,
    /// Bytes of the link header.
    network: usize,
}

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

impl Packet {
    /// A packet with XDP's headroom, and tailroom to the end of a page (none behind a larger packet).
    pub fn new(bytes: &[u8]) -> Packet {
        let mut packet = Packet::default();
        packet.refill(bytes);
        packet
    }

    /// The next packet in the same memory.
    pub fn refill(&mut self, bytes: &[u8]) {
        let capacity = (XDP_HEADROOM + bytes.len() + SHARED_INFO).max(FRAME);
        if self.buffer.bytes().len() < capacity {
            self.buffer = Buffer::new(capacity);
        }
        self.limit = capacity - SHARED_INFO;
        self.data = XDP_HEADROOM;
        self.meta = self.data;
        self.end = self.data + bytes.len();
        self.network = ETHERNET;
        self.bytes().write(bytes);
    }

    pub(crate) fn bytes(&self) -> Shared<'_> {
        self.buffer.bytes().part(self.data, self.end - self.data)
    }

    /// What programs may touch: the metadata and the packet.
    pub(crate) fn visible(&self) -> Shared<'_> {
        self.buffer.bytes().part(self.meta, self.end - self.meta)
    }

    /// Bytes of the packet.
    pub fn len(&self) -> usize {
        self.end - self.data
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the network header begins: behind an Ethernet header, unless it was set.
    pub fn network_offset(&self) -> usize {
        self.network
    }

    /// Sets where the network header begins: 0 for packets that have no link header.
    pub fn set_network_offset(&mut self, offset: usize) {
        self.network = offset;
    }

    /// A copy of the packet.
    pub fn to_vec(&self) -> Vec<u8> {
        self.bytes().to_vec()
    }

    /// A copy of the metadata before it.
    pub fn metadata(&self) -> Vec<u8> {
        self.buffer.bytes().part(self.meta, self.data - self.meta).to_vec()
    }

    /// Makes the first `len` bytes metadata. The caller has checked that the packet is longer.
    pub(crate) fn give_metadata(&mut self, len: usize) {
        self.meta = self.data;
        self.data += len;
    }

    /// Addresses of the metadata, the packet and its end.
    pub fn addresses(&self) -> [u64; 3] {
        let base = self.buffer.bytes().address();
        [self.meta, self.data, self.end].map(|offset| base + offset as u64)
    }

    /// Moves the start, as `bpf_xdp_adjust_head`; metadata moves along. `false` if it would leave its room or make the
    /// packet shorter than an Ethernet header.
    pub(crate) fn adjust_head(&mut self, delta: i32) -> bool {
        let meta_len = self.data - self.meta;
        let Some(data) = self.data.checked_add_signed(delta as isize) else { return false };
        if data < XDP_FRAME_INFO + meta_len || data + 14 > self.end {
            return false;
        }
        if meta_len > 0 {
            let meta = self.metadata();
            self.buffer.bytes().part(data - meta_len, meta_len).write(&meta);
        }
        (self.meta, self.data) = (data - meta_len, data);
        true
    }

    /// Moves the end, as `bpf_xdp_adjust_tail`; new bytes are zero.
    pub(crate) fn adjust_tail(&mut self, delta: i32) -> bool {
        let Some(end) = self.end.checked_add_signed(delta as isize) else { return false };
        if end > self.limit || end < self.data + 14 {
            return false;
        }
        if end > self.end {
            self.buffer.bytes().part(self.end, end - self.end).zero();
        }
        self.end = end;
        true
    }

    /// Moves the start of the metadata, as `bpf_xdp_adjust_meta`.
    ///
    /// # Errors
    /// EINVAL outside of the memory before the packet, EACCES for a length that metadata cannot have.
    pub(crate) fn adjust_meta(&mut self, delta: i32) -> Result<(), Errno> {
        let meta = self.meta.checked_add_signed(delta as isize).ok_or(Errno::EINVAL)?;
        let len = self.data.checked_sub(meta).filter(|_| meta >= XDP_FRAME_INFO).ok_or(Errno::EINVAL)?;
        if len > LARGEST_META || !len.is_multiple_of(4) {
            return Err(Errno::EACCES);
        }
        self.meta = meta;
        Ok(())
    }

    /// The bytes from `offset` on, if the packet has so many.
    pub(crate) fn part(&self, offset: u64, len: u64) -> Option<Shared<'_>> {
        let end = offset.checked_add(len)?;
        (end <= self.len() as u64).then(|| self.bytes().part(offset as usize, len as usize))
    }

    /// Makes the packet `len` bytes long; new bytes are zero. Grows the memory where needed: addresses change.
    pub(crate) fn set_len(&mut self, len: usize) {
        let bytes = self.to_vec();
        self.rebuild(len, |new| {
            let kept = bytes.len().min(len);
            new.write(&bytes[..kept]);
        });
    }

    /// Inserts `count` zero bytes at `offset`, or removes as many where `count` is negative. The caller has checked that
    /// the packet has them.
    pub(crate) fn splice(&mut self, offset: usize, count: i64) {
        let mut bytes = self.to_vec();
        if count >= 0 {
            bytes.splice(offset..offset, std::iter::repeat_n(0, count as usize));
        } else {
            bytes.drain(offset..offset + count.unsigned_abs() as usize);
        }
        self.rebuild(bytes.len(), |new| new.write(&bytes));
    }

    fn rebuild(&mut self, len: usize, fill: impl FnOnce(Shared<'_>)) {
        let meta = self.metadata();
        let capacity = (XDP_HEADROOM + len + SHARED_INFO).max(FRAME);
        if self.buffer.bytes().len() < capacity {
            self.buffer = Buffer::new(capacity);
        }
        self.limit = capacity - SHARED_INFO;
        self.data = XDP_HEADROOM;
        self.end = self.data + len;
        self.meta = self.data - meta.len();
        self.buffer.bytes().part(self.meta, meta.len()).write(&meta);
        self.bytes().zero();
        fill(self.bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_stay_inside() {
        let mut packet = Packet::new(&[7; 60]);
        assert!(packet.adjust_head(-216) && !packet.adjust_head(-1));
        assert!(packet.adjust_head(216 + 46) && !packet.adjust_head(1));
        assert_eq!(packet.to_vec(), [7; 14]);
        assert!(packet.adjust_tail(10) && packet.to_vec()[14..] == [0; 10]);
        assert!(!packet.adjust_tail(4096) && !packet.adjust_tail(-11));
        assert!(packet.adjust_meta(-32).is_ok());
        assert_eq!(packet.adjust_meta(-2), Err(Errno::EACCES));
        assert_eq!(packet.adjust_meta(36), Err(Errno::EINVAL));
        assert_eq!(packet.metadata().len(), 32);
    }

    #[test]
    fn bytes_are_inserted_and_removed() {
        let mut packet = Packet::new(&[1, 2, 3, 4]);
        packet.splice(2, 2);
        assert_eq!(packet.to_vec(), [1, 2, 0, 0, 3, 4]);
        packet.splice(1, -3);
        assert_eq!(packet.to_vec(), [1, 3, 4]);
        packet.set_len(5000);
        assert_eq!((packet.len(), &packet.to_vec()[..4]), (5000, &[1, 3, 4, 0][..]));
    }
}
