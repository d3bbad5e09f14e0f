//! Structs and unions of which the kernel has no instance: the form of their tables, and their BTF.

use super::layout::{KernelType as _, TypeTable};
use super::scalars::Scalar;
use skep_btf::TypeId;

/// A struct or union. An anonymous one has no name.
pub(super) struct Record {
    pub(super) name: &'static str,
    pub(super) is_union: bool,
    pub(super) bytes: u32,
    pub(super) fields: &'static [Field],
}

/// A member: name, place in bits, bits if it is a bit-field, type.
pub(super) struct Field {
    name: &'static str,
    bit: u32,
    bits: u8,
    shape: Shape,
}

/// Types of members.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// An integer.
    One(Scalar),
    /// So many of them.
    Array(Scalar, u32),
    /// Another record.
    Of(&'static Record),
    /// A struct that the kernel has instances of.
    Kernel(fn(&mut TypeTable) -> TypeId),
}

/// A struct.
pub(super) const fn record(name: &'static str, bytes: u32, fields: &'static [Field]) -> Record {
    Record { name, is_union: false, bytes, fields }
}

/// A union.
pub(super) const fn union(name: &'static str, bytes: u32, fields: &'static [Field]) -> Record {
    Record { name, is_union: true, bytes, fields }
}

/// An integer at a byte.
pub(super) const fn field(name: &'static str, byte: u32, scalar: Scalar) -> Field {
    shaped(name, byte, Shape::One(scalar))
}

/// An array at a byte.
pub(super) const fn array(name: &'static str, byte: u32, element: Scalar, count: u32) -> Field {
    shaped(name, byte, Shape::Array(element, count))
}

/// Any type at a byte.
pub(super) const fn shaped(name: &'static str, byte: u32, shape: Shape) -> Field {
    Field { name, bit: byte * 8, bits: 0, shape }
}

/// A bit-field; the place is that on little-endian machines.
pub(super) const fn bit_field(name: &'static str, bit: u32, bits: u8, scalar: Scalar) -> Field {
    Field { name, bit, bits, shape: Shape::One(scalar) }
}

impl Record {
    /// Its BTF. Anonymous ones are made anew at each use.
    pub(super) fn describe(&self, table: &mut TypeTable) -> TypeId {
        let members: Vec<_> =
            self.fields.iter().map(|field| (field.name, field.shape.describe(table), field.bit, field.bits)).collect();
        let make = |builder: &mut skep_btf::BtfBuilder| match self.is_union {
            true => builder.union(self.name, self.bytes, &members),
            false => builder.structure(self.name, self.bytes, &members),
        };
        if self.name.is_empty() { make(table.builder()) } else { table.once(self.name, make) }
    }
}

impl Shape {
    fn describe(self, table: &mut TypeTable) -> TypeId {
        match self {
            Shape::One(scalar) => scalar.describe(table),
            Shape::Array(scalar, count) => {
                let element = scalar.describe(table);
                array_of(table, element, count)
            }
            Shape::Of(record) => record.describe(table),
            Shape::Kernel(describe) => describe(table),
        }
    }
}

/// The type of so many elements.
pub(super) fn array_of(table: &mut TypeTable, element: TypeId, count: u32) -> TypeId {
    let index = u32::describe(table);
    table.once(&format!("{} [{count}]", element.0), |builder| builder.array(element, index, count))
}
