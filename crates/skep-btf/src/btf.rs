//! [`Btf`]: a BTF that was checked, and its look-ups.

use crate::error::BtfError;
use crate::name_index::NameIndex;
use crate::reader::Endian;
use crate::strings::StringTable;
use crate::types::{Kind, StringOffset, Type, TypeId};
use std::sync::{Arc, OnceLock};

/// A BTF: types, numbered from 1 (or on from those of its base), and the strings they use.
///
/// It never changes; share it through an [`Arc`]. Invariants that [`Btf::parse`] and
/// [`BtfBuilder::build`](crate::BtfBuilder::build) establish and all functions rely on:
/// - every type id and string offset is in range;
/// - a type contains itself only by way of a pointer to a struct or union, and nothing is nested deeper than
///   [`MAX_DEPTH`](crate::MAX_DEPTH), so that every walk ends.
///
/// Whether it also obeys the rules of the Linux kernel is for [`Btf::validate`] to say.
#[derive(Clone)]
pub struct Btf {
    pub(crate) endian: Endian,
    pub(crate) base: Option<Arc<Btf>>,
    /// Number of the first type in `types`: 0 (`void`) without a base.
    pub(crate) first: u32,
    /// Offset of the first byte of `strings`.
    pub(crate) strings_start: u32,
    pub(crate) types: Vec<Type>,
    pub(crate) strings: StringTable,
    names: OnceLock<NameIndex>,
    essential_names: OnceLock<NameIndex>,
}

impl std::fmt::Debug for Btf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Btf")
            .field("endian", &self.endian)
            .field("types", &(self.first..self.end()))
            .field("string_bytes", &self.strings.len())
            .field("base", &self.base)
            .finish()
    }
}

/// Equal when byte order, types, strings and base are.
impl PartialEq for Btf {
    fn eq(&self, other: &Self) -> bool {
        self.endian == other.endian
            && self.types == other.types
            && self.strings == other.strings
            && self.base == other.base
    }
}

impl Eq for Btf {}

/// An empty BTF: `void` only.
impl Default for Btf {
    fn default() -> Self {
        Btf::assemble(Endian::NATIVE, None, vec![Type::Void], StringTable::from_text("\0".into()))
    }
}

impl Btf {
    /// Puts one together. `types` includes `void` when there is no base. The caller checks the structure.
    pub(crate) fn assemble(endian: Endian, base: Option<Arc<Btf>>, types: Vec<Type>, strings: StringTable) -> Self {
        let first = base.as_ref().map_or(0, |b| b.end());
        let strings_start = base.as_ref().map_or(0, |b| b.strings_end());
        let (names, essential_names) = Default::default();
        Btf { endian, base, first, strings_start, types, strings, names, essential_names }
    }

    /// Reads the BTF of an object's `.BTF` section or of `/sys/kernel/btf/vmlinux`, in either byte order.
    ///
    /// # Errors
    /// When the structure is damaged: section, byte offset and type are named.
    pub fn parse(bytes: &[u8]) -> Result<Btf, BtfError> {
        crate::parse::parse(bytes, None)
    }

    /// Reads BTF that continues another one, as in `/sys/kernel/btf/MODULE`.
    ///
    /// # Errors
    /// As [`Btf::parse`]; and when the byte orders differ.
    pub fn parse_split(bytes: &[u8], base: Arc<Btf>) -> Result<Btf, BtfError> {
        crate::parse::parse(bytes, Some(base))
    }

    /// Writes it. What [`Btf::parse`] read from the usual layout (types, then strings, no gap) comes back byte for byte.
    ///
    /// # Errors
    /// When something does not fit the format, which only types from a builder can bring about.
    pub fn to_bytes(&self, endian: Endian) -> Result<Vec<u8>, BtfError> {
        crate::encode::encode(self, endian)
    }

    /// Checks the rules that the Linux kernel demands beyond structure.
    ///
    /// # Errors
    /// The first rule broken, in order of types.
    pub fn validate(&self) -> Result<(), BtfError> {
        crate::validate::validate(self)
    }

    /// The byte order it was read in, or will by default be written in.
    pub fn endian(&self) -> Endian {
        self.endian
    }

    /// The BTF that this one continues.
    pub fn base(&self) -> Option<&Arc<Btf>> {
        self.base.as_ref()
    }

    /// Number of the first type of its own: 1, or the number after the base's last.
    pub fn first_id(&self) -> TypeId {
        TypeId(self.first.max(1))
    }

    /// One more than the number of the last type.
    pub(crate) fn end(&self) -> u32 {
        // Parsing and building bound the number of types to 32 bits.
        self.first.saturating_add(u32::try_from(self.types.len()).unwrap_or(u32::MAX))
    }

    pub(crate) fn strings_end(&self) -> u32 {
        self.strings_start.saturating_add(u32::try_from(self.strings.len()).unwrap_or(u32::MAX))
    }

    /// Number of types, `void` and the base's included: ids are smaller than this.
    pub fn type_count(&self) -> u32 {
        self.end()
    }

