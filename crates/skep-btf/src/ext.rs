//! BTF.ext: which function, source line and CO-RE relocation belongs to which instruction.
//!
//! After a header, each of up to three sections starts with the size of its records; then follow groups: the name of
//! an ELF section, a count, the records (`Documentation/bpf/btf.rst`, section 4.2). Records may be longer than known:
//! what follows the known fields is skipped.

use crate::btf::Btf;
use crate::error::{BtfError, Problem, Section};
use crate::parse::{MAGIC, VERSION, check_extension, parse_preamble};
use crate::reader::{Endian, Reader, Writer};
use crate::strings::offset_problem;
use crate::types::{StringOffset, TypeId};

/// Header without the CO-RE relocations, as the oldest compilers write it.
const LEAST_HEADER_LEN: u32 = 24;
/// Header with all three sections.
const HEADER_LEN: u32 = 32;

/// A function: where it starts and its `FUNC` type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FuncInfo {
    /// Offset of its first instruction in its ELF section, in bytes.
    pub insn_offset: u32,
    /// Its `FUNC`.
    pub type_id: TypeId,
}

/// The source line that begins at an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LineInfo {
    /// Offset of the instruction in its ELF section, in bytes.
    pub insn_offset: u32,
    /// Name of the file.
    pub file_name: StringOffset,
    /// Text of the line; may be empty.
    pub line: StringOffset,
    /// Number of the line, from 1; 22 bits.
    pub line_number: u32,
    /// Column, from 1, or 0 when unknown; 10 bits.
    pub column: u16,
}

/// What a CO-RE relocation asks for; the values are the file's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum RelocationKind {
    /// Offset of a field, in bytes.
    FieldByteOffset = 0,
    /// Size of a field, in bytes.
    FieldByteSize = 1,
    /// Whether a field exists.
    FieldExists = 2,
    /// Whether a field is signed.
    FieldSigned = 3,
    /// Bits to shift left, to have a bit field at the top of 64 bits.
    FieldLeftShift = 4,
    /// Bits to shift right after that.
    FieldRightShift = 5,
    /// Id of the type in the object's BTF.
    TypeIdLocal = 6,
    /// Id of the type in the kernel's BTF.
    TypeIdTarget = 7,
    /// Whether a type exists.
    TypeExists = 8,
    /// Size of a type, in bytes.
    TypeSize = 9,
    /// Whether an enumerator exists.
    EnumeratorExists = 10,
    /// Value of an enumerator.
    EnumeratorValue = 11,
    /// Whether a type exists that matches in all members.
    TypeMatches = 12,
}

impl RelocationKind {
    /// All kinds, in order of their number.
    pub const ALL: [RelocationKind; 13] = [
        RelocationKind::FieldByteOffset,
        RelocationKind::FieldByteSize,
        RelocationKind::FieldExists,
        RelocationKind::FieldSigned,
        RelocationKind::FieldLeftShift,
        RelocationKind::FieldRightShift,
        RelocationKind::TypeIdLocal,
        RelocationKind::TypeIdTarget,
        RelocationKind::TypeExists,
        RelocationKind::TypeSize,
        RelocationKind::EnumeratorExists,
        RelocationKind::EnumeratorValue,
        RelocationKind::TypeMatches,
    ];

    /// The kind with a number, if there is one.
    pub fn from_number(number: u32) -> Option<Self> {
        RelocationKind::ALL.get(number as usize).copied()
    }

    /// Its name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            RelocationKind::FieldByteOffset => "field byte offset",
            RelocationKind::FieldByteSize => "field byte size",
            RelocationKind::FieldExists => "field exists",
            RelocationKind::FieldSigned => "field signed",
            RelocationKind::FieldLeftShift => "field left shift",
            RelocationKind::FieldRightShift => "field right shift",
            RelocationKind::TypeIdLocal => "local type id",
            RelocationKind::TypeIdTarget => "target type id",
            RelocationKind::TypeExists => "type exists",
            RelocationKind::TypeSize => "type size",
            RelocationKind::EnumeratorExists => "enumerator exists",
            RelocationKind::EnumeratorValue => "enumerator value",
            RelocationKind::TypeMatches => "type matches",
        }
    }

    /// Whether it is about a field.
    pub const fn is_field(self) -> bool {
        (self as u32) <= RelocationKind::FieldRightShift as u32
    }

    /// Whether it is about an enumerator.
    pub const fn is_enumerator(self) -> bool {
        matches!(self, RelocationKind::EnumeratorExists | RelocationKind::EnumeratorValue)
    }
}

/// A value in an instruction that depends on the kernel's types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CoreRelocation {
    /// Offset of the instruction in its ELF section, in bytes.
    pub insn_offset: u32,
    /// The type that the access starts from, in the object's BTF.
    pub type_id: TypeId,
    /// Indices of array elements and members, such as `0:1:2`.
    pub access_spec: StringOffset,
    /// What is asked for.
    pub kind: RelocationKind,
}

