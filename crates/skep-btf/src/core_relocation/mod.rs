//! CO-RE: what a value that an object took from its own types is in the kernel's.
//!
//! A relocation names a type of the object and a path into it. [`Resolver::resolve`] looks for types of the same
//! essential name in the kernel, walks the same path there by member names, and computes the value. All types found
//! have to agree. The rules are those of libbpf 1.5 and the kernel's own relocation of light skeletons.
//! Putting the value into the instruction is the caller's part.

mod compare;
mod field;
mod spec;

pub use compare::{types_are_compatible, types_match};
pub use spec::Accessor;

use crate::btf::{Btf, essential_name};
use crate::ext::{CoreRelocation, RelocationKind};
use crate::types::{Kind, Type, TypeId};
use spec::Spec;

/// Why a relocation cannot be resolved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoreError {
    /// The object's own data is wrong.
    #[error("CO-RE relocation ({}) of type {type_id} {name:?}, access {spec:?}: {why}", kind.name())]
    Invalid {
        /// What was asked for.
        kind: RelocationKind,
        /// Type in the object.
        type_id: TypeId,
        /// Its name.
        name: String,
        /// The access.
        spec: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Several types of the kernel match and do not agree.
    #[error(
        "CO-RE relocation ({}) of {name:?}, access {spec:?}, is ambiguous: types {first} and {second} of the kernel \
         give different values",
        kind.name()
    )]
    Ambiguous {
        /// What was asked for.
        kind: RelocationKind,
        /// Name of the type.
        name: String,
        /// The access.
        spec: String,
        /// One type of the kernel.
        first: TypeId,
        /// The other.
        second: TypeId,
    },
}

/// How many bytes of memory a relocated load or store reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Access {
    /// Size in bytes of the field, or of one element if it is an array.
    pub size: u64,
    /// The value is a signed integer: a load of another size would have to extend its sign.
    pub signed: bool,
}

/// What to do with the instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Put this value in.
    Value(u64),
    /// Nothing in the kernel matches: the instruction must not be reached.
    Poison,
}

/// The result of a relocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// The value by the object's types: what the compiler put into the instruction.
    pub original: u64,
    /// What to do.
    pub outcome: Outcome,
    /// Whether the instruction has to hold `original` now. Compilers may differ about bit fields and type ids.
    pub validate: bool,
    /// Access by the object's types; only for [`RelocationKind::FieldByteOffset`] of what is no bit field.
    pub original_access: Option<Access>,
    /// Access by the kernel's types.
    pub access: Option<Access>,
    /// The access changes in size and neither both are pointers nor both unsigned integers: if the instruction is a
    /// load or store, it cannot be adjusted and has to be refused.
    pub unsafe_size_change: bool,
    /// What matched: index of the BTF among the targets, and the type in it.
    pub target: Option<(usize, TypeId)>,
}

impl Resolution {
    /// The new value, if there is one.
    pub fn value(&self) -> Option<u64> {
        match self.outcome {
            Outcome::Value(value) => Some(value),
            Outcome::Poison => None,
        }
    }
}

/// Resolves relocations of one object against one kernel.
#[derive(Clone, Copy, Debug)]
pub struct Resolver<'a> {
    local: &'a Btf,
    targets: &'a [&'a Btf],
}

/// Resolves one relocation; see [`Resolver`].
///
/// # Errors
/// As [`Resolver::resolve`].
pub fn resolve(local: &Btf, relocation: &CoreRelocation, targets: &[&Btf]) -> Result<Resolution, CoreError> {
    Resolver::new(local, targets).resolve(relocation)
}

/// What an evaluation of one spec says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Evaluated {
    value: u64,
    validate: bool,
    /// The field's type, if a load or store of it may change in size.
    field: Option<TypeId>,
}

impl Evaluated {
    fn new(value: u64, validate: bool) -> Self {
        Evaluated { value, validate, field: None }
    }
}

