//! Writes pcap files.

use std::borrow::Cow;
use std::io::Write;

use pcap_file::pcap::{PcapHeader, PcapWriter, RawPcapPacket};
use pcap_file::{DataLink, Endianness, PcapError, TsResolution};

use super::capture::MAX_FRAME_BYTES;
use super::error::{CaptureError, CaptureProblem};
use super::{Frame, PacketSink};

/// Writes Ethernet frames into a pcap file with nanosecond times, which loses nothing of what [`super::CaptureReader`]
/// reads from any format.
#[derive(Debug)]
pub struct CaptureWriter<W: Write> {
    writer: PcapWriter<W>,
    packets: u64,
    offset: u64,
}

impl<W: Write> CaptureWriter<W> {
    /// Writes the file header. Give it a buffered writer.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn new(writer: W) -> Result<Self, CaptureError> {
        let header = PcapHeader {
            snaplen: MAX_FRAME_BYTES as u32,
            datalink: DataLink::ETHERNET,
            ts_resolution: TsResolution::NanoSecond,
            endianness: Endianness::Little,
            ..PcapHeader::default()
        };
        match PcapWriter::with_header(writer, header) {
            Ok(writer) => Ok(CaptureWriter { writer, packets: 0, offset: 24 }),
            Err(error) => Err(CaptureError { packet: 1, offset: 0, problem: problem(error) }),
        }
    }

    /// Number of frames written.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// When that fails.
    pub fn finish(self) -> Result<W, CaptureError> {
        let (packet, offset) = (self.packets, self.offset);
        let mut writer = self.writer.into_writer();
        match writer.flush() {
            Ok(()) => Ok(writer),
            Err(error) => Err(CaptureError { packet, offset, problem: error.into() }),
        }
    }
}

impl<W: Write> PacketSink for CaptureWriter<W> {
    fn put_frame(&mut self, frame: Frame<'_>) -> Result<(), CaptureError> {
        let packet = self.packets + 1;
        let at = |problem| CaptureError { packet, offset: self.offset, problem };
        if frame.data.len() > MAX_FRAME_BYTES {
            return Err(at(CaptureProblem::PacketTooLong(frame.data.len() as u64)));
        }
        let raw = RawPcapPacket {
            ts_sec: u32::try_from(frame.timestamp.as_secs()).map_err(|_| at(CaptureProblem::TimeOutOfRange))?,
            ts_frac: frame.timestamp.subsec_nanos(),
            incl_len: frame.data.len() as u32,
            orig_len: frame.original_len.max(frame.data.len() as u32),
            data: Cow::Borrowed(frame.data),
        };
        let written = self.writer.write_raw_packet(&raw).map_err(|error| at(problem(error)))?;
        self.packets = packet;
        self.offset += written as u64;
        Ok(())
    }
}

fn problem(error: PcapError) -> CaptureProblem {
    match error {
        PcapError::IoError(error) => CaptureProblem::Io(error),
        other => CaptureProblem::Io(std::io::Error::other(other)),
    }
}
