//! From [`Btf`] to bytes.

use crate::btf::Btf;
use crate::error::{BtfError, Problem, Section};
use crate::parse::{HEADER_LEN, MAGIC, VERSION};
use crate::reader::{Endian, Writer};
use crate::types::{Composite, Kind, Member, Type, TypeId};

pub(crate) fn encode(btf: &Btf, endian: Endian) -> Result<Vec<u8>, BtfError> {
    let mut types = Writer::new(endian);
    for (id, ty) in btf.own_types() {
        let start = types.bytes.len();
        encode_type(&mut types, ty).map_err(|problem| BtfError::at_type(start, id, problem))?;
    }
    let strings = btf.strings.bytes();
    let type_len = length(&types.bytes, "bytes of types")?;
    let str_len = length(strings, "bytes of strings")?;
    let mut out = Writer::new(endian);
    out.u16(MAGIC);
    out.u8(VERSION);
    out.u8(0);
    out.words(&[HEADER_LEN, 0, type_len, type_len, str_len]);
    out.bytes.extend_from_slice(&types.bytes);
    out.bytes.extend_from_slice(strings);
    Ok(out.bytes)
}

fn length(bytes: &[u8], what: &'static str) -> Result<u32, BtfError> {
    let too_many = Problem::TooMany { what, value: bytes.len() as u64, limit: u32::MAX.into() };
    u32::try_from(bytes.len()).map_err(|_| BtfError::new(Section::Header, 0, too_many))
}

/// Bytes that a type takes in a file.
pub(crate) fn encoded_len(ty: &Type) -> usize {
    12 + match ty {
        Type::Int(_) | Type::Variable(_) | Type::DeclTag(_) => 4,
        Type::Array(_) => 12,
        Type::Struct(c) | Type::Union(c) => c.members.len() * 12,
        Type::Enum(e) => e.values.len() * 8,
        Type::Enum64(e) => e.values.len() * 12,
        Type::FunctionPrototype(p) => p.parameters.len() * 8,
        Type::DataSection(s) => s.entries.len() * 12,
        _ => 0,
    }
}

/// Where a type starts in the type section.
pub(crate) fn type_offset(btf: &Btf, id: TypeId) -> usize {
    btf.own_types().take_while(|(own, _)| *own < id).map(|(_, ty)| encoded_len(ty)).sum()
}

fn vlen(what: &'static str, count: usize) -> Result<u32, Problem> {
    match u16::try_from(count) {
        Ok(count) => Ok(count.into()),
        Err(_) => Err(Problem::TooMany { what, value: count as u64, limit: u16::MAX.into() }),
    }
}

fn head(out: &mut Writer, ty: &Type, vlen: u32, kind_flag: bool, size_or_type: u32) {
    let info = vlen | (ty.kind() as u32) << 24 | u32::from(kind_flag) << 31;
    out.words(&[ty.name().0, info, size_or_type]);
}

fn encode_type(out: &mut Writer, ty: &Type) -> Result<(), Problem> {
    match ty {
        Type::Void => return Err(Problem::UnknownKind(Kind::Void as u8)),
        Type::Int(t) => {
            head(out, ty, 0, false, t.size);
            out.u32(u32::from(t.encoding.0 & 0xf) << 24 | u32::from(t.bit_offset) << 16 | u32::from(t.bits));
        }
        Type::Pointer(t) | Type::Volatile(t) | Type::Const(t) | Type::Restrict(t) => head(out, ty, 0, false, t.0),
        Type::Array(a) => {
            head(out, ty, 0, false, 0);
            out.words(&[a.element.0, a.index.0, a.len]);
        }
        Type::Struct(c) | Type::Union(c) => encode_composite(out, ty, c)?,
        Type::Enum(e) => {
            head(out, ty, vlen("enum values", e.values.len())?, e.signed, e.size);
            e.values.iter().for_each(|v| out.words(&[v.name.0, v.value]));
        }
        Type::Enum64(e) => {
            head(out, ty, vlen("enum values", e.values.len())?, e.signed, e.size);
            e.values.iter().for_each(|v| out.words(&[v.name.0, v.value as u32, (v.value >> 32) as u32]));
        }
        Type::Forward(t) => head(out, ty, 0, t.union, 0),
        Type::Typedef(t) => head(out, ty, 0, false, t.target.0),
        Type::Function(t) => head(out, ty, t.linkage as u32, false, t.prototype.0),
        Type::FunctionPrototype(p) => {
            head(out, ty, vlen("parameters", p.parameters.len())?, false, p.ret.0);
            p.parameters.iter().for_each(|p| out.words(&[p.name.0, p.ty.0]));
        }
        Type::Variable(v) => {
            head(out, ty, 0, false, v.ty.0);
            out.u32(v.linkage as u32);
        }
        Type::DataSection(s) => {
            head(out, ty, vlen("section entries", s.entries.len())?, false, s.size);
            s.entries.iter().for_each(|e| out.words(&[e.ty.0, e.offset, e.size]));
        }
        Type::Float(t) => head(out, ty, 0, false, t.size),
        Type::DeclTag(t) => {
            head(out, ty, 0, t.attribute, t.target.0);
            out.u32(t.component.unwrap_or(u32::MAX));
        }
        Type::TypeTag(t) => head(out, ty, 0, t.attribute, t.target.0),
    }
    Ok(())
}

fn encode_composite(out: &mut Writer, ty: &Type, composite: &Composite) -> Result<(), Problem> {
    head(out, ty, vlen("members", composite.members.len())?, composite.kind_flag, composite.size);
    for member in &composite.members {
        let offset = member_offset(member, composite.kind_flag)?;
        out.words(&[member.name.0, member.ty.0, offset]);
    }
    Ok(())
}

fn member_offset(member: &Member, kind_flag: bool) -> Result<u32, Problem> {
    let value = member.bit_offset.into();
    match (kind_flag, member.bitfield_size) {
        (false, 0) => Ok(member.bit_offset),
        (false, _) => Err(Problem::ReservedBits("a bit field in a struct without the kind flag")),
        (true, _) if value > 0xff_ffff => {
            Err(Problem::TooMany { what: "bit offset in a struct with bit fields", value, limit: 0xff_ffff })
        }
        (true, size) => Ok(member.bit_offset | u32::from(size) << 24),
    }
}
