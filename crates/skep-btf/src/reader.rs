//! Reading and writing integers in either byte order, with every read checked.

use crate::error::{BtfError, Problem, Section};

/// Byte order of a BTF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endian {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl Endian {
    /// The byte order of this machine.
    pub const NATIVE: Endian = if cfg!(target_endian = "little") { Endian::Little } else { Endian::Big };
}

impl Default for Endian {
    fn default() -> Self {
        Endian::NATIVE
    }
}

/// A position in a section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    section: Section,
    endian: Endian,
    data: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(section: Section, endian: Endian, data: &'a [u8]) -> Self {
        Reader { section, endian, data, offset: 0 }
    }

    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    pub(crate) fn section(&self) -> Section {
        self.section
    }

    /// A reader over the next `len` bytes.
    pub(crate) fn part(&mut self, len: usize, what: &'static str) -> Result<Reader<'a>, BtfError> {
        let data = self.bytes(len, what)?;
        Ok(Reader { data, offset: 0, ..*self })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.offset >= self.data.len()
    }

    pub(crate) fn remaining(&self) -> usize {
        self.data.len().saturating_sub(self.offset)
    }

    pub(crate) fn bytes(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], BtfError> {
        let taken = self.offset.checked_add(len).and_then(|end| self.data.get(self.offset..end));
        let Some(taken) = taken else {
            let problem = Problem::Truncated { what, needed: len as u64, available: self.remaining() as u64 };
            return Err(BtfError::new(self.section, self.offset, problem));
        };
        self.offset += len;
        Ok(taken)
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, BtfError> {
        Ok(self.array::<1>(what)?[0])
    }

    pub(crate) fn u16(&mut self, what: &'static str) -> Result<u16, BtfError> {
        let b = self.array(what)?;
        Ok(if self.endian == Endian::Little { u16::from_le_bytes(b) } else { u16::from_be_bytes(b) })
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, BtfError> {
        let b = self.array(what)?;
        Ok(if self.endian == Endian::Little { u32::from_le_bytes(b) } else { u32::from_be_bytes(b) })
    }

    /// `count` records of `N` words each.
    pub(crate) fn records<const N: usize>(
        &mut self,
        count: usize,
        what: &'static str,
    ) -> Result<impl ExactSizeIterator<Item = [u32; N]> + use<'a, N>, BtfError> {
        let bytes = self.bytes(count.saturating_mul(N * 4), what)?;
        let endian = self.endian;
        Ok(bytes.chunks_exact(N * 4).map(move |record| {
            let mut words = [0; N];
            for (word, bytes) in words.iter_mut().zip(record.as_chunks::<4>().0) {
                *word = if endian == Endian::Little { u32::from_le_bytes(*bytes) } else { u32::from_be_bytes(*bytes) };
            }
            words
        }))
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], BtfError> {
        let mut out = [0; N];
        out.copy_from_slice(self.bytes(N, what)?);
        Ok(out)
    }
}

/// Bytes being written.
#[derive(Debug)]
pub(crate) struct Writer {
    endian: Endian,
    pub(crate) bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn new(endian: Endian) -> Self {
        Writer { endian, bytes: Vec::new() }
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        let b = if self.endian == Endian::Little { value.to_le_bytes() } else { value.to_be_bytes() };
        self.bytes.extend_from_slice(&b);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        let b = if self.endian == Endian::Little { value.to_le_bytes() } else { value.to_be_bytes() };
        self.bytes.extend_from_slice(&b);
    }

    pub(crate) fn words(&mut self, values: &[u32]) {
        for value in values {
            self.u32(*value);
        }
    }
}
