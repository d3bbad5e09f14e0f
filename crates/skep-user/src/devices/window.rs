//! A reader's next bytes, of which as many can be asked for as a record has.
//!
//! Memory grows only with bytes that were really there: a length field alone allocates nothing.

use std::io::{self, Read};

/// Most bytes of one record.
pub(crate) const MAX_RECORD_BYTES: u64 = 16 << 20;

const CHUNK: usize = 64 << 10;

/// The unread rest of a file, as far as it has been asked for.
#[derive(Debug)]
pub(crate) struct Window<R> {
    reader: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// File offset of `start`.
    offset: u64,
}

impl<R: Read> Window<R> {
    pub(crate) fn new(reader: R) -> Self {
        Window { reader, buffer: Vec::new(), start: 0, end: 0, offset: 0 }
    }

    /// File offset of the next byte.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next `len` bytes, or fewer at the end of the file.
    pub(crate) fn peek(&mut self, len: usize) -> io::Result<&[u8]> {
        while self.end - self.start < len && self.read_more()? {}
        let available = (self.end - self.start).min(len);
        Ok(&self.buffer[self.start..self.start + available])
    }

    /// What the last `peek` of `len` gave, again.
    pub(crate) fn peeked(&self, len: usize) -> &[u8] {
        &self.buffer[self.start..(self.start + len).min(self.end)]
    }

    /// Skips bytes that were peeked.
    pub(crate) fn skip(&mut self, len: usize) {
        let len = len.min(self.end - self.start);
        self.start += len;
        self.offset += len as u64;
    }

    fn read_more(&mut self) -> io::Result<bool> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() - self.end < CHUNK {
            self.buffer.resize(self.end + CHUNK, 0);
        }
        loop {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(count) => {
                    self.end += count.min(self.buffer.len() - self.end);
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
