//! The rules of the Linux kernel's BTF checker beyond structure (`kernel/bpf/btf.c`, 6.18).

use crate::btf::Btf;
use crate::encode::type_offset;
use crate::error::{BtfError, Problem, Rule};
use crate::types::{
    Array, Composite, DataSection, DeclTag, Function, FunctionPrototype, Int, Kind, Member, StringOffset, Type, TypeId,
    Typedef, Variable, VariableLinkage,
};

/// Longest name the kernel takes, with its NUL.
const MAX_NAME: usize = 512;
/// Most bits of an integer.
const MAX_INT_BITS: u32 = 128;

pub(crate) fn validate(btf: &Btf) -> Result<(), BtfError> {
    for (id, ty) in btf.own_types() {
        let fail = |rule| Err(BtfError::at_type(type_offset(btf, id), id, Problem::Rule(rule)));
        check_name(btf, ty).or_else(fail)?;
        check_type(btf, ty).or_else(fail)?;
    }
    Ok(())
}

fn check_type(btf: &Btf, ty: &Type) -> Result<(), Rule> {
    match ty {
        Type::Int(int) => check_int(int),
        Type::Array(array) => check_array(btf, array),
        Type::Struct(c) | Type::Union(c) => check_composite(btf, ty.kind(), c),
        Type::Enum(e) => {
            check_size(Kind::Enum, e.size, &[1, 2, 4, 8])?;
            e.values.iter().try_for_each(|v| check_enumerator(btf, Kind::Enum, v.name))
        }
        Type::Enum64(e) => {
            check_size(Kind::Enum64, e.size, &[1, 2, 4, 8])?;
            e.values.iter().try_for_each(|v| check_enumerator(btf, Kind::Enum64, v.name))
        }
        Type::Float(f) => check_size(Kind::Float, f.size, &[2, 4, 8, 12, 16]),
        Type::Pointer(target) => check_target(btf, Kind::Pointer, *target),
        Type::Volatile(t) | Type::Const(t) | Type::Restrict(t) => check_modifier(btf, ty.kind(), *t),
        Type::Typedef(Typedef { target, .. }) => check_modifier(btf, Kind::Typedef, *target),
        Type::TypeTag(tag) => check_target(btf, Kind::TypeTag, tag.target),
        Type::Function(f) => check_function(btf, f),
        Type::FunctionPrototype(p) => check_prototype(btf, p),
        Type::Variable(v) => check_variable(btf, v),
        Type::DataSection(s) => check_section(btf, s),
        Type::DeclTag(t) => check_decl_tag(btf, t),
        Type::Void | Type::Forward(_) => Ok(()),
    }
}

fn check_size(kind: Kind, size: u32, allowed: &[u32]) -> Result<(), Rule> {
    if allowed.contains(&size) { Ok(()) } else { Err(Rule::Size(kind, size)) }
}

/// A letter for the kernel: its character tables are those of Latin-1.
fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte >= 0xc0 && !matches!(byte, 0xd7 | 0xf7)
}

/// An identifier as the kernel takes it: letters, digits, `_` and `.`, not starting with a digit.
fn is_identifier(name: &str) -> bool {
    let starts = |b: u8| is_letter(b) || b == b'_' || b == b'.';
    let first = name.bytes().next().is_some_and(starts);
    first && name.len() < MAX_NAME && name.bytes().all(|b| starts(b) || b.is_ascii_digit())
}

/// A section name: printable in Latin-1.
fn is_section_name(name: &str) -> bool {
    let printable = |b: u8| matches!(b, b' '..=b'~' | 0xa0..);
    !name.is_empty() && name.len() < MAX_NAME && name.bytes().all(printable)
}

fn check_name(btf: &Btf, ty: &Type) -> Result<(), Rule> {
    let (kind, name) = (ty.kind(), btf.str(ty.name()));
    let invalid = || Err(Rule::NameInvalid(kind, name.to_owned()));
    match kind {
        Kind::DeclTag | Kind::TypeTag if name.is_empty() => Err(Rule::NameMissing(kind)),
        // Names of integers hold blanks or are missing; tags hold anything.
        Kind::Int | Kind::Float | Kind::DeclTag | Kind::TypeTag => Ok(()),
        Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 if name.is_empty() => Ok(()),
        Kind::DataSection if !is_section_name(name) => invalid(),
        Kind::DataSection => Ok(()),
        Kind::Struct
        | Kind::Union
        | Kind::Enum
        | Kind::Enum64
        | Kind::Forward
        | Kind::Typedef
        | Kind::Function
        | Kind::Variable
            if !is_identifier(name) =>
        {
            invalid()
        }
        _ => Ok(()),
    }
}