/// The records for one ELF section.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Group<T> {
    /// Name of the ELF section.
    pub section: StringOffset,
    /// Records, in file order.
    pub records: Vec<T>,
}

/// A BTF.ext. Type ids and string offsets are those of the [`Btf`] it was parsed with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BtfExt {
    /// Functions.
    pub functions: Vec<Group<FuncInfo>>,
    /// Source lines.
    pub lines: Vec<Group<LineInfo>>,
    /// CO-RE relocations.
    pub relocations: Vec<Group<CoreRelocation>>,
}

impl BtfExt {
    /// Reads an object's `.BTF.ext` section, in either byte order.
    ///
    /// # Errors
    /// When it is damaged, or refers to types or strings that are not in `btf`: section and byte offset are named.
    pub fn parse(bytes: &[u8], btf: &Btf) -> Result<BtfExt, BtfError> {
        let (endian, len) = parse_preamble(bytes, Section::ExtHeader, LEAST_HEADER_LEN)?;
        check_extension(bytes, Section::ExtHeader, HEADER_LEN, len)?;
        let mut header = Reader::new(Section::ExtHeader, endian, bytes);
        header.bytes(8, "header")?;
        let body = bytes.get(len as usize..).unwrap_or_default();
        let mut next = |section: Section| -> Result<Reader<'_>, BtfError> {
            let field = header.offset();
            let [start, size] = header.records::<2>(1, "header")?.next().unwrap_or_default();
            let bytes = crate::parse::section(body, section, field, start, size)
                .map_err(|e| BtfError { section: Section::ExtHeader, ..e })?;
            if !start.is_multiple_of(4) {
                return Err(BtfError::new(Section::ExtHeader, field, Problem::SectionAlignment(section)));
            }
            Ok(Reader::new(section, endian, bytes))
        };
        let functions = parse_groups(next(Section::FuncInfo)?, btf)?;
        let lines = parse_groups(next(Section::LineInfo)?, btf)?;
        let relocations = if len >= HEADER_LEN { parse_groups(next(Section::CoreRelocations)?, btf)? } else { vec![] };
        Ok(BtfExt { functions, lines, relocations })
    }

    /// Writes it.
    ///
    /// # Errors
    /// When there is more of something than the format holds.
    pub fn to_bytes(&self, endian: Endian) -> Result<Vec<u8>, BtfError> {
        let sections = [
            encode_groups(&self.functions, endian)?,
            encode_groups(&self.lines, endian)?,
            encode_groups(&self.relocations, endian)?,
        ];
        let mut out = Writer::new(endian);
        out.u16(MAGIC);
        out.u8(VERSION);
        out.u8(0);
        out.u32(HEADER_LEN);
        let mut start = 0u32;
        for section in &sections {
            let len = count("bytes", section.len())?;
            out.words(&[start, len]);
            start = start.checked_add(len).ok_or_else(|| too_many("bytes", section.len()))?;
        }
        sections.iter().for_each(|s| out.bytes.extend_from_slice(s));
        Ok(out.bytes)
    }
}

fn too_many(what: &'static str, value: usize) -> BtfError {
    let problem = Problem::TooMany { what, value: value as u64, limit: u32::MAX.into() };
    BtfError::new(Section::ExtHeader, 0, problem)
}

fn count(what: &'static str, value: usize) -> Result<u32, BtfError> {
    u32::try_from(value).map_err(|_| too_many(what, value))
}

/// A record of one of the sections.
trait Record: Sized {
    /// Words of the known fields.
    const WORDS: usize;
    fn parse(words: &[u32], btf: &Btf) -> Result<Self, Problem>;
    fn words(&self) -> [u32; 4];
}

fn insn_offset(word: u32) -> Result<u32, Problem> {
    if word.is_multiple_of(8) { Ok(word) } else { Err(Problem::InsnOffset(word)) }
}

fn type_id(word: u32, btf: &Btf) -> Result<TypeId, Problem> {
    let last = btf.type_count().saturating_sub(1);
    if word <= last { Ok(TypeId(word)) } else { Err(Problem::TypeIdRange { id: word, last }) }
}

fn string(word: u32, btf: &Btf) -> Result<StringOffset, Problem> {
    let offset = StringOffset(word);
    let problem = || offset_problem(offset, btf.strings_end() as usize);
    if btf.has_string(offset) { Ok(offset) } else { Err(problem()) }
}

impl Record for FuncInfo {
    const WORDS: usize = 2;

