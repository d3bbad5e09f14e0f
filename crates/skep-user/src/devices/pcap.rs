//! The records of a pcap file. The file header is read by the `pcap-file` crate.

use std::io::Read;
use std::time::Duration;

use pcap_file::pcap::PcapHeader;
use pcap_file::{Endianness, TsResolution};

use super::capture::{MAX_FRAME_BYTES, Record};
use super::error::CaptureProblem;
use super::window::Window;

const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;

/// Where a pcap file is being read.
#[derive(Debug)]
pub(crate) struct Pcap {
    endianness: Endianness,
    resolution: TsResolution,
    link_type: u32,
}

impl Pcap {
    /// Reads the file header; `None` if this is no pcap file.
    pub(crate) fn open<R: Read>(window: &mut Window<R>) -> Result<Option<Pcap>, CaptureProblem> {
        let header = window.peek(FILE_HEADER)?;
        let left = header.len() as u64;
        let is_pcap = matches!(
            header,
            [0xa1, 0xb2, 0xc3, 0xd4, ..]
                | [0xa1, 0xb2, 0x3c, 0x4d, ..]
                | [0xd4, 0xc3, 0xb2, 0xa1, ..]
                | [0x4d, 0x3c, 0xb2, 0xa1, ..]
        );
        if !is_pcap {
            return Ok(None);
        }
        let Ok((_, header)) = PcapHeader::from_slice(header) else {
            return Err(CaptureProblem::Truncated { needed: FILE_HEADER as u64, left });
        };
        window.skip(FILE_HEADER);
        // The upper four bits say how long the frame check sequence is.
        let link_type = u32::from(header.datalink) & 0x0fff_ffff;
        Ok(Some(Pcap { endianness: header.endianness, resolution: header.ts_resolution, link_type }))
    }

    /// Makes the next packet the window's next bytes, after `Record::skip` others.
    pub(crate) fn next<R: Read>(&mut self, window: &mut Window<R>) -> Result<Option<Record>, CaptureProblem> {
        let header = window.peek(RECORD_HEADER)?;
        if header.is_empty() {
            return Ok(None);
        }
        let Some((words, [])) =
            header.split_first_chunk::<RECORD_HEADER>().map(|(h, rest)| (h.as_chunks::<4>().0, rest))
        else {
            return Err(CaptureProblem::Truncated { needed: RECORD_HEADER as u64, left: header.len() as u64 });
        };
        let [seconds, fraction, len, original_len] = [0, 1, 2, 3].map(|i| match self.endianness {
            Endianness::Big => u32::from_be_bytes(words[i]),
            Endianness::Little => u32::from_le_bytes(words[i]),
        });
        if len as usize > MAX_FRAME_BYTES {
            return Err(CaptureProblem::PacketTooLong(len.into()));
        }
        let size = RECORD_HEADER + len as usize;
        let left = window.peek(size)?.len();
        if left < size {
            return Err(CaptureProblem::Truncated { needed: size as u64, left: left as u64 });
        }
        let fraction = match self.resolution {
            TsResolution::MicroSecond => Duration::from_micros(fraction.into()),
            TsResolution::NanoSecond => Duration::from_nanos(fraction.into()),
        };
        Ok(Some(Record {
            size,
            data: RECORD_HEADER..size,
            timestamp: Duration::from_secs(seconds.into()) + fraction,
            original_len,
            link_type: self.link_type,
        }))
    }
}
