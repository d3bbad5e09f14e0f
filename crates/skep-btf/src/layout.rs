//! Sizes, alignments, members and what stands at an offset.
//!
//! All walks end because of the invariants of [`Btf`].

use crate::btf::Btf;
use crate::types::{Composite, Int, Member, Type, TypeId};
use std::collections::{HashMap, HashSet};

/// A named member found by [`Btf::find_member`] or [`Btf::members`], with its place in the outermost struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Index of the member in its own struct, and before it those of the anonymous members around it.
    pub path: Vec<usize>,
    /// Type, as declared.
    pub ty: TypeId,
    /// Offset in bits from the start of the outermost struct.
    pub bit_offset: u64,
    /// Number of bits if it is a bit field.
    pub bits: Option<u8>,
}

impl Field {
    /// Offset in bytes (of the byte with the first bit, for a bit field).
    pub fn byte_offset(&self) -> u64 {
        self.bit_offset / 8
    }
}

/// A step from a type into a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Into the member with this index.
    Member(usize),
    /// Into the element with this index.
    Element(u32),
}

/// What stands at an offset of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldAt {
    /// The way there, outermost first.
    pub steps: Vec<Step>,
    /// Type of the innermost field, as declared.
    pub ty: TypeId,
    /// Bytes between the start of that field and the offset asked for.
    pub remainder: u32,
    /// Bit offset of the field, from the start of the outermost type.
    pub bit_offset: u64,
    /// Number of bits if it is a bit field.
    pub bits: Option<u8>,
}

/// Most members that [`Btf::members`] yields: hostile BTF can nest anonymous unions so that there are 2^256.
pub const MAX_FLAT_MEMBERS: usize = 1 << 18;

impl Btf {
    /// Bytes of a pointer: what the size of `long` says, or 8.
    pub fn pointer_size(&self) -> u32 {
        let is_long = |int: &Int| {
            matches!(self.str(int.name), "long unsigned int" | "unsigned long" | "long int" | "long")
                && matches!(int.size, 4 | 8)
        };
        if let Some(base) = &self.base {
            return base.pointer_size();
        }
        let long = self.own_types().find_map(|(_, t)| match t {
            Type::Int(int) if is_long(int) => Some(int.size),
            _ => None,
        });
        long.unwrap_or(8)
    }

    /// The type behind typedefs, qualifiers and type tags.
    pub fn skip_modifiers(&self, mut id: TypeId) -> TypeId {
        while let Some(next) = self.ty(id).modified() {
            id = next;
        }
        id
    }

    /// The type behind qualifiers and type tags; a typedef stays.
    pub fn skip_qualifiers(&self, mut id: TypeId) -> TypeId {
        while let Some(next) = self.ty(id).qualified() {
            id = next;
        }
        id
    }

    /// The type behind typedefs, qualifiers and type tags, and its id.
    pub fn resolve(&self, id: TypeId) -> (TypeId, &Type) {
        let id = self.skip_modifiers(id);
        (id, self.ty(id))
    }

    /// Size of a value in bytes; `None` where there are no values (`void`, functions, forward declarations) and when
    /// it overflows 64 bits.
    pub fn size_of(&self, mut id: TypeId) -> Option<u64> {
        let mut count = 1u64;
        loop {
            let size = match self.resolve(id).1 {
                Type::Int(t) => t.size,
                Type::Float(t) => t.size,
                Type::Enum(t) => t.size,
                Type::Enum64(t) => t.size,
                Type::Struct(t) | Type::Union(t) => t.size,
                Type::DataSection(t) => t.size,
                Type::Pointer(_) => self.pointer_size(),
                Type::Array(a) => {
                    count = count.checked_mul(a.len.into())?;
                    id = a.element;
                    continue;
                }
                Type::Variable(v) => {
                    id = v.ty;
                    continue;
                }
                _ => return None,
            };
            return count.checked_mul(size.into());
        }
    }

    /// Alignment in bytes that a compiler gives a type; 1 for a packed struct. `None` as for [`Btf::size_of`].
    pub fn align_of(&self, id: TypeId) -> Option<u32> {
        let word = self.pointer_size();
        // 128-bit integers and floats are aligned to 16 where pointers have 8 bytes, else to the word.
        let natural = |size: u32| size.clamp(1, if word == 8 { 16 } else { word });
        match self.resolve(id).1 {
            Type::Int(t) => Some(natural(t.size.checked_next_power_of_two()?)),
            Type::Float(t) => Some(natural(t.size.checked_next_power_of_two()?)),
            Type::Enum(t) => Some(natural(t.size)),
            Type::Enum64(t) => Some(natural(t.size)),
            Type::Pointer(_) => Some(word),
            Type::Array(a) => self.align_of(a.element),
            Type::Variable(v) => self.align_of(v.ty),
            Type::Struct(c) | Type::Union(c) => self.align_of_composite(c, &mut HashMap::new()),
            _ => None,
        }
    }

