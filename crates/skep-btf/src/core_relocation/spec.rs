//! The path of a relocation: read from the object, found again in the kernel's types.

use super::compare::{fields_are_compatible, types_are_compatible, types_match};
use crate::btf::{Btf, essential_name};
use crate::ext::{CoreRelocation, RelocationKind};
use crate::types::{Type, TypeId};

/// Longest path, as in libbpf.
const MAX_PATH: usize = 64;

/// A step of a path, with anonymous structs and unions left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accessor {
    /// Element of an array, or of the array that the first index goes into.
    Element {
        /// Type of the element.
        element: TypeId,
        /// Number of the element.
        index: u32,
    },
    /// Member of a struct or union.
    Member {
        /// The struct or union.
        parent: TypeId,
        /// Number of the member.
        index: usize,
    },
    /// Enumerator.
    Enumerator {
        /// The enum.
        parent: TypeId,
        /// Number of the enumerator.
        index: usize,
    },
}

/// A path through the types of one BTF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    pub(crate) kind: RelocationKind,
    pub(crate) root: TypeId,
    pub(crate) accessors: Vec<Accessor>,
    /// Offset in bits from the start of the root.
    pub(crate) bit_offset: u64,
}

type Parsed<T> = Result<T, &'static str>;

impl Spec {
    /// Reads the path that a compiler wrote.
    pub(crate) fn parse(btf: &Btf, relocation: &CoreRelocation) -> Parsed<Spec> {
        let (kind, root) = (relocation.kind, relocation.type_id);
        let text = btf.str(relocation.access_spec);
        let mut spec = Spec { kind, root, accessors: Vec::new(), bit_offset: 0 };
        if btf.get(root).is_none() {
            return Err("there is no such type");
        }
        if kind.is_enumerator() {
            spec.accessors.push(parse_enumerator(btf, root, &parse_indices(text)?)?);
        } else if kind.is_field() {
            spec.parse_field(btf, &parse_indices(text)?)?;
        } else if text != "0" {
            return Err("the access has to be \"0\" where a type is asked about");
        }
        Ok(spec)
    }

    fn parse_field(&mut self, btf: &Btf, indices: &[u32]) -> Parsed<()> {
        let (first, rest) = indices.split_first().ok_or("the access is empty")?;
        let mut id = btf.skip_modifiers(self.root);
        self.push_element(btf, id, *first)?;
        for index in rest {
            id = btf.skip_modifiers(id);
            id = match btf.ty(id) {
                Type::Struct(composite) | Type::Union(composite) => {
                    let index = *index as usize;
                    let member = composite.members.get(index).ok_or("the struct has fewer members")?;
                    self.bit_offset += u64::from(member.bit_offset);
                    if !member.name.is_empty() {
                        self.accessors.push(Accessor::Member { parent: id, index });
                    }
                    member.ty
                }
                Type::Array(array) => {
                    if *index >= array.len && !self.is_flexible(btf, array.len) {
                        return Err("the array has fewer elements");
                    }
                    let element = btf.skip_modifiers(array.element);
                    self.push_element(btf, element, *index)?;
                    element
                }
                _ => return Err("the access goes into something that is neither struct, union nor array"),
            };
        }
        Ok(())
    }

    fn push_element(&mut self, btf: &Btf, element: TypeId, index: u32) -> Parsed<()> {
        let size = btf.size_of(element).ok_or("the size of a type on the way is not known")?;
        let bits = size.checked_mul(8).and_then(|b| b.checked_mul(index.into())).ok_or("the offset overflows")?;
        self.bit_offset = self.bit_offset.checked_add(bits).ok_or("the offset overflows")?;
        self.accessors.push(Accessor::Element { element, index });
        Ok(())
    }

    /// Whether an array reached now is a flexible one: without length, at the end of its struct.
    fn is_flexible(&self, btf: &Btf, len: u32) -> bool {
        let Some(Accessor::Member { parent, index }) = self.accessors.last() else { return false };
        len == 0 && btf.ty(*parent).composite().is_some_and(|c| index + 1 == c.members.len())
    }

    /// The same path from type `root` of the kernel; `None` when there is none.
    pub(crate) fn find_in(&self, local: &Btf, target: &Btf, root: TypeId) -> Parsed<Option<Spec>> {
        let mut found = Spec { kind: self.kind, root, accessors: Vec::new(), bit_offset: 0 };
        match self.kind {
            RelocationKind::TypeMatches => Ok(types_match(local, self.root, target, root).then_some(found)),
            kind if kind.is_field() => Ok(found.follow(self, local, target)?.then_some(found)),
            kind if kind.is_enumerator() => Ok(found.find_enumerator(self, local, target).then_some(found)),
            _ => Ok(types_are_compatible(local, self.root, target, root).then_some(found)),
        }
    }

