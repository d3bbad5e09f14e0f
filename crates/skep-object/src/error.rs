//! What can be wrong with an object file, and where.

use std::fmt;

/// The sort of a problem, for programs; people read the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Not an ELF file, or an ELF file for another machine, class or purpose.
    NotBpf,
    /// The file ends before what its headers announce.
    Truncated,
    /// A header, symbol, relocation or record contradicts the format or another one.
    Malformed,
    /// A size is larger than what is allowed.
    TooLarge,
    /// A symbol is used and nothing defines it.
    Undefined,
    /// The BTF or BTF.ext of the object cannot be used.
    Btf,
    /// A map definition cannot be understood.
    Map,
    /// A valid object that uses something that is not supported.
    Unsupported,
}

/// Why bytes are not a usable BPF object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectError {
    /// Sort of problem.
    pub kind: ErrorKind,
    /// Section it is about, if it is about one.
    pub section: Option<String>,
    /// Byte offset in that section, or in the file where there is no section.
    pub offset: Option<u64>,
    /// What is wrong.
    pub message: String,
    /// What to do about it, if there is something to say.
    pub hint: Option<&'static str>,
}

impl ObjectError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        ObjectError { kind, section: None, offset: None, message: message.into(), hint: None }
    }

    pub(crate) fn section(mut self, name: impl Into<String>) -> Self {
        self.section = Some(name.into());
        self
    }

    pub(crate) fn offset(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    pub(crate) fn at(self, section: impl Into<String>, offset: u64) -> Self {
        self.section(section).offset(offset)
    }

    pub(crate) fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.section, self.offset) {
            (Some(section), Some(offset)) => write!(f, "section {section}, offset {offset:#x}: ")?,
            (Some(section), None) => write!(f, "section {section}: ")?,
            (None, Some(offset)) => write!(f, "file offset {offset:#x}: ")?,
            (None, None) => {}
        }
        f.write_str(&self.message)?;
        match self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ObjectError {}

pub(crate) type Result<T> = std::result::Result<T, ObjectError>;
