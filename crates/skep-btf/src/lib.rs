//! BTF and BTF.ext: read, write, dedup, split BTF, C dump, CO-RE.
#![forbid(unsafe_code)]

/// Number of a type in a BTF; 0 is `void`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u32);

/// A parsed BTF.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Btf {}
