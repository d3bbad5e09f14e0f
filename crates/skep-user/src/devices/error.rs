//! What is wrong with a capture, and where.

use std::io;

use super::capture::MAX_FRAME_BYTES;
use super::pcapng::MAX_INTERFACES;
use super::window::MAX_RECORD_BYTES;

/// What is wrong with a capture, and where.
#[derive(Debug, thiserror::Error)]
#[error("packet {packet}, byte offset {offset}: {problem}")]
pub struct CaptureError {
    /// Number of the packet that was being read or written, from 1.
    pub packet: u64,
    /// Offset in the file of the header or record it is about.
    pub offset: u64,
    /// What.
    #[source]
    pub problem: CaptureProblem,
}

/// What is wrong with a capture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureProblem {
    /// The file could not be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It does not begin like a capture.
    #[error("neither pcap nor pcapng: it begins with {0:02x?}; make one with `tcpdump -w`")]
    NotACapture(Vec<u8>),
    /// It ends inside of a record.
    #[error("the file is cut off: {needed} bytes should stand here, {left} are left")]
    Truncated {
        /// Bytes of the record.
        needed: u64,
        /// Bytes until the end of the file.
        left: u64,
    },
    /// A packet longer than any link carries.
    #[error("a packet of {0} bytes: more than {MAX_FRAME_BYTES}, the file is damaged")]
    PacketTooLong(u64),
    /// A pcapng block that is too long to be one.
    #[error("a block of {0} bytes: more than {MAX_RECORD_BYTES}, the file is damaged")]
    BlockTooLong(u64),
    /// A pcapng block that contradicts itself.
    #[error("damaged {block} block: {why}")]
    BadBlock {
        /// Which kind.
        block: &'static str,
        /// What is wrong.
        why: &'static str,
    },
    /// A packet of an interface that no block describes.
    #[error("the packet is of interface {0}, which the file does not describe")]
    NoSuchInterface(u32),
    /// More interfaces than a capture can sensibly have.
    #[error("more than {MAX_INTERFACES} interfaces")]
    TooManyInterfaces,
    /// Packets without an Ethernet header that cannot be given one.
    #[error(
        "link type {0} cannot be read: only Ethernet (1), raw IP (12, 101, 228, 229) and Linux cooked (113, 276) can"
    )]
    LinkType(u32),
    /// A packet too short for the header its link type demands, or of no known protocol.
    #[error("link type {link_type}: {why}")]
    BadLinkHeader {
        /// The link type's number.
        link_type: u32,
        /// What is wrong.
        why: &'static str,
    },
    /// A time that the format cannot hold.
    #[error("the time stamp is out of range")]
    TimeOutOfRange,
}
