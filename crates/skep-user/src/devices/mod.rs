//! Where packets come from and go to.
//!
//! A [`PacketSource`] gives Ethernet frames one after the other, a [`PacketSink`] takes them. Capture files are both:
//! [`CaptureReader`] reads pcap and pcapng, [`CaptureWriter`] writes pcap.

mod capture;
mod error;
mod link_type;
mod pcap;
mod pcapng;
mod window;
mod writer;

pub use capture::{CaptureReader, MAX_FRAME_BYTES};
pub use error::{CaptureError, CaptureProblem};
pub use link_type::LinkType;
pub use writer::CaptureWriter;

use std::time::Duration;

/// One Ethernet frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// When it was seen, since 1970-01-01 UTC. Zero if its source does not say.
    pub timestamp: Duration,
    /// Its length on the wire; more than `data` has where the capture cut it.
    pub original_len: u32,
    /// Its bytes, from the destination address on.
    pub data: &'a [u8],
}

/// Gives frames.
pub trait PacketSource {
    /// The next frame, or `None` at the end.
    ///
    /// # Errors
    /// What is wrong with the source. There is nothing more to be had from it then.
    fn next_frame(&mut self) -> Result<Option<Frame<'_>>, CaptureError>;

    /// How many bytes of the source have been used up, for progress.
    fn position(&self) -> u64;
}

/// Takes frames.
pub trait PacketSink {
    /// Takes a frame.
    ///
    /// # Errors
    /// When it cannot be written.
    fn put_frame(&mut self, frame: Frame<'_>) -> Result<(), CaptureError>;
}
