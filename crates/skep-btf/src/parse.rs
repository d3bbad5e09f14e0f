//! From bytes to [`Btf`].

use crate::btf::Btf;
use crate::error::{BtfError, Problem, Section};
use crate::reader::{Endian, Reader};
use crate::strings::StringTable;
use crate::types::{
    Array, Composite, DataSection, DeclTag, Enum, Enum64, Enumerator, Enumerator64, Float, Forward, Function,
    FunctionLinkage, FunctionPrototype, Int, IntEncoding, Kind, Member, Parameter, SectionEntry, StringOffset, Type,
    TypeId, TypeTag, Typedef, Variable, VariableLinkage,
};
use std::sync::Arc;

/// The first two bytes of BTF and BTF.ext, in its byte order.
pub(crate) const MAGIC: u16 = 0xeb9f;
/// The only version.
pub(crate) const VERSION: u8 = 1;
/// Bytes of the header.
pub(crate) const HEADER_LEN: u32 = 24;
/// Bit that says that members carry a bit-field size, values are signed, and so on.
const KIND_FLAG: u32 = 1 << 31;
/// Bits of `info` with a meaning: vlen, kind, kind flag.
const INFO_MASK: u32 = KIND_FLAG | 0x1f00_ffff;
/// Most types: ids have to fit 31 bits so that indices never overflow.
const MAX_TYPES: u32 = i32::MAX as u32;

pub(crate) fn parse(bytes: &[u8], base: Option<Arc<Btf>>) -> Result<Btf, BtfError> {
    let layout = Layout::parse(bytes)?;
    if base.as_ref().is_some_and(|b| b.endian != layout.endian) {
        return Err(BtfError::new(Section::Header, 0, Problem::BaseEndian));
    }
    let strings = StringTable::parse(layout.strings, base.is_some())?;
    let first = base.as_ref().map_or(1, |b| b.end());
    let mut types = if base.is_none() { vec![Type::Void] } else { Vec::new() };
    // A type takes 12 bytes at least; the usual mean is about 25.
    types.reserve(layout.types.len() / 20);
    let mut reader = Reader::new(Section::Types, layout.endian, layout.types);
    let mut id = first;
    while !reader.is_empty() {
        let start = reader.offset();
        if id >= MAX_TYPES {
            let problem = Problem::TooMany { what: "types", value: id.into(), limit: MAX_TYPES.into() };
            return Err(BtfError::at_type(start, TypeId(id), problem));
        }
        let ty = parse_type(&mut reader).map_err(|e| BtfError { type_id: Some(TypeId(id)), ..e })?;
        types.push(ty);
        id += 1;
    }
    let btf = Btf::assemble(layout.endian, base, types, strings);
    crate::structure::check(&btf)?;
    Ok(btf)
}

/// The sections that a header describes.
struct Layout<'a> {
    endian: Endian,
    types: &'a [u8],
    strings: &'a [u8],
}

impl<'a> Layout<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, BtfError> {
        let (endian, header_len) = parse_preamble(bytes, Section::Header, HEADER_LEN)?;
        let mut header = Reader::new(Section::Header, endian, bytes);
        header.bytes(8, "header")?;
        let [type_off, type_len, str_off, str_len] = header.records::<4>(1, "header")?.next().unwrap_or_default();
        check_extension(bytes, Section::Header, HEADER_LEN, header_len)?;
        let body = bytes.get(header_len as usize..).unwrap_or_default();
        let types = section(body, Section::Types, 8, type_off, type_len)?;
        let strings = section(body, Section::Strings, 16, str_off, str_len)?;
        let overlap = u64::from(type_off) < u64::from(str_off) + u64::from(str_len)
            && u64::from(str_off) < u64::from(type_off) + u64::from(type_len);
        if type_len > 0 && str_len > 0 && overlap {
            return Err(BtfError::new(Section::Header, 8, Problem::SectionOverlap));
        }
        if !type_off.is_multiple_of(4) {
            return Err(BtfError::new(Section::Header, 8, Problem::SectionAlignment(Section::Types)));
        }
        Ok(Layout { endian, types, strings })
    }
}

/// Checks what the headers of BTF and BTF.ext share: magic, version, flags, length. Yields byte order and length.
pub(crate) fn parse_preamble(bytes: &[u8], section: Section, least: u32) -> Result<(Endian, u32), BtfError> {
    let error = |offset, problem| Err(BtfError::new(section, offset, problem));
    let magic = Reader::new(section, Endian::Little, bytes).u16("magic number")?;
    let endian = match magic {
        MAGIC => Endian::Little,
        _ if magic.swap_bytes() == MAGIC => Endian::Big,
        _ => return error(0, Problem::Magic(magic)),
    };
    let mut header = Reader::new(section, endian, bytes);
    header.u16("magic number")?;
    let version = header.u8("version")?;
    if version != VERSION {
        return error(2, Problem::Version(version));
    }
    let flags = header.u8("flags")?;
    if flags != 0 {
        return error(3, Problem::Flags(flags));
    }
    let len = header.u32("header length")?;
    if len < least {
        return error(4, Problem::HeaderLength(len, least));
    }
    Reader::new(section, endian, bytes).bytes(len as usize, "header")?;
    Ok((endian, len))
}

