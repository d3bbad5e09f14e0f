//! Makes BTF.

use crate::btf::Btf;
use crate::error::{BtfError, Problem, Section};
use crate::reader::Endian;
use crate::strings::{StringInterner, StringTable};
use crate::types::{
    Array, Composite, DataSection, DeclTag, Enum, Enum64, Enumerator, Enumerator64, Float, Forward, Function,
    FunctionLinkage, FunctionPrototype, Int, IntEncoding, Member, Parameter, SectionEntry, StringOffset, Type, TypeId,
    TypeTag, Typedef, Variable, VariableLinkage,
};
use std::collections::HashMap;
use std::sync::Arc;

/// Collects types and strings, then [`build`](BtfBuilder::build)s a [`Btf`].
///
/// Types may refer to types added later: [`next_id`](BtfBuilder::next_id) says which number comes next, and
/// [`type_mut`](BtfBuilder::type_mut) changes what was added. Nothing is checked before `build`.
#[derive(Clone, Debug, Default)]
pub struct BtfBuilder {
    endian: Endian,
    base: Option<Arc<Btf>>,
    types: Vec<Type>,
    strings: StringInterner,
    /// Strings of the base, by text.
    base_strings: HashMap<Box<str>, StringOffset>,
    /// A string that did not fit.
    too_many_strings: bool,
}

impl BtfBuilder {
    /// An empty BTF in this machine's byte order.
    pub fn new() -> Self {
        BtfBuilder::default()
    }

    /// A BTF that continues another one; names in the base are used again.
    pub fn split(base: Arc<Btf>) -> Self {
        let mut base_strings = HashMap::new();
        base.for_each_own_or_base_string(&mut |offset, text| {
            base_strings.entry(text.into()).or_insert(offset);
        });
        BtfBuilder {
            endian: base.endian,
            base: Some(base),
            strings: StringInterner::new(false),
            base_strings,
            ..BtfBuilder::default()
        }
    }

    /// Starts from the types of another BTF, with the same numbers and its base. Strings no type uses are dropped.
    pub fn from_btf(btf: &Btf) -> Self {
        let mut builder = match &btf.base {
            Some(base) => BtfBuilder::split(base.clone()),
            None => BtfBuilder::new(),
        };
        builder.endian = btf.endian;
        for (_, ty) in btf.own_types() {
            builder.add_from(btf, ty);
        }
        builder
    }

    /// Sets the byte order that the BTF says it has.
    pub fn set_endian(&mut self, endian: Endian) -> &mut Self {
        self.endian = endian;
        self
    }

    /// The number that the next type will get.
    pub fn next_id(&self) -> TypeId {
        let first = self.base.as_ref().map_or(1, |b| b.end());
        TypeId(first.saturating_add(u32::try_from(self.types.len()).unwrap_or(u32::MAX)))
    }

    /// The offset of a string, added if it is new. It ends at the first NUL byte.
    pub fn string(&mut self, text: &str) -> StringOffset {
        if text.is_empty() {
            return StringOffset::EMPTY;
        }
        if let Some(offset) = self.base_strings.get(text) {
            return *offset;
        }
        let start = self.base.as_ref().map_or(0, |b| b.strings_end());
        match self.strings.intern(text).and_then(|o| o.checked_add(start)) {
            Some(offset) => StringOffset(offset),
            None => {
                self.too_many_strings = true;
                StringOffset::EMPTY
            }
        }
    }

    /// Adds a type whose strings come from [`string`](BtfBuilder::string).
    pub fn add(&mut self, ty: Type) -> TypeId {
        let id = self.next_id();
        self.types.push(ty);
        id
    }

    /// Adds a type of another BTF: its strings are added here, its type ids are kept as they are.
    pub fn add_from(&mut self, from: &Btf, ty: &Type) -> TypeId {
        let mut ty = ty.clone();
        ty.for_each_string_mut(|s| *s = self.string(from.str(*s)));
        self.add(ty)
    }

    /// Adds all types of another BTF's own, and renumbers them: the result says what became of each id, so that
    /// whatever refers to them (BTF.ext, relocations) can follow. The base of `from`, if any, has to be the base here.
    pub fn append(&mut self, from: &Btf) -> IdMap {
        let map = IdMap { first: from.first_id().0, end: from.end(), shift_to: self.next_id().0 };
        for (_, ty) in from.own_types() {
            let id = self.add_from(from, ty);
            if let Some(ty) = self.type_mut(id) {
                ty.for_each_id_mut(|t| *t = map.get(*t));
            }
        }
        map
    }

    /// A type that was added.
    pub fn type_mut(&mut self, id: TypeId) -> Option<&mut Type> {
        let first = self.base.as_ref().map_or(1, |b| b.end());
        self.types.get_mut(id.0.checked_sub(first)? as usize)
    }

    /// Adds an integer of `size` bytes, all bits used.
    pub fn int(&mut self, name: &str, size: u32, encoding: IntEncoding) -> TypeId {
        let bits = u8::try_from(size.saturating_mul(8)).unwrap_or(u8::MAX);
        let name = self.string(name);
        self.add(Type::Int(Int { name, size, encoding, bit_offset: 0, bits }))
    }

    /// Adds a pointer.
    pub fn pointer(&mut self, target: TypeId) -> TypeId {
        self.add(Type::Pointer(target))
    }

    /// Adds an array.
    pub fn array(&mut self, element: TypeId, index: TypeId, len: u32) -> TypeId {
        self.add(Type::Array(Array { element, index, len }))
    }

    /// Adds a struct of `size` bytes: members are name, type, bit offset and bit-field size (0: none).
    pub fn structure(&mut self, name: &str, size: u32, members: &[(&str, TypeId, u32, u8)]) -> TypeId {
        let composite = self.composite(name, size, members);
        self.add(Type::Struct(composite))
    }