fn check_enumerator(btf: &Btf, kind: Kind, name: StringOffset) -> Result<(), Rule> {
    let name = btf.str(name);
    if is_identifier(name) { Ok(()) } else { Err(Rule::NameInvalid(kind, name.to_owned())) }
}

fn check_int(int: &Int) -> Result<(), Rule> {
    let Int { size, bits, bit_offset: offset, .. } = *int;
    let used = u32::from(bits) + u32::from(offset);
    if used > size.saturating_mul(8) || used > MAX_INT_BITS {
        return Err(Rule::IntBits { bits, offset, size });
    }
    if !matches!(int.encoding.0, 0 | 1 | 2 | 4) {
        return Err(Rule::IntEncoding(int.encoding.0));
    }
    Ok(())
}

fn no_size(btf: &Btf, what: &'static str, id: TypeId) -> Rule {
    Rule::NoSize { what, id, kind: btf.resolve(id).1.kind() }
}

/// Size of a value that can be part of another: sections have a size but are no values.
fn value_size(btf: &Btf, what: &'static str, id: TypeId) -> Result<u64, Rule> {
    let size = btf.size_of(id).filter(|_| btf.resolve(id).1.kind() != Kind::DataSection);
    size.ok_or_else(|| no_size(btf, what, id))
}

/// An integer of 1, 2, 4, 8 or 16 bytes that uses all of its bits.
fn is_plain(int: &Int) -> bool {
    let whole = int.bit_offset == 0 && u32::from(int.bits) == int.size.saturating_mul(8);
    whole && matches!(int.size, 1 | 2 | 4 | 8 | 16)
}

fn check_array(btf: &Btf, array: &Array) -> Result<(), Rule> {
    if !btf.int(array.index).is_some_and(is_plain) {
        return Err(Rule::ArrayIndex(array.index));
    }
    let element = value_size(btf, "array element", array.element)?;
    if btf.int(array.element).is_some_and(|i| !is_plain(i)) {
        return Err(no_size(btf, "array element (an integer that does not use all its bits)", array.element));
    }
    match element.checked_mul(array.len.into()) {
        Some(size) if u32::try_from(size).is_ok() => Ok(()),
        _ => Err(Rule::ArraySize),
    }
}

fn check_composite(btf: &Btf, kind: Kind, composite: &Composite) -> Result<(), Rule> {
    let mut last = 0;
    for (index, member) in composite.members.iter().enumerate() {
        let name = btf.str(member.name);
        if !name.is_empty() && !is_identifier(name) {
            return Err(Rule::NameInvalid(kind, name.to_owned()));
        }
        if member.ty.is_void() {
            return Err(Rule::Member(index, "has type void"));
        }
        if kind == Kind::Union && member.bit_offset != 0 {
            return Err(Rule::Member(index, "of a union does not start at 0"));
        }
        if member.bit_offset < last {
            return Err(Rule::Member(index, "starts before the one in front of it"));
        }
        last = member.bit_offset;
        check_member(btf, composite, index, member)?;
    }
    Ok(())
}

fn check_member(btf: &Btf, composite: &Composite, index: usize, member: &Member) -> Result<(), Rule> {
    let bytes = value_size(btf, "member", member.ty)?;
    if composite.kind_flag && btf.int(member.ty).is_some_and(|i| !is_plain(i)) {
        return Err(Rule::Member(index, "has an integer type that does not use all its bits"));
    }
    let (start, bits) = match btf.bitfield(composite, member) {
        Some((start, bits)) => {
            let holds_bits = matches!(btf.resolve(member.ty).1, Type::Int(_) | Type::Enum(_) | Type::Enum64(_));
            if !holds_bits {
                return Err(Rule::Member(index, "is a bit field but neither an integer nor an enum"));
            }
            if u64::from(bits) > bytes.saturating_mul(8) {
                return Err(Rule::Member(index, "has more bits than its type"));
            }
            (start, bits.into())
        }
        None if !member.bit_offset.is_multiple_of(8) => {
            return Err(Rule::Member(index, "does not start at a byte and is no bit field"));
        }
        None => (member.bit_offset, bytes.saturating_mul(8)),
    };
    let end = u64::from(start).saturating_add(bits);
    if end > u64::from(composite.size) * 8 {
        return Err(Rule::MemberBounds { index, bit_offset: start, bits, size: composite.size });
    }
    Ok(())
}

