//! Leaves one of each set of equal types.
//!
//! Two types are equal when no walk along references can tell them apart, which settles cycles. A forward
//! declaration is the struct, union or enum of its name if all of that name are equal; whether they are can hang on
//! other forward declarations, so all are taken for resolved at first, and those that turn out ambiguous are given
//! up until none is left.

mod partition;

use crate::btf::Btf;
use crate::builder::BtfBuilder;
use crate::error::BtfError;
use crate::types::{Kind, StringOffset, Type, TypeId};
use partition::{Incoming, Partition};
use std::collections::{HashMap, HashSet};

/// The result of [`Btf::dedup`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dedup {
    /// The types left, in their old order.
    pub btf: Btf,
    /// For each old id, from `void` on, the new one.
    types: Vec<TypeId>,
    /// For each old string, the new one.
    strings: HashMap<StringOffset, StringOffset>,
}

impl Dedup {
    /// What became of a type; `void` for a number there was not.
    pub fn type_id(&self, old: TypeId) -> TypeId {
        self.types.get(old.0 as usize).copied().unwrap_or_default()
    }

    /// What became of a string, if its offset was the start of one.
    pub fn string(&self, old: StringOffset) -> Option<StringOffset> {
        self.strings.get(&old).copied()
    }
}

impl Btf {
    /// Leaves one of each set of equal types and strings. Variables, sections and unused types stay; so do all
    /// strings, since BTF.ext may use them. Types equal to one of the base become that one.
    ///
    /// # Errors
    /// When resolving a forward declaration makes a struct contain itself.
    pub fn dedup(&self) -> Result<Dedup, BtfError> {
        let equal = Equal::find(self);
        let mut builder = match &self.base {
            Some(base) => BtfBuilder::split(base.clone()),
            None => BtfBuilder::new(),
        };
        builder.set_endian(self.endian);
        let mut strings = HashMap::new();
        self.for_each_own_or_base_string(&mut |old, text| {
            strings.insert(old, builder.string(text));
        });
        let types = number(self, &equal, builder.next_id());
        for (id, ty) in self.own_types().filter(|(id, _)| equal.of(*id) == *id) {
            debug_assert_eq!(types.get(id.0 as usize), Some(&builder.next_id()));
            let mut ty = ty.clone();
            ty.for_each_string_mut(|s| *s = builder.string(self.str(*s)));
            ty.for_each_id_mut(|t| *t = types.get(t.0 as usize).copied().unwrap_or_default());
            builder.add(ty);
        }
        Ok(Dedup { btf: builder.build()?, types, strings })
    }
}

/// New numbers: representatives count on from `first`, the others follow theirs.
fn number(btf: &Btf, equal: &Equal, first: TypeId) -> Vec<TypeId> {
    let own = btf.first_id();
    let mut types: Vec<TypeId> = (0..btf.type_count()).map(TypeId).collect();
    let left = btf.own_types().map(|(id, _)| id).filter(|id| equal.of(*id) == *id);
    for (new, old) in (first.0..).zip(left) {
        types[old.0 as usize] = TypeId(new);
    }
    for (id, _) in btf.own_types() {
        let representative = equal.of(id);
        if representative >= own {
            types[id.0 as usize] = types[representative.0 as usize];
        } else {
            types[id.0 as usize] = representative;
        }
    }
    types
}

/// For each type the first that equals it.
struct Equal {
    representative: Vec<TypeId>,
}

/// Kind and name of what a forward declaration stands for.
type Declared<'a> = (Kind, &'a str);

impl Equal {
    fn of(&self, id: TypeId) -> TypeId {
        self.representative.get(id.0 as usize).copied().unwrap_or(id)
    }