/// Checks that the bytes of a header beyond those known are zero.
pub(crate) fn check_extension(bytes: &[u8], section: Section, known: u32, len: u32) -> Result<(), BtfError> {
    let extension = bytes.get(known as usize..len as usize).unwrap_or_default();
    match extension.iter().position(|b| *b != 0) {
        Some(at) => Err(BtfError::new(section, known as usize + at, Problem::HeaderExtension(len - known))),
        None => Ok(()),
    }
}

/// Takes a section out of what follows the header; `field` is where the header gives its place.
pub(crate) fn section(body: &[u8], which: Section, field: usize, start: u32, len: u32) -> Result<&[u8], BtfError> {
    let end = (start as usize).checked_add(len as usize);
    end.and_then(|end| body.get(start as usize..end)).ok_or_else(|| {
        let problem = Problem::SectionBounds { section: which, start, len, available: body.len() as u64 };
        BtfError::new(Section::Header, field, problem)
    })
}

/// The three words that start every type.
struct Head {
    offset: usize,
    kind: Kind,
    name: StringOffset,
    vlen: u16,
    kind_flag: bool,
    size_or_type: u32,
}

impl Head {
    fn error<T>(&self, problem: Problem) -> Result<T, BtfError> {
        Err(BtfError::new(Section::Types, self.offset, problem))
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Head, BtfError> {
        let offset = reader.offset();
        let [name, info, size_or_type] = reader.records::<3>(1, "type")?.next().unwrap_or_default();
        let number = (info >> 24 & 0x1f) as u8;
        let error = |problem| BtfError::new(Section::Types, offset, problem);
        let kind = Kind::from_number(number).filter(|k| *k != Kind::Void);
        let kind = kind.ok_or_else(|| error(Problem::UnknownKind(number)))?;
        if info & !INFO_MASK != 0 {
            return Err(error(Problem::ReservedBits("the info word")));
        }
        let (vlen, kind_flag) = ((info & 0xffff) as u16, info & KIND_FLAG != 0);
        let head = Head { offset, kind, name: StringOffset(name), vlen, kind_flag, size_or_type };
        head.check_shape()?;
        Ok(head)
    }

    /// Fields that mean nothing for a kind have to be zero, else writing would lose them.
    fn check_shape(&self) -> Result<(), BtfError> {
        let kind = self.kind;
        let counts = matches!(
            kind,
            Kind::Struct
                | Kind::Union
                | Kind::Enum
                | Kind::Enum64
                | Kind::FunctionPrototype
                | Kind::DataSection
                | Kind::Function
        );
        if !counts && self.vlen != 0 {
            return self.error(Problem::UnexpectedVlen(kind, self.vlen));
        }
        let flagged = matches!(
            kind,
            Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 | Kind::Forward | Kind::DeclTag | Kind::TypeTag
        );
        if !flagged && self.kind_flag {
            return self.error(Problem::UnexpectedKindFlag(kind));
        }
        if matches!(kind, Kind::Array | Kind::Forward) && self.size_or_type != 0 {
            return self.error(Problem::UnexpectedSize(kind, self.size_or_type));
        }
        let nameless = matches!(
            kind,
            Kind::Pointer | Kind::Array | Kind::Volatile | Kind::Const | Kind::Restrict | Kind::FunctionPrototype
        );
        if nameless && !self.name.is_empty() {
            return self.error(Problem::Rule(crate::error::Rule::NameUnexpected(kind)));
        }
        Ok(())
    }
}

fn parse_type(reader: &mut Reader<'_>) -> Result<Type, BtfError> {
    let head = Head::parse(reader)?;
    let (name, target) = (head.name, TypeId(head.size_or_type));
    Ok(match head.kind {
        Kind::Void => Type::Void,
        Kind::Int => parse_int(reader, &head)?,
        Kind::Pointer => Type::Pointer(target),
        Kind::Array => {
            let [element, index, len] = reader.records::<3>(1, "array")?.next().unwrap_or_default();
            Type::Array(Array { element: TypeId(element), index: TypeId(index), len })
        }
        Kind::Struct => Type::Struct(parse_composite(reader, &head)?),
        Kind::Union => Type::Union(parse_composite(reader, &head)?),
        Kind::Enum => parse_enum(reader, &head)?,
        Kind::Enum64 => parse_enum64(reader, &head)?,
        Kind::Forward => Type::Forward(Forward { name, union: head.kind_flag }),
        Kind::Typedef => Type::Typedef(Typedef { name, target }),
        Kind::Volatile => Type::Volatile(target),
        Kind::Const => Type::Const(target),
        Kind::Restrict => Type::Restrict(target),
        Kind::Function => parse_function(&head)?,
        Kind::FunctionPrototype => {
            let records = reader.records::<2>(head.vlen.into(), "function parameters")?;
            let parameters = records.map(|[n, t]| Parameter { name: StringOffset(n), ty: TypeId(t) }).collect();
            Type::FunctionPrototype(FunctionPrototype { ret: target, parameters })
        }
        Kind::Variable => parse_variable(reader, &head)?,
        Kind::DataSection => {
            let records = reader.records::<3>(head.vlen.into(), "section entries")?;
            let entries = records.map(|[t, offset, size]| SectionEntry { ty: TypeId(t), offset, size }).collect();
            Type::DataSection(DataSection { name, size: head.size_or_type, entries })
        }
        Kind::Float => Type::Float(Float { name, size: head.size_or_type }),
        Kind::DeclTag => parse_decl_tag(reader, &head)?,
        Kind::TypeTag => Type::TypeTag(TypeTag { name, target, attribute: head.kind_flag }),
    })
}

fn parse_int(reader: &mut Reader<'_>, head: &Head) -> Result<Type, BtfError> {
    let data = reader.u32("integer")?;
    if data & 0xf000_ff00 != 0 {
        return head.error(Problem::ReservedBits("the integer's encoding word"));
    }
    Ok(Type::Int(Int {
        name: head.name,
        size: head.size_or_type,
        encoding: IntEncoding((data >> 24) as u8),
        bit_offset: (data >> 16) as u8,
        bits: data as u8,
    }))
}

fn parse_composite(reader: &mut Reader<'_>, head: &Head) -> Result<Composite, BtfError> {
    let records = reader.records::<3>(head.vlen.into(), "members")?;
    let member = |[name, ty, offset]: [u32; 3]| {
        let (bit_offset, bitfield_size) =
            if head.kind_flag { (offset & 0xff_ffff, (offset >> 24) as u8) } else { (offset, 0) };
        Member { name: StringOffset(name), ty: TypeId(ty), bit_offset, bitfield_size }
    };
    let members = records.map(member).collect();
    Ok(Composite { name: head.name, size: head.size_or_type, kind_flag: head.kind_flag, members })
}

fn parse_enum(reader: &mut Reader<'_>, head: &Head) -> Result<Type, BtfError> {
    let records = reader.records::<2>(head.vlen.into(), "enum values")?;
    let values = records.map(|[name, value]| Enumerator { name: StringOffset(name), value }).collect();
    Ok(Type::Enum(Enum { name: head.name, size: head.size_or_type, signed: head.kind_flag, values }))
}

fn parse_enum64(reader: &mut Reader<'_>, head: &Head) -> Result<Type, BtfError> {
    let records = reader.records::<3>(head.vlen.into(), "enum values")?;
    let value = |[name, low, high]: [u32; 3]| Enumerator64 {
        name: StringOffset(name),
        value: u64::from(high) << 32 | u64::from(low),
    };
    let values = records.map(value).collect();
    Ok(Type::Enum64(Enum64 { name: head.name, size: head.size_or_type, signed: head.kind_flag, values }))
}

fn parse_function(head: &Head) -> Result<Type, BtfError> {
    let linkage = match head.vlen {
        0 => FunctionLinkage::Static,
        1 => FunctionLinkage::Global,
        2 => FunctionLinkage::Extern,
        other => return head.error(Problem::Linkage(other.into())),
    };
    Ok(Type::Function(Function { name: head.name, prototype: TypeId(head.size_or_type), linkage }))
}

fn parse_variable(reader: &mut Reader<'_>, head: &Head) -> Result<Type, BtfError> {
    let linkage = match reader.u32("variable")? {
        0 => VariableLinkage::Static,
        1 => VariableLinkage::Global,
        2 => VariableLinkage::Extern,
        other => return head.error(Problem::Linkage(other)),
    };
    Ok(Type::Variable(Variable { name: head.name, ty: TypeId(head.size_or_type), linkage }))
}

fn parse_decl_tag(reader: &mut Reader<'_>, head: &Head) -> Result<Type, BtfError> {
    let index = reader.u32("declaration tag")? as i32;
    let component = match index {
        -1 => None,
        _ => match u32::try_from(index) {
            Ok(index) => Some(index),
            Err(_) => return head.error(Problem::ComponentIndex(index)),
        },
    };
    let target = TypeId(head.size_or_type);
    Ok(Type::DeclTag(DeclTag { name: head.name, target, component, attribute: head.kind_flag }))
}