    fn parse(words: &[u32], btf: &Btf) -> Result<Self, Problem> {
        let [insn, ty] = *words else { return Err(truncated()) };
        Ok(FuncInfo { insn_offset: insn_offset(insn)?, type_id: type_id(ty, btf)? })
    }

    fn words(&self) -> [u32; 4] {
        [self.insn_offset, self.type_id.0, 0, 0]
    }
}

impl Record for LineInfo {
    const WORDS: usize = 4;

    fn parse(words: &[u32], btf: &Btf) -> Result<Self, Problem> {
        let [insn, file, line, place] = *words else { return Err(truncated()) };
        Ok(LineInfo {
            insn_offset: insn_offset(insn)?,
            file_name: string(file, btf)?,
            line: string(line, btf)?,
            line_number: place >> 10,
            column: (place & 0x3ff) as u16,
        })
    }

    fn words(&self) -> [u32; 4] {
        let place = self.line_number << 10 | u32::from(self.column & 0x3ff);
        [self.insn_offset, self.file_name.0, self.line.0, place]
    }
}

impl Record for CoreRelocation {
    const WORDS: usize = 4;

    fn parse(words: &[u32], btf: &Btf) -> Result<Self, Problem> {
        let [insn, ty, spec, kind] = *words else { return Err(truncated()) };
        Ok(CoreRelocation {
            insn_offset: insn_offset(insn)?,
            type_id: type_id(ty, btf)?,
            access_spec: string(spec, btf)?,
            kind: RelocationKind::from_number(kind).ok_or(Problem::RelocationKind(kind))?,
        })
    }

    fn words(&self) -> [u32; 4] {
        [self.insn_offset, self.type_id.0, self.access_spec.0, self.kind as u32]
    }
}

fn truncated() -> Problem {
    Problem::Truncated { what: "record", needed: 4, available: 0 }
}

fn parse_groups<T: Record>(mut reader: Reader<'_>, btf: &Btf) -> Result<Vec<Group<T>>, BtfError> {
    let section = reader.section();
    let mut groups = Vec::new();
    if reader.is_empty() {
        return Ok(groups);
    }
    let least = T::WORDS as u32 * 4;
    let size = reader.u32("record size")?;
    if size < least || !size.is_multiple_of(4) {
        return Err(BtfError::new(section, 0, Problem::RecordSize { size, least }));
    }
    while !reader.is_empty() {
        let start = reader.offset();
        let at = |offset, problem| BtfError::new(section, offset, problem);
        let name = string(reader.u32("group")?, btf).map_err(|p| at(start, p))?;
        let count = reader.u32("group")?;
        if count == 0 {
            return Err(at(start, Problem::EmptyGroup(btf.str(name).to_owned())));
        }
        // Each record takes `size` bytes, so a lie about the count cannot make this allocate more than the input.
        let mut records = Vec::with_capacity((count as usize).min(reader.remaining() / size as usize));
        for _ in 0..count {
            let start = reader.offset();
            let mut record = reader.part(size as usize, "record")?;
            let mut words = [0; 4];
            for word in words.iter_mut().take(T::WORDS) {
                *word = record.u32("record")?;
            }
            let known = words.get(..T::WORDS).unwrap_or_default();
            records.push(T::parse(known, btf).map_err(|p| at(start, p))?);
        }
        groups.push(Group { section: name, records });
    }
    Ok(groups)
}

fn encode_groups<T: Record>(groups: &[Group<T>], endian: Endian) -> Result<Vec<u8>, BtfError> {
    let mut out = Writer::new(endian);
    for group in groups.iter().filter(|g| !g.records.is_empty()) {
        if out.bytes.is_empty() {
            out.u32(T::WORDS as u32 * 4);
        }
        out.words(&[group.section.0, count("records", group.records.len())?]);
        for record in &group.records {
            out.words(record.words().get(..T::WORDS).unwrap_or_default());
        }
    }
    Ok(out.bytes)
}

impl BtfExt {
    /// The same information about types and strings with other numbers, as after merging or dedup. `None` if some
    /// string has no new number.
    pub fn renumbered(
        &self,
        type_id: impl Fn(TypeId) -> TypeId,
        mut string: impl FnMut(StringOffset) -> Option<StringOffset>,
    ) -> Option<BtfExt> {
        let mut new = self.clone();
        for group in &mut new.functions {
            group.section = string(group.section)?;
            group.records.iter_mut().for_each(|r| r.type_id = type_id(r.type_id));
        }
        for group in &mut new.lines {
            group.section = string(group.section)?;
            for record in &mut group.records {
                record.file_name = string(record.file_name)?;
                record.line = string(record.line)?;
            }
        }
        for group in &mut new.relocations {
            group.section = string(group.section)?;
            for record in &mut group.records {
                record.type_id = type_id(record.type_id);
                record.access_spec = string(record.access_spec)?;
            }
        }
        Some(new)
    }
}
