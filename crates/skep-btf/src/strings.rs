//! The string section: read only, and while it is being built.

use crate::error::{BtfError, Problem, Section};
use crate::types::StringOffset;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// The strings of one BTF (without those of its base).
///
/// Invariant: when not empty, `text` ends with NUL. Bytes that are not UTF-8 (source lines in old encodings) show
/// as `?` in `text`, one for one, so that offsets stay; `original` then keeps the bytes as they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StringTable {
    text: String,
    original: Option<Box<[u8]>>,
}

impl StringTable {
    /// Takes over a string section. Only the first BTF, not a split one, has to start with the empty string.
    pub(crate) fn parse(bytes: &[u8], split: bool) -> Result<Self, BtfError> {
        let error = |offset, problem| Err(BtfError::new(Section::Strings, offset, problem));
        if bytes.is_empty() && split {
            return Ok(StringTable::default());
        }
        if !split && bytes.first() != Some(&0) {
            return error(0, Problem::FirstString);
        }
        if bytes.last() != Some(&0) {
            return error(bytes.len().saturating_sub(1), Problem::LastString);
        }
        Ok(match std::str::from_utf8(bytes) {
            Ok(text) => StringTable { text: text.to_owned(), original: None },
            Err(_) => StringTable { text: readable(bytes), original: Some(bytes.into()) },
        })
    }

    pub(crate) fn from_text(text: String) -> Self {
        StringTable { text, original: None }
    }

    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.original.as_deref().unwrap_or(self.text.as_bytes())
    }

    /// The string that starts at an offset of this table.
    pub(crate) fn get(&self, offset: usize) -> Option<&str> {
        let rest = self.text.as_bytes().get(offset..)?;
        let len = rest.iter().position(|b| *b == 0)?;
        self.text.get(offset..offset + len)
    }

    /// Whether an offset is inside and at the start of a character.
    pub(crate) fn is_start(&self, offset: usize) -> bool {
        offset < self.text.len() && self.text.is_char_boundary(offset)
    }
}

/// The bytes with a question mark for each one that is not part of valid UTF-8.
fn readable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(std::iter::repeat_n('?', chunk.invalid().len()));
    }
    text
}

/// A string section being built, in which every string stands once.
#[derive(Clone, Debug)]
pub(crate) struct StringInterner {
    text: String,
    hasher: RandomState,
    /// Offsets of the strings with a hash.
    seen: HashMap<u64, Vec<u32>>,
}

impl Default for StringInterner {
    fn default() -> Self {
        StringInterner::new(true)
    }
}

impl StringInterner {
    /// An empty section; with the empty string at its start unless it continues that of a base.
    pub(crate) fn new(empty_first: bool) -> Self {
        let text = if empty_first { "\0".to_owned() } else { String::new() };
        StringInterner { text, hasher: RandomState::new(), seen: HashMap::new() }
    }

    /// The offset of a string, added if it is new; the text is cut at a NUL byte.
    /// `None` when the section would no longer fit 32-bit offsets.
    pub(crate) fn intern(&mut self, text: &str) -> Option<u32> {
        let text = text.split('\0').next().unwrap_or_default();
        let hash = self.hasher.hash_one(text);
        let offsets = self.seen.entry(hash).or_default();
        let all = self.text.as_bytes();
        let found = offsets.iter().copied().find(|o| {
            let rest = all.get(*o as usize..).unwrap_or_default();
            rest.starts_with(text.as_bytes()) && rest.get(text.len()) == Some(&0)
        });
        if found.is_some() {
            return found;
        }
        let offset = u32::try_from(self.text.len()).ok()?;
        u32::try_from(self.text.len() + text.len() + 1).ok()?;
        self.text.push_str(text);
        self.text.push('\0');
        offsets.push(offset);
        Some(offset)
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// What is wrong with a reference to a string, if anything.
pub(crate) fn offset_problem(offset: StringOffset, len: usize) -> Problem {
    Problem::StringOffset { offset: offset.0, len: u32::try_from(len).unwrap_or(u32::MAX) }
}