    /// Adds a union of `size` bytes: members as in [`structure`](BtfBuilder::structure).
    pub fn union(&mut self, name: &str, size: u32, members: &[(&str, TypeId, u32, u8)]) -> TypeId {
        let composite = self.composite(name, size, members);
        self.add(Type::Union(composite))
    }

    fn composite(&mut self, name: &str, size: u32, members: &[(&str, TypeId, u32, u8)]) -> Composite {
        let kind_flag = members.iter().any(|m| m.3 != 0);
        let name = self.string(name);
        let member = |&(name, ty, bit_offset, bitfield_size): &(&str, TypeId, u32, u8)| {
            let name = self.string(name);
            Member { name, ty, bit_offset, bitfield_size }
        };
        Composite { name, size, kind_flag, members: members.iter().map(member).collect() }
    }

    /// Adds an enum of `size` bytes, signed if some value is negative.
    pub fn enumeration(&mut self, name: &str, size: u32, values: &[(&str, i64)]) -> TypeId {
        let signed = values.iter().any(|v| v.1 < 0);
        let name = self.string(name);
        let values = values.iter().map(|(n, v)| Enumerator { name: self.string(n), value: *v as u32 }).collect();
        self.add(Type::Enum(Enum { name, size, signed, values }))
    }

    /// Adds a 64-bit enum of `size` bytes; values are bits.
    pub fn enumeration64(&mut self, name: &str, size: u32, signed: bool, values: &[(&str, u64)]) -> TypeId {
        let name = self.string(name);
        let values = values.iter().map(|(n, v)| Enumerator64 { name: self.string(n), value: *v }).collect();
        self.add(Type::Enum64(Enum64 { name, size, signed, values }))
    }

    /// Adds a forward declaration.
    pub fn forward(&mut self, name: &str, union: bool) -> TypeId {
        let name = self.string(name);
        self.add(Type::Forward(Forward { name, union }))
    }

    /// Adds a typedef.
    pub fn typedef(&mut self, name: &str, target: TypeId) -> TypeId {
        let name = self.string(name);
        self.add(Type::Typedef(Typedef { name, target }))
    }

    /// Adds `volatile`.
    pub fn volatile(&mut self, target: TypeId) -> TypeId {
        self.add(Type::Volatile(target))
    }

    /// Adds `const`.
    pub fn constant(&mut self, target: TypeId) -> TypeId {
        self.add(Type::Const(target))
    }

    /// Adds `restrict`.
    pub fn restrict(&mut self, target: TypeId) -> TypeId {
        self.add(Type::Restrict(target))
    }

    /// Adds a signature; parameters are name and type.
    pub fn prototype(&mut self, ret: TypeId, parameters: &[(&str, TypeId)]) -> TypeId {
        let parameters = parameters.iter().map(|(n, ty)| Parameter { name: self.string(n), ty: *ty }).collect();
        self.add(Type::FunctionPrototype(FunctionPrototype { ret, parameters }))
    }

    /// Adds a function.
    pub fn function(&mut self, name: &str, prototype: TypeId, linkage: FunctionLinkage) -> TypeId {
        let name = self.string(name);
        self.add(Type::Function(Function { name, prototype, linkage }))
    }

    /// Adds a variable.
    pub fn variable(&mut self, name: &str, ty: TypeId, linkage: VariableLinkage) -> TypeId {
        let name = self.string(name);
        self.add(Type::Variable(Variable { name, ty, linkage }))
    }

    /// Adds a section.
    pub fn data_section(&mut self, name: &str, size: u32, entries: &[SectionEntry]) -> TypeId {
        let name = self.string(name);
        self.add(Type::DataSection(DataSection { name, size, entries: entries.into() }))
    }

    /// Adds a floating-point number.
    pub fn float(&mut self, name: &str, size: u32) -> TypeId {
        let name = self.string(name);
        self.add(Type::Float(Float { name, size }))
    }

    /// Adds a declaration tag.
    pub fn decl_tag(&mut self, tag: &str, target: TypeId, component: Option<u32>) -> TypeId {
        let name = self.string(tag);
        self.add(Type::DeclTag(DeclTag { name, target, component, attribute: false }))
    }

    /// Adds a type tag.
    pub fn type_tag(&mut self, tag: &str, target: TypeId) -> TypeId {
        let name = self.string(tag);
        self.add(Type::TypeTag(TypeTag { name, target, attribute: false }))
    }

    /// Checks the structure and makes the BTF.
    ///
    /// # Errors
    /// What [`Btf::parse`] would say of it: ids out of range, cycles, too deep nesting, too many strings.
    pub fn build(self) -> Result<Btf, BtfError> {
        if self.too_many_strings {
            let limit = u32::MAX.into();
            let problem = Problem::TooMany { what: "bytes of strings", value: limit, limit };
            return Err(BtfError::new(Section::Strings, 0, problem));
        }
        let mut types = self.types;
        if self.base.is_none() {
            types.insert(0, Type::Void);
        }
        let strings = StringTable::from_text(self.strings.text().to_owned());
        let btf = Btf::assemble(self.endian, self.base, types, strings);
        crate::structure::check(&btf)?;
        Ok(btf)
    }
}

/// What became of the type ids of a BTF that was [appended](BtfBuilder::append) to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdMap {
    first: u32,
    end: u32,
    shift_to: u32,
}

impl IdMap {
    /// The new id; `void` and ids of a common base stay.
    pub fn get(&self, id: TypeId) -> TypeId {
        if (self.first..self.end).contains(&id.0) { TypeId(id.0 - self.first + self.shift_to) } else { id }
    }
}
