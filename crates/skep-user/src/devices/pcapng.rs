//! The blocks of a pcapng file (IETF draft-ietf-opsawg-pcapng).
//!
//! Read here rather than by the `pcap-file` crate, which refuses files for options that do not matter (a comment that is
//! not UTF-8, `if_tzone`) and takes every time stamp for nanoseconds.

use std::io::Read;
use std::ops::Range;
use std::time::Duration;

use super::capture::{MAX_FRAME_BYTES, Record};
use super::error::CaptureProblem;
use super::window::{MAX_RECORD_BYTES, Window};

/// Most interfaces of a section.
pub(crate) const MAX_INTERFACES: usize = 65_536;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

const OPTION_END: u16 = 0;
const OPTION_TIME_RESOLUTION: u16 = 9;
const OPTION_TIME_OFFSET: u16 = 14;

/// Block type and length, before the body; the length again after it.
const BLOCK_START: usize = 8;
const BLOCK_FRAME: usize = 12;

/// An interface as its block describes it.
#[derive(Debug)]
struct Interface {
    link_type: u32,
    snap_len: u32,
    ticks_per_second: u64,
    offset_seconds: i64,
}

/// Where a pcapng file is being read.
#[derive(Debug)]
pub(crate) struct PcapNg {
    big_endian: bool,
    interfaces: Vec<Interface>,
}

/// Numbers at places in a block's body.
struct Body<'a> {
    bytes: &'a [u8],
    big_endian: bool,
    block: &'static str,
}

impl Body<'_> {
    fn array<const N: usize>(&self, at: usize) -> Result<[u8; N], CaptureProblem> {
        let bytes = self.bytes.get(at..).and_then(|rest| rest.first_chunk::<N>());
        let mut array = *bytes.ok_or(self.bad("it is too short"))?;
        if self.big_endian {
            array.reverse();
        }
        Ok(array)
    }

    fn half(&self, at: usize) -> Result<u16, CaptureProblem> {
        self.array(at).map(u16::from_le_bytes)
    }

    fn word(&self, at: usize) -> Result<u32, CaptureProblem> {
        self.array(at).map(u32::from_le_bytes)
    }

    fn bad(&self, why: &'static str) -> CaptureProblem {
        CaptureProblem::BadBlock { block: self.block, why }
    }
}

impl PcapNg {
    /// `None` if this is no pcapng file. Nothing is skipped: the section header is the first block.
    pub(crate) fn open<R: Read>(window: &mut Window<R>) -> Result<Option<PcapNg>, CaptureProblem> {
        let is_pcapng = window.peek(4)? == SECTION_HEADER.to_be_bytes();
        Ok(is_pcapng.then_some(PcapNg { big_endian: false, interfaces: Vec::new() }))
    }

    /// Goes through blocks up to the next packet, which becomes the window's next bytes.
    pub(crate) fn next<R: Read>(&mut self, window: &mut Window<R>) -> Result<Option<Record>, CaptureProblem> {
        while let Some((kind, size)) = self.next_block(window)? {
            let bytes = &window.peeked(size)[BLOCK_START..size - 4];
            let body = Body { bytes, big_endian: self.big_endian, block: block_name(kind) };
            let record = match kind {
                SECTION_HEADER => {
                    self.interfaces.clear();
                    None
                }
                INTERFACE => {
                    let interface = read_interface(&body)?;
                    if self.interfaces.len() == MAX_INTERFACES {
                        return Err(CaptureProblem::TooManyInterfaces);
                    }
                    self.interfaces.push(interface);
                    None
                }
                ENHANCED_PACKET => Some(self.packet(&body, body.word(0)?)?),
                OBSOLETE_PACKET => Some(self.packet(&body, body.half(0)?.into())?),
                SIMPLE_PACKET => Some(self.simple_packet(&body)?),
                _ => None,
            };
            match record {
                Some(record) => return Ok(Some(Record { size, ..record })),
                None => window.skip(size),
            }
        }
        Ok(None)
    }

    /// Type and size of the block that begins at the window; all of it is there.
    fn next_block<R: Read>(&mut self, window: &mut Window<R>) -> Result<Option<(u32, usize)>, CaptureProblem> {
        let start = window.peek(BLOCK_FRAME)?;
        if start.is_empty() {
            return Ok(None);
        }
        let Some((&[t0, t1, t2, t3, l0, l1, l2, l3, magic @ ..], [])) = start.split_first_chunk::<BLOCK_FRAME>() else {
            return Err(CaptureProblem::Truncated { needed: BLOCK_FRAME as u64, left: start.len() as u64 });
        };
        // The section header's type reads the same both ways, and the magic after its length tells the order.
        if [t0, t1, t2, t3] == SECTION_HEADER.to_be_bytes() {
            self.big_endian = match magic {
                [0x1a, 0x2b, 0x3c, 0x4d] => true,
                [0x4d, 0x3c, 0x2b, 0x1a] => false,
                _ => return Err(CaptureProblem::BadBlock { block: "section header", why: "wrong byte-order magic" }),
            };
        }
        let number = if self.big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
        let (kind, size) = (number([t0, t1, t2, t3]), number([l0, l1, l2, l3]));
        let bad = |why| CaptureProblem::BadBlock { block: block_name(kind), why };
        if u64::from(size) > MAX_RECORD_BYTES {
            return Err(CaptureProblem::BlockTooLong(size.into()));
        }
        if (size as usize) < BLOCK_FRAME || !size.is_multiple_of(4) {
            return Err(bad("its length is below 12 or no multiple of 4"));
        }
        let size = size as usize;
        let block = window.peek(size)?;
        if block.len() < size {
            return Err(CaptureProblem::Truncated { needed: size as u64, left: block.len() as u64 });
        }
        if block.last_chunk::<4>() != Some(&[l0, l1, l2, l3]) {
            return Err(bad("the lengths at its beginning and end differ"));
        }
        Ok(Some((kind, size)))
    }

