//! What can be wrong with BTF, and where.

use crate::types::{Kind, TypeId};
use std::fmt;

/// Part of a BTF or BTF.ext.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Section {
    /// Header of BTF.
    Header,
    /// Types.
    Types,
    /// Strings.
    Strings,
    /// Header of BTF.ext.
    ExtHeader,
    /// Function information in BTF.ext.
    FuncInfo,
    /// Line information in BTF.ext.
    LineInfo,
    /// CO-RE relocations in BTF.ext.
    CoreRelocations,
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Section::Header => "BTF header",
            Section::Types => "BTF type section",
            Section::Strings => "BTF string section",
            Section::ExtHeader => "BTF.ext header",
            Section::FuncInfo => "BTF.ext func_info section",
            Section::LineInfo => "BTF.ext line_info section",
            Section::CoreRelocations => "BTF.ext core_relo section",
        })
    }
}

/// BTF that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct BtfError {
    /// Where.
    pub section: Section,
    /// Byte offset in that section.
    pub offset: usize,
    /// The type concerned, if it is one.
    pub type_id: Option<TypeId>,
    /// What is wrong.
    pub problem: Problem,
}

impl fmt::Display for BtfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, offset {:#x}", self.section, self.offset)?;
        if let Some(id) = self.type_id {
            write!(f, ", type {id}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl BtfError {
    pub(crate) fn new(section: Section, offset: usize, problem: Problem) -> Self {
        BtfError { section, offset, type_id: None, problem }
    }

    pub(crate) fn at_type(offset: usize, id: TypeId, problem: Problem) -> Self {
        BtfError { section: Section::Types, offset, type_id: Some(id), problem }
    }
}

/// What is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The bytes end too soon.
    #[error("{what} needs {needed} bytes, {available} are left: the data is cut off or a length is wrong")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Bytes it takes.
        needed: u64,
        /// Bytes there are.
        available: u64,
    },
    /// Not BTF.
    #[error("magic number is {0:#06x}, not 0xeb9f: this is not BTF")]
    Magic(u16),
    /// A later version.
    #[error("version {0} is not supported, only version 1 is")]
    Version(u8),
    /// Header flags.
    #[error("header flags {0:#x} are not known")]
    Flags(u8),
    /// The header says it is shorter than any header.
    #[error("header length {0} is less than the least, {1}")]
    HeaderLength(u32, u32),
    /// A longer header than known with content.
    #[error("header has {0} bytes beyond the known ones and they are not zero: a newer BTF than this tool knows")]
    HeaderExtension(u32),
    /// A section that is outside the data.
    #[error("{section} at {start:#x} of {len} bytes does not fit into the {available} bytes after the header")]
    SectionBounds {
        /// Which.
        section: Section,
        /// Start, from the end of the header.
        start: u32,
        /// Length.
        len: u32,
        /// Bytes after the header.
        available: u64,
    },
    /// Sections that overlap.
    #[error("the type section and the string section overlap")]
    SectionOverlap,
    /// A section that must start on a 4-byte boundary.
    #[error("{0} does not start at a multiple of 4")]
    SectionAlignment(Section),
    /// Strings that do not start with NUL.
    #[error("the string section does not start with the empty string")]
    FirstString,
    /// Strings that do not end with NUL.
    #[error("the string section does not end with a NUL byte")]
    LastString,
    /// Too much of it.
    #[error("{what}: {value} is more than the limit, {limit}")]
    TooMany {
        /// What.
        what: &'static str,
        /// How many.
        value: u64,
        /// Limit.
        limit: u64,
    },
    /// A type kind this version does not know.
    #[error("kind {0} is not known: a newer BTF than this tool knows, or damaged data")]
    UnknownKind(u8),
    /// Bits that have to be zero.
    #[error("reserved bits of {0} are not zero")]
    ReservedBits(&'static str),
    /// A vlen where there is nothing to count.
    #[error("{0} with vlen {1}, which has to be 0")]
    UnexpectedVlen(Kind, u16),
    /// A kind flag where it means nothing.
    #[error("{0} with the kind flag set, which means nothing there")]
    UnexpectedKindFlag(Kind),
    /// A size or type field that has to be zero.
    #[error("{0} with size or type {1}, which has to be 0")]
    UnexpectedSize(Kind, u32),
    /// Linkage number.
    #[error("linkage {0} is not known")]
    Linkage(u32),
    /// Component index of a declaration tag below -1.
    #[error("component index {0} of a declaration tag is less than -1")]
    ComponentIndex(i32),
    /// A name outside the strings.
    #[error("string offset {offset:#x} is outside the {len} bytes of strings, or inside a character")]
    StringOffset {
        /// The offset.
        offset: u32,
        /// Bytes of strings, with those of the base.
        len: u32,
    },
    /// A reference to a type there is not.
    #[error("refers to type [{id}], but types end at [{last}]")]
    TypeIdRange {
        /// The reference.
        id: u32,
        /// Last type.
        last: u32,
    },
    /// A type that contains itself, or a pointer to itself without a name.
    #[error("contains itself by way of type {0}: only a pointer to a struct or union may close a cycle")]
    Cycle(TypeId),
    /// Nested too deep.
    #[error("is nested deeper than {0} types")]
    Depth(u32),
    /// Breaks a rule of the kernel's checker.
    #[error("{0}")]
    Rule(Rule),
    /// Record size in BTF.ext.
    #[error("record size {size} is wrong: at least {least} and a multiple of 4")]
    RecordSize {
        /// As given.
        size: u32,
        /// Least.
        least: u32,
    },
    /// An instruction offset between two slots.
    #[error("instruction offset {0} is not a multiple of 8")]
    InsnOffset(u32),
    /// A group of records without records.
    #[error("a group of records for section {0:?} is empty")]
    EmptyGroup(String),
    /// CO-RE relocation kind.
    #[error("CO-RE relocation kind {0} is not known")]
    RelocationKind(u32),
    /// A split BTF whose base has the other byte order.
    #[error("byte order differs from that of the base BTF")]
    BaseEndian,
}

/// Rules of the Linux kernel's BTF checker (`kernel/bpf/btf.c`, 6.18) beyond structure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    /// A name is needed.
    #[error("{0} without a name")]
    NameMissing(Kind),
    /// No name may be there.
    #[error("{0} with a name")]
    NameUnexpected(Kind),
    /// Not an identifier.
    #[error("{1:?} is not a valid name for {0}")]
    NameInvalid(Kind, String),
    /// Integer bits.
    #[error("integer with {bits} bits at bit {offset} in {size} bytes: bits must fit and be at most 128")]
    IntBits {
        /// Bits.
        bits: u8,
        /// Offset.
        offset: u8,
        /// Size.
        size: u32,
    },
    /// Integer encoding.
    #[error("integer encoding {0:#x}: at most one of signed, character and boolean may be set")]
    IntEncoding(u8),
    /// Size of an enum, float, or the like.
    #[error("{0} of {1} bytes")]
    Size(Kind, u32),
    /// Element, member, parameter of a type that has no size.
    #[error("{what} has type {id} ({kind}), which has no size")]
    NoSize {
        /// What.
        what: &'static str,
        /// Its type.
        id: TypeId,
        /// Kind of that.
        kind: Kind,
    },
    /// Index of an array.
    #[error("array index has type {0}, which is not a plain integer")]
    ArrayIndex(TypeId),
    /// Array size.
    #[error("size of the array overflows 32 bits")]
    ArraySize,
    /// A member beyond the end.
    #[error("member {index} at bit {bit_offset} with {bits} bits is outside the {size} bytes of its struct or union")]
    MemberBounds {
        /// Number of the member.
        index: usize,
        /// Where it starts.
        bit_offset: u32,
        /// How long it is.
        bits: u64,
        /// Bytes of the struct.
        size: u32,
    },
    /// A member that is not where members may be.
    #[error("member {0}: {1}")]
    Member(usize, &'static str),
    /// A reference to a wrong kind.
    #[error("{kind} refers to {id}, which is {found}: {wanted} is wanted")]
    Reference {
        /// Kind of the type.
        kind: Kind,
        /// Reference.
        id: TypeId,
        /// What it is.
        found: Kind,
        /// What it should be.
        wanted: &'static str,
    },
    /// Linkage that only objects have.
    #[error("variable is extern: a loader has to resolve it before the kernel takes the BTF")]
    ExternVariable,
    /// Section entries.
    #[error("entry {0} of the section: {1}")]
    SectionEntry(usize, &'static str),
    /// Parameter.
    #[error("parameter {0}: {1}")]
    Parameter(usize, &'static str),
    /// Declaration tag.
    #[error("component index {0} of the declaration tag is out of range")]
    Component(u32),
    /// A type tag chain after a modifier.
    #[error("type tag after a modifier: type tags have to stand before const, volatile and restrict")]
    TypeTagOrder,
}