/// Pointers and modifiers may not refer to variables, sections or declaration tags.
fn check_target(btf: &Btf, kind: Kind, id: TypeId) -> Result<(), Rule> {
    match btf.kind(id) {
        found @ (Kind::Variable | Kind::DataSection | Kind::DeclTag) => {
            Err(Rule::Reference { kind, id, found, wanted: "a type of values or a signature" })
        }
        _ => Ok(()),
    }
}

/// Type tags come first behind a pointer: the kernel refuses one behind a qualifier or typedef.
fn check_modifier(btf: &Btf, kind: Kind, target: TypeId) -> Result<(), Rule> {
    check_target(btf, kind, target)?;
    if btf.kind(target) == Kind::TypeTag { Err(Rule::TypeTagOrder) } else { Ok(()) }
}

fn check_function(btf: &Btf, function: &Function) -> Result<(), Rule> {
    let id = function.prototype;
    let Type::FunctionPrototype(prototype) = btf.ty(id) else {
        return Err(Rule::Reference { kind: Kind::Function, id, found: btf.kind(id), wanted: "a signature" });
    };
    for (index, parameter) in prototype.parameters.iter().enumerate() {
        if parameter.name.is_empty() && !parameter.ty.is_void() {
            return Err(Rule::Parameter(index, "of a function has no name"));
        }
    }
    Ok(())
}

fn check_prototype(btf: &Btf, prototype: &FunctionPrototype) -> Result<(), Rule> {
    if !prototype.ret.is_void() {
        value_size(btf, "return value", prototype.ret)?;
    }
    for (index, parameter) in prototype.parameters.iter().enumerate() {
        let name = btf.str(parameter.name);
        if parameter.ty.is_void() {
            if index + 1 < prototype.parameters.len() || !name.is_empty() {
                return Err(Rule::Parameter(index, "has type void but is not the last one without a name"));
            }
            continue;
        }
        if !name.is_empty() && !is_identifier(name) {
            return Err(Rule::NameInvalid(Kind::FunctionPrototype, name.to_owned()));
        }
        value_size(btf, "parameter", parameter.ty)?;
    }
    Ok(())
}

fn check_variable(btf: &Btf, variable: &Variable) -> Result<(), Rule> {
    if variable.ty.is_void() || matches!(btf.kind(variable.ty), Kind::Variable | Kind::DataSection) {
        let (id, found) = (variable.ty, btf.kind(variable.ty));
        return Err(Rule::Reference { kind: Kind::Variable, id, found, wanted: "a type of values" });
    }
    if variable.linkage == VariableLinkage::Extern {
        return Err(Rule::ExternVariable);
    }
    match btf.size_of(variable.ty) {
        Some(_) => Ok(()),
        None => Err(no_size(btf, "variable", variable.ty)),
    }
}

fn check_section(btf: &Btf, section: &DataSection) -> Result<(), Rule> {
    if section.size == 0 {
        return Err(Rule::Size(Kind::DataSection, 0));
    }
    let mut end = 0u64;
    for (index, entry) in section.entries.iter().enumerate() {
        let fail = |what| Err(Rule::SectionEntry(index, what));
        if !matches!(btf.kind(entry.ty), Kind::Variable | Kind::Function) {
            return fail("is neither a variable nor a function");
        }
        if u64::from(entry.offset) < end {
            return fail("overlaps the one in front of it");
        }
        if entry.size == 0 {
            return fail("has size 0");
        }
        end = u64::from(entry.offset) + u64::from(entry.size);
        if end > section.size.into() {
            return fail("ends outside the section");
        }
        if btf.kind(entry.ty) == Kind::Variable && btf.size_of(entry.ty).is_some_and(|s| s > entry.size.into()) {
            return fail("is smaller than its variable");
        }
    }
    Ok(())
}

fn check_decl_tag(btf: &Btf, tag: &DeclTag) -> Result<(), Rule> {
    let parts = match btf.ty(tag.target) {
        Type::Struct(c) | Type::Union(c) => c.members.len(),
        Type::Function(f) => match btf.ty(f.prototype) {
            Type::FunctionPrototype(p) => p.parameters.len(),
            _ => 0,
        },
        Type::Typedef(_) | Type::Variable(_) => 0,
        other => {
            let wanted = "a struct, union, typedef, variable or function";
            return Err(Rule::Reference { kind: Kind::DeclTag, id: tag.target, found: other.kind(), wanted });
        }
    };
    match tag.component {
        Some(index) if index as usize >= parts => Err(Rule::Component(index)),
        _ => Ok(()),
    }
}
