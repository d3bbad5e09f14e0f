//! What lies at an offset in a kernel struct: the way from struct to member to element, as the kernel's BTF has it.
//!
//! Source: `btf_struct_walk` in `kernel/bpf/btf.c` of Linux 6.18, whose messages these are.

use crate::domain::register::PointerFlags;
use crate::refusal::{Check, EFAULT, EINVAL, Refusal, denied};
use skep_btf::{Btf, Composite, Member, Type, TypeId};

/// How deep structs may lie in each other; more than any kernel has.
const MAX_DEPTH: usize = 64;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found<'b> {
    /// A number.
    Number,
    /// An address of something that is no struct.
    Address,
    /// A pointer to a struct.
    Object {
        /// The struct.
        id: TypeId,
        /// The name of the member that holds the pointer.
        member: &'b str,
        /// What the type tag of the pointer and the unions on the way say.
        flags: PointerFlags,
    },
    /// The start of a struct.
    Struct(TypeId),
}

/// A place in a struct.
struct Place {
    id: TypeId,
    offset: u32,
    size: u32,
    flags: PointerFlags,
}

/// What an access of `size` bytes at `offset` finds, through all structs that begin there.
pub(crate) fn walk(btf: &Btf, id: TypeId, offset: u32, size: u32) -> Check<Found<'_>> {
    let mut place = Place { id, offset, size, flags: PointerFlags::empty() };
    for _ in 0..MAX_DEPTH {
        match step(btf, &mut place)? {
            Found::Struct(inner) => (place.id, place.offset) = (inner, 0),
            found => return Ok(found),
        }
    }
    Err(Refusal::new(EINVAL, "structs lie too deep in each other"))
}

/// One way down: to a number, a pointer, or the first struct that begins at the place.
fn step<'b>(btf: &'b Btf, place: &mut Place) -> Check<Found<'b>> {
    for _ in 0..MAX_DEPTH {
        let (id, ty) = btf.resolve(place.id);
        let (composite, union) = match ty {
            Type::Struct(composite) => (composite, false),
            Type::Union(composite) => (composite, true),
            _ => return Err(Refusal::new(EINVAL, format!("Type '{}' is not a struct", btf.name(id)))),
        };
        // Which member of a union counts is not known; with one there is no doubt.
        if union && composite.members.len() != 1 {
            place.flags |= PointerFlags::UNTRUSTED;
        }
        if u64::from(place.offset) + u64::from(place.size) > u64::from(composite.size) {
            match beyond(btf, id, composite, place)? {
                None => return Ok(Found::Number),
                Some((element, offset)) => (place.id, place.offset) = (element, offset),
            }
            continue;
        }
        match member_at(btf, id, composite, place)? {
            Below::Found(found) => return Ok(found),
            Below::Inside(inner, offset) => (place.id, place.offset) = (inner, offset),
        }
    }
    Err(Refusal::new(EINVAL, "structs lie too deep in each other"))
}

/// Past the end of a struct there may be the elements of its last member, an array without length: numbers, or a
/// struct and the offset in it.
fn beyond(btf: &Btf, id: TypeId, composite: &Composite, place: &Place) -> Check<Option<(TypeId, u32)>> {
    let Place { offset, size, .. } = *place;
    let refused = || denied(format!("access beyond struct {} at off {offset} size {size}", btf.name(id)));
    let Some(last) = composite.members.last() else { return refused() };
    let Type::Array(array) = btf.resolve(last.ty).1 else { return refused() };
    let start = last.bit_offset / 8;
    if array.len != 0 || offset < start {
        return refused();
    }
    let (element, ty) = btf.resolve(array.element);
    match ty {
        Type::Int(_) => Ok(None),
        Type::Struct(inner) | Type::Union(inner) if inner.size > 0 => {
            Ok(Some((element, (offset - start) % inner.size)))
        }
        _ => refused(),
    }
}

/// What was found in a struct's members.
enum Below<'b> {
    Found(Found<'b>),
    /// Something that begins before the place, in this struct, at that offset.
    Inside(TypeId, u32),
}

fn member_at<'b>(btf: &'b Btf, id: TypeId, composite: &'b Composite, place: &Place) -> Check<Below<'b>> {
    let (name, offset, end) = (btf.name(id), place.offset, place.offset.saturating_add(place.size));
    for member in &composite.members {
        let start = member.bit_offset / 8;
        if end <= start {
            break;
        }
        if let Some((bits, count)) = btf.bitfield(composite, member) {
            let last = bits.saturating_add(count.into()).div_ceil(8);
            if offset <= start && last <= end {
                return Ok(Below::Found(Found::Number));
            }
            continue;
        }
        if offset < start {
            break;
        }
        if let Some(found) = inside_member(btf, id, member, place)? {
            return Ok(found);
        }
    }
    Err(Refusal::new(EINVAL, format!("struct {name} doesn't have field at offset {offset}")))
}

/// What of a member lies at the place; `None` if it ends before.
fn inside_member<'b>(btf: &'b Btf, id: TypeId, member: &Member, place: &Place) -> Check<Option<Below<'b>>> {
    let Place { offset, size, flags, .. } = *place;
    let (outer, name) = (btf.name(id), btf.str(member.name));
    let mut start = member.bit_offset / 8;
    let bytes = btf.size_of(member.ty).and_then(|bytes| u32::try_from(bytes).ok());
    let bytes = bytes.ok_or_else(|| Refusal::new(EFAULT, format!("field {name} doesn't have size")))?;
    let end = start.saturating_add(bytes);
    if offset >= end {
        return Ok(None);
    }
    let (mut inner, mut ty) = btf.resolve(member.ty);
    let mut bytes = bytes;
    while let Type::Array(array) = ty {
        (inner, ty) = btf.resolve(array.element);
        bytes = btf.size_of(inner).and_then(|bytes| u32::try_from(bytes).ok()).unwrap_or(0);
    }
    if bytes == 0 {
        return Ok(None);
    }
    start += (offset - start) / bytes * bytes;
    Ok(Some(match ty {
        Type::Struct(_) | Type::Union(_) if offset == start => Below::Found(Found::Struct(inner)),
        Type::Struct(_) | Type::Union(_) => Below::Inside(inner, offset - start),
        Type::Pointer(target) => {
            if (size, offset) != (bytes, start) {
                return denied(format!(
                    "cannot access ptr member {name} with moff {start} in struct {outer} with off {offset} size {size}"
                ));
            }
            let (object, pointee) = btf.resolve(*target);
            Below::Found(match pointee {
                Type::Struct(_) | Type::Union(_) => {
                    Found::Object { id: object, member: name, flags: flags | tag_flags(btf, *target) }
                }
                _ => Found::Address,
            })
        }
        _ if offset.saturating_add(size) > end && !flags.contains(PointerFlags::UNTRUSTED) => {
            return denied(format!(
                "access beyond the end of member {name} (mend:{end}) in struct {outer} with off {offset} size {size}"
            ));
        }
        _ => Below::Found(Found::Number),
    }))
}

/// What the type tag of a pointer says of what it points to.
pub(crate) fn tag_flags(btf: &Btf, target: TypeId) -> PointerFlags {
    let Type::TypeTag(tag) = btf.ty(target) else { return PointerFlags::empty() };
    match btf.str(tag.name) {
        "user" => PointerFlags::USER,
        "percpu" => PointerFlags::PER_CPU,
        "rcu" => PointerFlags::RCU,
        _ => PointerFlags::empty(),
    }
}