    fn find_enumerator(&mut self, wanted: &Spec, local: &Btf, target: &Btf) -> bool {
        let Some(Accessor::Enumerator { parent, index }) = wanted.accessors.first() else { return false };
        let Some((name, _)) = enumerator(local, *parent, *index) else { return false };
        let parent = target.skip_modifiers(self.root);
        let name = essential_name(name);
        let same = |i: &usize| enumerator(target, parent, *i).is_some_and(|(n, _)| essential_name(n) == name);
        let Some(index) = (0..enumerator_count(target, parent)).find(same) else { return false };
        self.accessors.push(Accessor::Enumerator { parent, index });
        true
    }

    fn follow(&mut self, wanted: &Spec, local: &Btf, target: &Btf) -> Parsed<bool> {
        let mut id = self.root;
        for (position, accessor) in wanted.accessors.iter().enumerate() {
            id = target.skip_modifiers(id);
            match accessor {
                Accessor::Member { parent, index } => match self.follow_member(local, *parent, *index, target, id) {
                    Some(ty) => id = ty,
                    None => return Ok(false),
                },
                Accessor::Element { index, .. } => {
                    // The root itself stands for an element; later ones are inside an array.
                    if position > 0 {
                        let Type::Array(array) = target.ty(id) else { return Ok(false) };
                        if *index >= array.len && !self.is_flexible(target, array.len) {
                            return Ok(false);
                        }
                        id = target.skip_modifiers(array.element);
                    }
                    self.push_element(target, id, *index)?;
                }
                Accessor::Enumerator { .. } => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Goes into the member with the same name; yields its type if it is compatible.
    fn follow_member(&mut self, local: &Btf, parent: TypeId, index: usize, target: &Btf, id: TypeId) -> Option<TypeId> {
        let member = local.ty(parent).composite()?.members.get(index)?;
        let field = target.find_member(id, local.str(member.name))?;
        if !fields_are_compatible(local, member.ty, target, field.ty) {
            return None;
        }
        let (own, around) = field.path.split_last()?;
        let mut parent = id;
        for step in around {
            let around = target.ty(parent).composite()?.members.get(*step)?;
            self.bit_offset += u64::from(around.bit_offset);
            parent = target.skip_modifiers(around.ty);
        }
        self.bit_offset += u64::from(target.ty(parent).composite()?.members.get(*own)?.bit_offset);
        self.accessors.push(Accessor::Member { parent, index: *own });
        Some(field.ty)
    }
}

fn parse_indices(text: &str) -> Parsed<Vec<u32>> {
    let parse = |part: &str| {
        let number = part.parse::<u32>().ok().filter(|n| i32::try_from(*n).is_ok());
        number.ok_or("the access is not a list of numbers such as \"0:1:2\"")
    };
    let indices = text.split(':').map(parse).collect::<Parsed<Vec<_>>>()?;
    if indices.len() > MAX_PATH { Err("the access is longer than 64 steps") } else { Ok(indices) }
}

fn parse_enumerator(btf: &Btf, root: TypeId, indices: &[u32]) -> Parsed<Accessor> {
    let parent = btf.skip_modifiers(root);
    let [index] = *indices else { return Err("the access has to be the index of an enumerator") };
    let index = index as usize;
    if enumerator(btf, parent, index).is_none() {
        return Err("there is no such enumerator, or the type is no enum");
    }
    Ok(Accessor::Enumerator { parent, index })
}

fn enumerator_count(btf: &Btf, id: TypeId) -> usize {
    match btf.ty(id) {
        Type::Enum(e) => e.values.len(),
        Type::Enum64(e) => e.values.len(),
        _ => 0,
    }
}

/// Name and value, sign-extended to 64 bits, of an enumerator.
pub(crate) fn enumerator(btf: &Btf, id: TypeId, index: usize) -> Option<(&str, u64)> {
    match btf.ty(id) {
        Type::Enum(e) => {
            let v = e.values.get(index)?;
            let value = if e.signed { i64::from(v.value as i32) as u64 } else { v.value.into() };
            Some((btf.str(v.name), value))
        }
        Type::Enum64(e) => e.values.get(index).map(|v| (btf.str(v.name), v.value)),
        _ => None,
    }
}