    fn find(btf: &Btf) -> Equal {
        let definitions = definitions(btf);
        let shallow = shallow_classes(btf);
        let mut ambiguous: HashSet<Declared<'_>> = HashSet::new();
        loop {
            let resolve = |id: TypeId| {
                let declared = declares(btf, id).filter(|d| id >= btf.first_id() && !ambiguous.contains(d));
                declared.and_then(|d| definitions.get(&d)).and_then(|ids| ids.first()).copied().unwrap_or(id)
            };
            let mut references = Vec::new();
            for (id, ty) in btf.types() {
                let mut part = 0;
                ty.for_each_id(|target| {
                    references.push((id.0, part, resolve(target).0));
                    part += 1;
                });
            }
            let mut partition = Partition::new(shallow.clone());
            partition.refine(&Incoming::new(btf.type_count() as usize, &references));
            let classes = partition.classes();
            let differs = |ids: &[TypeId]| ids.windows(2).any(|w| classes[w[0].0 as usize] != classes[w[1].0 as usize]);
            let unequal = definitions.iter().filter(|(_, ids)| differs(ids)).map(|(declared, _)| *declared);
            let more: Vec<_> = unequal.filter(|declared| !ambiguous.contains(declared)).collect();
            if more.is_empty() {
                return Equal::from_classes(btf, classes, resolve);
            }
            ambiguous.extend(more);
        }
    }

    fn from_classes(btf: &Btf, classes: &[u32], resolve: impl Fn(TypeId) -> TypeId) -> Equal {
        let mut first = vec![None; classes.len()];
        let mut representative: Vec<TypeId> = (0..btf.type_count()).map(TypeId).collect();
        for id in (0..btf.type_count()).map(TypeId) {
            let slot = &mut first[classes[id.0 as usize] as usize];
            representative[id.0 as usize] = *slot.get_or_insert(id);
        }
        let resolved = (0..btf.type_count()).map(|id| representative[resolve(TypeId(id)).0 as usize]).collect();
        Equal { representative: resolved }
    }
}

/// What a type declares without defining it.
fn declares(btf: &Btf, id: TypeId) -> Option<Declared<'_>> {
    match btf.ty(id) {
        Type::Forward(f) => Some((if f.union { Kind::Union } else { Kind::Struct }, btf.str(f.name))),
        Type::Enum(e) if e.values.is_empty() && !e.name.is_empty() => Some((Kind::Enum, btf.str(e.name))),
        _ => None,
    }
}

/// Structs, unions and enums with a name and content that forward declarations name.
fn definitions(btf: &Btf) -> HashMap<Declared<'_>, Vec<TypeId>> {
    let mut found: HashMap<_, Vec<_>> =
        btf.types().filter_map(|(id, _)| declares(btf, id)).map(|d| (d, Vec::new())).collect();
    for (id, ty) in btf.types().filter(|(id, _)| declares(btf, *id).is_none()) {
        let kind = if ty.kind() == Kind::Enum64 { Kind::Enum } else { ty.kind() };
        if let Some(ids) = found.get_mut(&(kind, btf.str(ty.name()))) {
            ids.push(id);
        }
    }
    found.retain(|_, ids| !ids.is_empty());
    found
}

/// Classes of types that are equal but for the types they refer to; variables and sections equal nothing.
fn shallow_classes(btf: &Btf) -> Vec<u32> {
    let mut names: HashMap<&str, u32> = HashMap::new();
    let mut classes: HashMap<Type, u32> = HashMap::new();
    (0..btf.type_count())
        .map(TypeId)
        .map(|id| {
            let mut ty = btf.ty(id).clone();
            ty.for_each_string_mut(|s| {
                let next = names.len() as u32;
                s.0 = *names.entry(btf.str(*s)).or_insert(next);
            });
            let unique = matches!(ty.kind(), Kind::Variable | Kind::DataSection);
            // Without the references, what a variable holds is no use: its own number keeps it apart.
            ty.for_each_id_mut(|t| *t = if unique { id } else { TypeId::VOID });
            let next = classes.len() as u32;
            *classes.entry(ty).or_insert(next)
        })
        .collect()
}