    /// The largest alignment of a member, or 1 when some member or the size shows that the struct is packed.
    fn align_of_composite(&self, composite: &Composite, known: &mut HashMap<TypeId, u32>) -> Option<u32> {
        let mut align = 1;
        for member in &composite.members {
            let mut id = self.skip_modifiers(member.ty);
            while let Type::Array(a) = self.ty(id) {
                id = self.skip_modifiers(a.element);
            }
            let of_member = match (known.get(&id), self.ty(id)) {
                (Some(known), _) => *known,
                (None, Type::Struct(c) | Type::Union(c)) => {
                    let align = self.align_of_composite(c, known)?;
                    known.insert(id, align);
                    align
                }
                _ => self.align_of(id)?,
            };
            if self.bitfield(composite, member).is_none() && !member.bit_offset.is_multiple_of(of_member * 8) {
                return Some(1);
            }
            align = align.max(of_member);
        }
        Some(if composite.size.is_multiple_of(align) { align } else { 1 })
    }

    /// The integer a type resolves to, if it is one.
    pub fn int(&self, id: TypeId) -> Option<&Int> {
        match self.resolve(id).1 {
            Type::Int(int) => Some(int),
            _ => None,
        }
    }

    /// Bit offset (in the struct) and number of bits of a member that is a bit field, in either form of the file:
    /// size in the member, or in the bits of its integer.
    pub fn bitfield(&self, composite: &Composite, member: &Member) -> Option<(u32, u8)> {
        if composite.kind_flag {
            return (member.bitfield_size != 0).then_some((member.bit_offset, member.bitfield_size));
        }
        let int = self.int(member.ty)?;
        let whole = int.bit_offset == 0 && u32::from(int.bits) == int.size.saturating_mul(8);
        // Older compilers also leave whole-looking integers at bit positions inside a byte.
        if whole && member.bit_offset.is_multiple_of(8) {
            return None;
        }
        Some((member.bit_offset.saturating_add(int.bit_offset.into()), int.bits))
    }

    /// The member with a name, looked for inside anonymous structs and unions as well.
    pub fn find_member(&self, id: TypeId, name: &str) -> Option<Field> {
        let mut path = Vec::new();
        let mut seen = HashSet::new();
        self.find_in(self.skip_modifiers(id), name, 0, &mut path, &mut seen)
    }

    fn find_in(
        &self,
        id: TypeId,
        name: &str,
        start: u64,
        path: &mut Vec<usize>,
        seen: &mut HashSet<TypeId>,
    ) -> Option<Field> {
        let composite = self.ty(id).composite()?;
        if !seen.insert(id) {
            return None;
        }
        for (index, member) in composite.members.iter().enumerate() {
            path.push(index);
            if member.name.is_empty() {
                let inner = start + u64::from(member.bit_offset);
                let found = self.find_in(self.skip_modifiers(member.ty), name, inner, path, seen);
                if found.is_some() {
                    return found;
                }
            } else if self.str(member.name) == name {
                return Some(self.field(composite, member, start, path.clone()));
            }
            path.pop();
        }
        None
    }

    fn field(&self, composite: &Composite, member: &Member, start: u64, path: Vec<usize>) -> Field {
        let (bit_offset, bits) = match self.bitfield(composite, member) {
            Some((offset, bits)) => (offset, Some(bits)),
            None => (member.bit_offset, None),
        };
        Field { path, ty: member.ty, bit_offset: start + u64::from(bit_offset), bits }
    }