    /// An enhanced packet, or an obsolete one: they differ in how wide the interface's number is.
    fn packet(&self, body: &Body<'_>, interface: u32) -> Result<Record, CaptureProblem> {
        const DATA: usize = 20;
        let described = self.interface(interface)?;
        let ticks = u64::from(body.word(4)?) << 32 | u64::from(body.word(8)?);
        Ok(Record {
            size: 0,
            data: packet_range(body, DATA, body.word(12)?)?,
            timestamp: described.time(ticks)?,
            original_len: body.word(16)?,
            link_type: described.link_type,
        })
    }

    /// A packet of the first interface, without a time.
    fn simple_packet(&self, body: &Body<'_>) -> Result<Record, CaptureProblem> {
        const DATA: usize = 4;
        let described = self.interface(0)?;
        let original_len = body.word(0)?;
        let snap_len = if described.snap_len == 0 { u32::MAX } else { described.snap_len };
        let data = packet_range(body, DATA, original_len.min(snap_len))?;
        Ok(Record { size: 0, data, timestamp: Duration::ZERO, original_len, link_type: described.link_type })
    }

    fn interface(&self, number: u32) -> Result<&Interface, CaptureProblem> {
        self.interfaces.get(number as usize).ok_or(CaptureProblem::NoSuchInterface(number))
    }
}

/// Where in the block a packet's bytes are.
fn packet_range(body: &Body<'_>, at: usize, len: u32) -> Result<Range<usize>, CaptureProblem> {
    let len = len as usize;
    if len > MAX_FRAME_BYTES {
        return Err(CaptureProblem::PacketTooLong(len as u64));
    }
    if body.bytes.len() < at + len {
        return Err(body.bad("the packet is longer than the block"));
    }
    Ok(BLOCK_START + at..BLOCK_START + at + len)
}

fn read_interface(body: &Body<'_>) -> Result<Interface, CaptureProblem> {
    let mut interface = Interface {
        link_type: body.half(0)?.into(),
        snap_len: body.word(4)?,
        ticks_per_second: 1_000_000,
        offset_seconds: 0,
    };
    let mut at: usize = 8;
    // Four bytes at least: some writers leave out the end of options.
    while at + 4 <= body.bytes.len() {
        let (code, len) = (body.half(at)?, usize::from(body.half(at + 2)?));
        match (code, len) {
            (OPTION_END, _) => break,
            (OPTION_TIME_RESOLUTION, 1) => {
                let [resolution] = body.array(at + 4)?;
                interface.ticks_per_second = ticks_per_second(resolution).ok_or(CaptureProblem::TimeOutOfRange)?;
            }
            (OPTION_TIME_OFFSET, 8) => interface.offset_seconds = i64::from_le_bytes(body.array(at + 4)?),
            _ => {}
        }
        at += 4 + len.next_multiple_of(4);
    }
    Ok(interface)
}

/// `if_tsresol`: a negative power of two where the highest bit is set, else of ten.
fn ticks_per_second(resolution: u8) -> Option<u64> {
    let exponent = u32::from(resolution & 0x7f);
    if resolution & 0x80 != 0 { 1_u64.checked_shl(exponent) } else { 10_u64.checked_pow(exponent) }
}

impl Interface {
    fn time(&self, ticks: u64) -> Result<Duration, CaptureProblem> {
        let seconds = (ticks / self.ticks_per_second).checked_add_signed(self.offset_seconds);
        let fraction = u128::from(ticks % self.ticks_per_second) * 1_000_000_000 / u128::from(self.ticks_per_second);
        // The fraction is below one second.
        seconds.map(|seconds| Duration::new(seconds, fraction as u32)).ok_or(CaptureProblem::TimeOutOfRange)
    }
}

fn block_name(kind: u32) -> &'static str {
    match kind {
        SECTION_HEADER => "section header",
        INTERFACE => "interface description",
        OBSOLETE_PACKET => "packet",
        SIMPLE_PACKET => "simple packet",
        ENHANCED_PACKET => "enhanced packet",
        _ => "unknown",
    }
}