impl<'a> Resolver<'a> {
    /// `targets` are the kernel's BTF and those of its modules, in order of preference.
    pub fn new(local: &'a Btf, targets: &'a [&'a Btf]) -> Self {
        Resolver { local, targets }
    }

    /// Resolves a relocation.
    ///
    /// # Errors
    /// When the relocation does not fit the object's types, or when several types of the kernel disagree. That
    /// nothing matches is no error but [`Outcome::Poison`], or the value 0 where existence or a type's size or id
    /// was asked for.
    pub fn resolve(&self, relocation: &CoreRelocation) -> Result<Resolution, CoreError> {
        let invalid = |why| self.invalid(relocation, why);
        let spec = Spec::parse(self.local, relocation).map_err(invalid)?;
        let original = field::evaluate(&spec, self.local).map_err(invalid)?;
        let mut resolution = Resolution {
            original: original.value,
            outcome: field::absent(relocation.kind),
            validate: original.validate,
            original_access: self.access(self.local, original.field),
            access: None,
            unsafe_size_change: false,
            target: None,
        };
        if relocation.kind == RelocationKind::TypeIdLocal {
            resolution.outcome = Outcome::Value(original.value);
            return Ok(resolution);
        }
        if self.local.name(relocation.type_id).is_empty() {
            return Err(invalid("a type without a name cannot be found in the kernel"));
        }
        let mut found: Option<(Spec, u64)> = None;
        for (index, id) in self.candidates(relocation.type_id) {
            let Some(target) = self.targets.get(index) else { continue };
            let Some(matched) = spec.find_in(self.local, target, id).map_err(invalid)? else { continue };
            let new = field::evaluate(&matched, target).map_err(invalid)?;
            match &found {
                None => {
                    resolution.outcome = Outcome::Value(new.value);
                    resolution.target = Some((index, id));
                    resolution.access = self.access(target, new.field);
                    resolution.unsafe_size_change = self.unsafe_size_change(original.field, target, new.field);
                    found = Some((matched, new.value));
                }
                Some((first, value)) if first.bit_offset != matched.bit_offset || *value != new.value => {
                    return Err(self.ambiguous(relocation, first.root, id));
                }
                Some(_) => {}
            }
        }
        Ok(resolution)
    }

    /// Types of the same essential name and a like kind: index of the BTF and type. Only the first BTF that has any.
    pub fn candidates(&self, local_id: TypeId) -> Vec<(usize, TypeId)> {
        let name = essential_name(self.local.name(local_id));
        let kind = self.local.kind(local_id);
        for (index, target) in self.targets.iter().enumerate() {
            let like = target.named_essentially(name).filter(|id| like_kinds(kind, target.kind(*id)));
            let found: Vec<_> = like.map(|id| (index, id)).collect();
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }

    fn access(&self, btf: &Btf, field: Option<TypeId>) -> Option<Access> {
        let id = field?;
        let signed = btf.int(id).is_some_and(|i| i.encoding.is_signed());
        Some(Access { size: btf.size_of(field::element(btf, id))?, signed })
    }

    /// See [`Resolution::unsafe_size_change`].
    fn unsafe_size_change(&self, original: Option<TypeId>, target: &Btf, new: Option<TypeId>) -> bool {
        let (Some(original), Some(new)) = (original, new) else { return false };
        if self.local.size_of(field::element(self.local, original)) == target.size_of(field::element(target, new)) {
            return false;
        }
        match (self.local.resolve(original).1, target.resolve(new).1) {
            (Type::Pointer(_), Type::Pointer(_)) => false,
            (Type::Int(a), Type::Int(b)) => a.encoding.is_signed() || b.encoding.is_signed(),
            _ => true,
        }
    }

    fn names(&self, relocation: &CoreRelocation) -> (String, String) {
        (self.local.name(relocation.type_id).to_owned(), self.local.str(relocation.access_spec).to_owned())
    }

    fn invalid(&self, relocation: &CoreRelocation, why: &'static str) -> CoreError {
        let (name, spec) = self.names(relocation);
        CoreError::Invalid { kind: relocation.kind, type_id: relocation.type_id, name, spec, why }
    }

    fn ambiguous(&self, relocation: &CoreRelocation, first: TypeId, second: TypeId) -> CoreError {
        let (name, spec) = self.names(relocation);
        CoreError::Ambiguous { kind: relocation.kind, name, spec, first, second }
    }
}

/// The same kind, or two enums of any width.
pub(crate) fn like_kinds(a: Kind, b: Kind) -> bool {
    let any_enum = |k| matches!(k, Kind::Enum | Kind::Enum64);
    a == b || any_enum(a) && any_enum(b)
}