    /// The type with a number; `None` when there is none.
    pub fn get(&self, id: TypeId) -> Option<&Type> {
        match id.0.checked_sub(self.first) {
            Some(index) => self.types.get(index as usize),
            None => self.base.as_ref()?.get(id),
        }
    }

    /// The type with a number that came out of this BTF; `void` for any number there is not.
    pub fn ty(&self, id: TypeId) -> &Type {
        self.get(id).unwrap_or(&Type::Void)
    }

    /// The kind of a type.
    pub fn kind(&self, id: TypeId) -> Kind {
        self.ty(id).kind()
    }

    /// The string at an offset. Bytes that are not UTF-8 show as `?`.
    pub fn string(&self, offset: StringOffset) -> Option<&str> {
        match offset.0.checked_sub(self.strings_start) {
            Some(own) => self.strings.get(own as usize),
            None => self.base.as_ref()?.string(offset),
        }
    }

    /// The string at an offset that came out of this BTF.
    pub fn str(&self, offset: StringOffset) -> &str {
        if offset.is_empty() { "" } else { self.string(offset).unwrap_or("") }
    }

    /// Whether an offset is a string of this BTF or its base.
    pub(crate) fn has_string(&self, offset: StringOffset) -> bool {
        match offset.0.checked_sub(self.strings_start) {
            Some(own) => self.strings.is_start(own as usize),
            None => self.base.as_ref().is_some_and(|b| b.has_string(offset)),
        }
    }

    /// The name of a type; empty when it has none.
    pub fn name(&self, id: TypeId) -> &str {
        self.str(self.ty(id).name())
    }

    /// All types of its own (not the base's, not `void`), in order.
    pub fn own_types(&self) -> impl DoubleEndedIterator<Item = (TypeId, &Type)> + Clone {
        let skip = usize::from(self.first == 0);
        self.types.iter().enumerate().skip(skip).map(|(i, t)| (TypeId(self.first + i as u32), t))
    }

    /// All types, the base's first, without `void`, in order.
    pub fn types(&self) -> impl Iterator<Item = (TypeId, &Type)> {
        (1..self.end()).map(|id| (TypeId(id), self.ty(TypeId(id))))
    }

    /// The first type with a kind and name; those of the base come first.
    pub fn find(&self, kind: Kind, name: &str) -> Option<TypeId> {
        self.find_all(kind, name).next()
    }

    /// All types with a kind and name; those of the base come first.
    pub fn find_all<'a>(&'a self, kind: Kind, name: &'a str) -> impl Iterator<Item = TypeId> + 'a {
        self.named(name).filter(move |id| self.kind(*id) == kind)
    }

    /// All types with a name; those of the base come first.
    pub fn named<'a>(&'a self, name: &'a str) -> Box<dyn Iterator<Item = TypeId> + 'a> {
        let own = self.names().lookup(name).map(|i| TypeId(self.first + i)).filter(move |id| self.name(*id) == name);
        match &self.base {
            Some(base) => Box::new(base.named(name).chain(own)),
            None => Box::new(own),
        }
    }

    /// All types whose name without a `___flavor` is the given one; those of the base come first.
    pub fn named_essentially<'a>(&'a self, name: &'a str) -> Box<dyn Iterator<Item = TypeId> + 'a> {
        let own = self.essential_names().lookup(name).map(|i| TypeId(self.first + i));
        let own = own.filter(move |id| essential_name(self.name(*id)) == name);
        match &self.base {
            Some(base) => Box::new(base.named_essentially(name).chain(own)),
            None => Box::new(own),
        }
    }

    fn names(&self) -> &NameIndex {
        self.names.get_or_init(|| NameIndex::new(self.types.iter().map(|t| self.str(t.name()))))
    }

    fn essential_names(&self) -> &NameIndex {
        self.essential_names
            .get_or_init(|| NameIndex::new(self.types.iter().map(|t| essential_name(self.str(t.name())))))
    }
}

/// A type's name without its CO-RE flavor: `task_struct___old` is `task_struct`.
///
/// The flavor starts at the last `___` with a character on either side that is not an underscore.
pub fn essential_name(name: &str) -> &str {
    let bytes = name.as_bytes();
    let separates =
        |at: &usize| bytes.get(*at..*at + 5).is_some_and(|w| w[0] != b'_' && &w[1..4] == b"___" && w[4] != b'_');
    match (0..bytes.len().saturating_sub(4)).rev().find(separates) {
        Some(at) => name.get(..at + 1).unwrap_or(name),
        None => name,
    }
}

impl Btf {
    /// Calls `visit` with every string of the base's and its own.
    pub(crate) fn for_each_own_or_base_string(&self, visit: &mut dyn FnMut(StringOffset, &str)) {
        if let Some(base) = &self.base {
            base.for_each_own_or_base_string(visit);
        }
        let mut offset = 0;
        while let Some(text) = self.strings.get(offset) {
            visit(StringOffset(self.strings_start.saturating_add(offset as u32)), text);
            offset += text.len() + 1;
        }
    }
}
