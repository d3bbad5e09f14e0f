//! Reads capture files of either format, in bounded memory.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use super::error::{CaptureError, CaptureProblem};
use super::link_type::LinkType;
use super::pcap::Pcap;
use super::pcapng::PcapNg;
use super::window::Window;
use super::{Frame, PacketSource};

/// Longest packet that is read, in bytes: what `tcpdump` takes for the largest snapshot length.
pub const MAX_FRAME_BYTES: usize = 262_144;

/// A packet that lies at the beginning of the window.
#[derive(Debug)]
pub(crate) struct Record {
    /// Bytes of the whole record.
    pub(crate) size: usize,
    /// Where in the record the packet is.
    pub(crate) data: Range<usize>,
    pub(crate) timestamp: Duration,
    pub(crate) original_len: u32,
    pub(crate) link_type: u32,
}

#[derive(Debug)]
enum Format {
    Pcap(Pcap),
    PcapNg(PcapNg),
}

/// Reads a pcap or pcapng file (microseconds or nanoseconds, either byte order), one packet at a time.
///
/// Packets of raw IP and Linux cooked captures get an Ethernet header; see [`LinkType`].
#[derive(Debug)]
pub struct CaptureReader<R> {
    window: Window<R>,
    format: Format,
    /// Bytes of the record that was given last: skipped when the next one is asked for.
    pending: usize,
    scratch: Vec<u8>,
    packets: u64,
    failed: bool,
}

impl CaptureReader<File> {
    /// Opens a file.
    ///
    /// # Errors
    /// When it cannot be opened or is no capture.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        let file = File::open(path).map_err(|error| CaptureError { packet: 1, offset: 0, problem: error.into() })?;
        CaptureReader::new(file)
    }
}

impl<R: Read> CaptureReader<R> {
    /// Reads from anything. No buffering is needed around it.
    ///
    /// # Errors
    /// When it cannot be read or is no capture.
    pub fn new(reader: R) -> Result<Self, CaptureError> {
        let mut window = Window::new(reader);
        let format = open(&mut window).map_err(|problem| CaptureError { packet: 1, offset: 0, problem })?;
        Ok(CaptureReader { window, format, pending: 0, scratch: Vec::new(), packets: 0, failed: false })
    }

    fn next_record(&mut self) -> Result<Option<Record>, CaptureProblem> {
        match &mut self.format {
            Format::Pcap(pcap) => pcap.next(&mut self.window),
            Format::PcapNg(pcapng) => pcapng.next(&mut self.window),
        }
    }
}

fn open<R: Read>(window: &mut Window<R>) -> Result<Format, CaptureProblem> {
    if let Some(pcapng) = PcapNg::open(window)? {
        return Ok(Format::PcapNg(pcapng));
    }
    match Pcap::open(window)? {
        Some(pcap) => Ok(Format::Pcap(pcap)),
        None => Err(CaptureProblem::NotACapture(window.peek(8)?.to_vec())),
    }
}

impl<R: Read> PacketSource for CaptureReader<R> {
    fn next_frame(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
        if self.failed {
            return Ok(None);
        }
        self.window.skip(self.pending);
        self.pending = 0;
        let packet = self.packets + 1;
        let record = match self.next_record() {
            Ok(Some(record)) => record,
            Ok(None) => return Ok(None),
            Err(problem) => {
                self.failed = true;
                return Err(CaptureError { packet, offset: self.window.offset(), problem });
            }
        };
        self.pending = record.size;
        self.packets = packet;
        let offset = self.window.offset();
        let bytes = &self.window.peeked(record.size)[record.data];
        let frame = LinkType::from_number(record.link_type)
            .ok_or(CaptureProblem::LinkType(record.link_type))
            .and_then(|link_type| link_type.to_ethernet(bytes, &mut self.scratch));
        match frame {
            Ok((data, longer)) => {
                let original_len = (i64::from(record.original_len) + longer).clamp(data.len() as i64, u32::MAX.into());
                Ok(Some(Frame { timestamp: record.timestamp, original_len: original_len as u32, data }))
            }
            Err(problem) => {
                self.failed = true;
                Err(CaptureError { packet, offset, problem })
            }
        }
    }

    fn position(&self) -> u64 {
        self.window.offset() + self.pending as u64
    }
}
