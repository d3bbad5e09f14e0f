//! Whether a type of the object stands for a type of the kernel.
//!
//! Pairs already compared are remembered, so that the time is bounded by the product of the types involved even for
//! hostile BTF. That recursion ends is an invariant of [`Btf`]: both walks stop at structs behind pointers.

use super::like_kinds;
use crate::btf::{Btf, essential_name};
use crate::types::{Composite, FunctionPrototype, Kind, StringOffset, Type, TypeId};
use std::collections::HashMap;

/// Two types of two BTFs, side by side.
struct Pair<'a> {
    local: &'a Btf,
    target: &'a Btf,
    known: HashMap<(TypeId, TypeId, bool), bool>,
}

/// Whether two types are alike enough for "exists", size and id: kinds agree; behind pointers and arrays and in
/// signatures too. Names, members and sizes do not count: the caller chose by name.
pub fn types_are_compatible(local: &Btf, local_id: TypeId, target: &Btf, target_id: TypeId) -> bool {
    let mut pair = Pair { local, target, known: HashMap::new() };
    like_kinds(local.kind(local_id), target.kind(target_id)) && pair.compatible(local_id, target_id)
}

/// Whether every member of the local type has one of the same name and a matching type in the target; integers
/// agree in size and sign, arrays in length, enums hold all local names, structs behind a pointer only have the same
/// name.
pub fn types_match(local: &Btf, local_id: TypeId, target: &Btf, target_id: TypeId) -> bool {
    Pair { local, target, known: HashMap::new() }.matches(local_id, target_id, false)
}

/// Whether a member of the object may stand for a member of the same name in the kernel: two structs or unions, two
/// pointers, integers of any size and sign, enums and forward declarations of the same name, arrays of such.
pub(crate) fn fields_are_compatible(local: &Btf, local_id: TypeId, target: &Btf, target_id: TypeId) -> bool {
    let (mut local_id, mut target_id) = (local_id, target_id);
    loop {
        let (a, b) = (local.resolve(local_id).1, target.resolve(target_id).1);
        if a.composite().is_some() && b.composite().is_some() {
            return true;
        }
        if !like_kinds(a.kind(), b.kind()) {
            return false;
        }
        return match (a, b) {
            (Type::Array(a), Type::Array(b)) => {
                (local_id, target_id) = (a.element, b.element);
                continue;
            }
            (Type::Int(a), Type::Int(b)) => a.bit_offset == 0 && b.bit_offset == 0,
            (Type::Pointer(_) | Type::Float(_), _) => true,
            (Type::Forward(_) | Type::Enum(_) | Type::Enum64(_), _) => {
                let (a, b) = (local.str(a.name()), target.str(b.name()));
                a.is_empty() || b.is_empty() || essential_name(a) == essential_name(b)
            }
            _ => false,
        };
    }
}

impl Pair<'_> {
    fn compatible(&mut self, local_id: TypeId, target_id: TypeId) -> bool {
        let (local_id, a) = self.local.resolve(local_id);
        let (target_id, b) = self.target.resolve(target_id);
        if !like_kinds(a.kind(), b.kind()) {
            return false;
        }
        match (a, b) {
            (Type::Void | Type::Struct(_) | Type::Union(_), _) => true,
            (Type::Enum(_) | Type::Enum64(_) | Type::Forward(_), _) => true,
            (Type::Int(a), Type::Int(b)) => a.bit_offset == 0 && b.bit_offset == 0,
            (Type::Pointer(a), Type::Pointer(b)) => self.compatible(*a, *b),
            (Type::Array(a), Type::Array(b)) => self.compatible(a.element, b.element),
            (Type::FunctionPrototype(a), Type::FunctionPrototype(b)) => {
                self.remember((local_id, target_id, false), |pair| pair.each_parameter(a, b, Pair::compatible))
            }
            _ => false,
        }
    }

    fn remember(&mut self, key: (TypeId, TypeId, bool), compare: impl FnOnce(&mut Self) -> bool) -> bool {
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let result = compare(self);
        self.known.insert(key, result);
        result
    }

    fn each_parameter(
        &mut self,
        a: &FunctionPrototype,
        b: &FunctionPrototype,
        compare: impl Fn(&mut Self, TypeId, TypeId) -> bool,
    ) -> bool {
        a.parameters.len() == b.parameters.len()
            && a.parameters.iter().zip(&b.parameters).all(|(a, b)| compare(self, a.ty, b.ty))
            && compare(self, a.ret, b.ret)
    }

    fn same_name(&self, local: StringOffset, target: StringOffset) -> bool {
        essential_name(self.local.str(local)) == essential_name(self.target.str(target))
    }

    fn matches(&mut self, local_id: TypeId, target_id: TypeId, behind_pointer: bool) -> bool {
        let (local_id, a) = self.local.resolve(local_id);
        let (target_id, b) = self.target.resolve(target_id);
        if !self.same_name(a.name(), b.name()) {
            return false;
        }
        match (a, b) {
            (Type::Void, Type::Void) => true,
            (Type::Int(a), Type::Int(b)) => a.size == b.size && a.encoding.is_signed() == b.encoding.is_signed(),
            (Type::Pointer(a), Type::Pointer(b)) => self.matches(*a, *b, true),
            (Type::Array(a), Type::Array(b)) => a.len == b.len && self.matches(a.element, b.element, behind_pointer),
            (Type::Enum(_) | Type::Enum64(_), Type::Enum(_) | Type::Enum64(_)) => self.enumerators_match(a, b),
            (Type::Forward(a), Type::Forward(b)) => a.union == b.union,
            _ if behind_pointer && is_record(a) && is_record(b) => is_union(a) == is_union(b),
            (Type::Struct(x), Type::Struct(y)) | (Type::Union(x), Type::Union(y)) => {
                self.remember((local_id, target_id, behind_pointer), |pair| pair.members_match(x, y, behind_pointer))
            }
            (Type::FunctionPrototype(x), Type::FunctionPrototype(y)) => self
                .remember((local_id, target_id, behind_pointer), |pair| {
                    pair.each_parameter(x, y, |pair, a, b| pair.matches(a, b, behind_pointer))
                }),
            _ => false,
        }
    }

    fn members_match(&mut self, a: &Composite, b: &Composite, behind_pointer: bool) -> bool {
        a.members.len() <= b.members.len()
            && a.members.iter().all(|local| {
                b.members.iter().any(|target| {
                    self.same_name(local.name, target.name) && self.matches(local.ty, target.ty, behind_pointer)
                })
            })
    }

    fn enumerators_match(&self, a: &Type, b: &Type) -> bool {
        let (local, target) = (enumerator_names(self.local, a), enumerator_names(self.target, b));
        let target_names: std::collections::HashSet<_> = target.iter().copied().collect();
        local.len() <= target.len() && local.iter().all(|name| target_names.contains(name))
    }
}

fn enumerator_names<'a>(btf: &'a Btf, ty: &Type) -> Vec<&'a str> {
    match ty {
        Type::Enum(e) => e.values.iter().map(|v| essential_name(btf.str(v.name))).collect(),
        Type::Enum64(e) => e.values.iter().map(|v| essential_name(btf.str(v.name))).collect(),
        _ => Vec::new(),
    }
}

/// A struct or union, whole or only declared.
fn is_record(ty: &Type) -> bool {
    matches!(ty.kind(), Kind::Struct | Kind::Union | Kind::Forward)
}

fn is_union(ty: &Type) -> bool {
    matches!(ty, Type::Union(_) | Type::Forward(crate::types::Forward { union: true, .. }))
}