    /// All named members of a struct or union, with those of anonymous structs and unions in their place; at most
    /// [`MAX_FLAT_MEMBERS`].
    pub fn members(&self, id: TypeId) -> impl Iterator<Item = Field> + '_ {
        // Open structs: id, start in bits, next member.
        let mut open = vec![(self.skip_modifiers(id), 0u64, 0usize)];
        let step = move || loop {
            let depth = open.len();
            let (id, start, next) = open.last_mut()?;
            let Some(composite) = self.ty(*id).composite() else {
                open.pop();
                continue;
            };
            let Some(member) = composite.members.get(*next) else {
                open.pop();
                continue;
            };
            *next += 1;
            let start = *start;
            let inner = self.skip_modifiers(member.ty);
            if member.name.is_empty() && self.ty(inner).composite().is_some() {
                open.push((inner, start + u64::from(member.bit_offset), 0));
                continue;
            }
            let path = open.iter().take(depth).map(|(_, _, next)| next - 1).collect();
            return Some(self.field(composite, member, start, path));
        };
        std::iter::from_fn(step).filter(move |f| !self.member_name(id, &f.path).is_empty()).take(MAX_FLAT_MEMBERS)
    }

    /// The name of the member at the end of a path of member indices.
    pub fn member_name(&self, id: TypeId, path: &[usize]) -> &str {
        let mut id = id;
        let mut name = "";
        for index in path {
            let member = self.resolve(id).1.composite().and_then(|c| c.members.get(*index));
            let Some(member) = member else { return "" };
            name = self.str(member.name);
            id = member.ty;
        }
        name
    }

    /// The innermost field that covers a byte offset, the first one in a union.
    ///
    /// `None` when the offset is in padding or outside. A flexible array at the end of a struct has no end.
    pub fn field_at(&self, id: TypeId, byte_offset: u32) -> Option<FieldAt> {
        let mut at = FieldAt { steps: Vec::new(), ty: id, remainder: byte_offset, bit_offset: 0, bits: None };
        if u64::from(byte_offset) >= self.size_of(id)? && !self.is_flexible(id) {
            return None;
        }
        while at.bits.is_none() {
            match self.resolve(at.ty).1 {
                Type::Struct(c) | Type::Union(c) => self.step_into_member(c, &mut at)?,
                Type::Array(a) => {
                    let size = u32::try_from(self.size_of(a.element)?).ok().filter(|s| *s > 0)?;
                    let index = at.remainder / size;
                    at.steps.push(Step::Element(index));
                    at.bit_offset += u64::from(index) * u64::from(size) * 8;
                    at.remainder %= size;
                    at.ty = a.element;
                }
                _ => break,
            }
        }
        Some(at)
    }

    fn step_into_member(&self, composite: &Composite, at: &mut FieldAt) -> Option<()> {
        let wanted = u64::from(at.remainder) * 8;
        let covers = |(index, member): (usize, &Member)| {
            let (start, bits, bit_field) = match self.bitfield(composite, member) {
                Some((start, bits)) => (u64::from(start), u64::from(bits), Some(bits)),
                None => (u64::from(member.bit_offset), self.size_of(member.ty)?.checked_mul(8)?, None),
            };
            let last = index + 1 == composite.members.len();
            let open_end = last && bit_field.is_none() && self.is_flexible(member.ty);
            // A bit field covers each byte that holds one of its bits.
            let covered =
                start < wanted + 8 && (wanted < start + bits || open_end) && (start <= wanted || bit_field.is_some());
            covered.then_some((index, member.ty, start, bit_field))
        };
        let (index, ty, start, bits) = composite.members.iter().enumerate().find_map(covers)?;
        at.steps.push(Step::Member(index));
        at.ty = ty;
        at.remainder = u32::try_from(wanted.saturating_sub(start) / 8).ok()?;
        at.bit_offset += start;
        at.bits = bits;
        Some(())
    }

    /// Whether a type is a flexible array, or a struct that ends in one.
    pub fn is_flexible(&self, mut id: TypeId) -> bool {
        loop {
            match self.resolve(id).1 {
                Type::Array(a) => return a.len == 0,
                Type::Struct(c) => match c.members.last() {
                    Some(last) => id = last.ty,
                    None => return false,
                },
                _ => return false,
            }
        }
    }

    /// A path in C's words: `a.b[3].c`. Anonymous members are left out.
    pub fn path_text(&self, id: TypeId, steps: &[Step]) -> String {
        let (mut id, mut text) = (id, String::new());
        for step in steps {
            match (step, self.resolve(id).1) {
                (Step::Member(index), Type::Struct(c) | Type::Union(c)) => {
                    let Some(member) = c.members.get(*index) else { break };
                    if !member.name.is_empty() {
                        text.push_str(if text.is_empty() { "" } else { "." });
                        text.push_str(self.str(member.name));
                    }
                    id = member.ty;
                }
                (Step::Element(index), Type::Array(a)) => {
                    text.push_str(&format!("[{index}]"));
                    id = a.element;
                }
                _ => break,
            }
        }
        text
    }
}
