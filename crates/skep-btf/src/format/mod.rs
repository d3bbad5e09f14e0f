//! Bytes as typed values: walks a value by its type and tells a [`Visitor`] what it finds.
//!
//! [`to_text`] and [`to_json`] are two visitors; others can build what they like. All reads are checked against the
//! length of the bytes, and the number of values is bounded by [`MAX_VALUES`].

mod json;
mod text;

pub use json::to_json;
pub use text::to_text;

use crate::btf::Btf;
use crate::reader::Endian;
use crate::types::{Array, Composite, Int, Type, TypeId};
use std::convert::Infallible;

/// Most values in one walk: hostile types can hold 2^32 elements of no size.
pub const MAX_VALUES: u32 = 1 << 22;

/// A value without parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// Signed integer, or bit field of one.
    Signed(i128),
    /// Unsigned integer, or bit field of one.
    Unsigned(u128),
    /// Boolean.
    Bool(bool),
    /// `char`.
    Char(u8),
    /// Array of `char` that holds printable text up to a NUL byte; without that byte.
    Text(&'a str),
    /// Floating-point number of 4 or 8 bytes.
    Float(f64),
    /// Value of an enum, with its name if there is one.
    Enumerator(Option<&'a str>, i128),
    /// Pointer.
    Pointer(u64),
    /// Bytes that have no meaning here: floating-point numbers of other sizes.
    Opaque(&'a [u8]),
}

/// A value with parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Fields with different places.
    Struct,
    /// Fields that share their place.
    Union,
    /// Elements.
    Array,
    /// Variables of a section.
    Section,
}

/// Is told the parts of a value in order.
pub trait Visitor {
    /// What stops it.
    type Error;

    /// A value without parts.
    ///
    /// # Errors
    /// Whatever stops the walk.
    fn scalar(&mut self, value: Scalar<'_>) -> Result<(), Self::Error>;

    /// A value with parts begins.
    ///
    /// # Errors
    /// Whatever stops the walk.
    fn open(&mut self, shape: Shape) -> Result<(), Self::Error>;

    /// The name of the field or variable that comes next; empty for an anonymous struct or union.
    ///
    /// # Errors
    /// Whatever stops the walk.
    fn field(&mut self, name: &str) -> Result<(), Self::Error>;

    /// A value with parts ends.
    ///
    /// # Errors
    /// Whatever stops the walk.
    fn close(&mut self, shape: Shape) -> Result<(), Self::Error>;
}

/// Why a value cannot be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError<E = Infallible> {
    /// The bytes end before the value.
    #[error("type {id} takes {size} bytes at byte {offset}, but the value has only {len}")]
    TooShort {
        /// Type that does not fit.
        id: TypeId,
        /// Its offset in the value.
        offset: u64,
        /// Its size.
        size: u64,
        /// Bytes of the value.
        len: usize,
    },
    /// The type has no values.
    #[error("type {0} has no values: it is void, a function or declared only")]
    NoValue(TypeId),
    /// Too many values.
    #[error("the value has more than {MAX_VALUES} parts")]
    TooMany,
    /// What the visitor said.
    #[error("{0}")]
    Visitor(E),
}

/// Walks the value of type `id` that `bytes` hold, in the byte order of `btf`.
///
/// # Errors
/// When the bytes are too few, the type has no values, or the visitor stops.
pub fn visit<V: Visitor>(btf: &Btf, id: TypeId, bytes: &[u8], visitor: &mut V) -> Result<(), FormatError<V::Error>> {
    Walk { btf, bytes, visitor, values: 0 }.value(id, 0)
}

struct Walk<'a, V> {
    btf: &'a Btf,
    bytes: &'a [u8],
    visitor: &'a mut V,
    values: u32,
}

impl<'a, V: Visitor> Walk<'a, V> {
    fn value(&mut self, id: TypeId, offset: u64) -> Result<(), FormatError<V::Error>> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(FormatError::TooMany);
        }
        let btf = self.btf;
        let (id, ty) = btf.resolve(id);
        match ty {
            Type::Struct(c) => self.composite(c, Shape::Struct, offset),
            Type::Union(c) => self.composite(c, Shape::Union, offset),
            Type::Array(array) => self.array(array, offset),
            Type::Variable(v) => self.value(v.ty, offset),
            Type::DataSection(section) => {
                self.open(Shape::Section)?;
                for entry in &section.entries {
                    self.visitor.field(btf.name(entry.ty)).map_err(FormatError::Visitor)?;
                    self.value(entry.ty, offset.saturating_add(entry.offset.into()))?;
                }
                self.close(Shape::Section)
            }
            _ => {
                let size = btf.size_of(id).ok_or(FormatError::NoValue(id))?;
                let bytes = self.slice(id, offset, size)?;
                self.scalar(scalar(btf, ty, bytes))
            }
        }
    }

    fn slice(&self, id: TypeId, offset: u64, size: u64) -> Result<&'a [u8], FormatError<V::Error>> {
        let start = usize::try_from(offset).ok();
        let end = offset.checked_add(size).and_then(|e| usize::try_from(e).ok());
        let range = start.zip(end).and_then(|(start, end)| self.bytes.get(start..end));
        range.ok_or(FormatError::TooShort { id, offset, size, len: self.bytes.len() })
    }

    fn scalar(&mut self, value: Scalar<'_>) -> Result<(), FormatError<V::Error>> {
        self.visitor.scalar(value).map_err(FormatError::Visitor)
    }

    fn open(&mut self, shape: Shape) -> Result<(), FormatError<V::Error>> {
        self.visitor.open(shape).map_err(FormatError::Visitor)
    }

    fn close(&mut self, shape: Shape) -> Result<(), FormatError<V::Error>> {
        self.visitor.close(shape).map_err(FormatError::Visitor)
    }

    fn composite(&mut self, composite: &Composite, shape: Shape, offset: u64) -> Result<(), FormatError<V::Error>> {
        let btf = self.btf;
        self.open(shape)?;
        for member in &composite.members {
            self.visitor.field(btf.str(member.name)).map_err(FormatError::Visitor)?;
            match btf.bitfield(composite, member) {
                Some((start, bits)) => {
                    let start = offset.saturating_mul(8).saturating_add(start.into());
                    self.bitfield(member.ty, start, bits)?;
                }
                None => self.value(member.ty, offset.saturating_add(u64::from(member.bit_offset) / 8))?,
            }
        }
        self.close(shape)
    }

    fn bitfield(&mut self, id: TypeId, start: u64, bits: u8) -> Result<(), FormatError<V::Error>> {
        let (first, end) = (start / 8, start.saturating_add(bits.into()).div_ceil(8));
        let bytes = self.slice(id, first, end - first)?;
        let raw = read_bits(bytes, (start % 8) as u32, bits.into(), self.btf.endian());
        let value = match self.btf.resolve(id).1 {
            Type::Int(int) if int.encoding.is_bool() => Scalar::Bool(raw != 0),
            Type::Int(int) if int.encoding.is_signed() => Scalar::Signed(sign_extend(raw, bits.into())),
            Type::Enum(e) if e.signed => enumerator(self.btf, id, sign_extend(raw, bits.into())),
            Type::Enum64(e) if e.signed => enumerator(self.btf, id, sign_extend(raw, bits.into())),
            Type::Enum(_) | Type::Enum64(_) => enumerator(self.btf, id, raw as i128),
            _ => Scalar::Unsigned(raw),
        };
        self.values += 1;
        self.visitor.scalar(value).map_err(FormatError::Visitor)
    }

    fn array(&mut self, array: &Array, offset: u64) -> Result<(), FormatError<V::Error>> {
        let btf = self.btf;
        let size = btf.size_of(array.element).ok_or(FormatError::NoValue(array.element))?;
        let total = size.saturating_mul(array.len.into());
        let bytes = self.slice(array.element, offset, total)?;
        if let Some(text) = btf.int(array.element).filter(|i| is_char(btf, i)).and_then(|_| text_in(bytes)) {
            return self.scalar(Scalar::Text(text));
        }
        self.open(Shape::Array)?;
        for index in 0..u64::from(array.len) {
            self.value(array.element, offset.saturating_add(index.saturating_mul(size)))?;
        }
        self.close(Shape::Array)
    }
}

fn is_char(btf: &Btf, int: &Int) -> bool {
    int.size == 1 && (int.encoding.is_char() || btf.str(int.name) == "char")
}

/// The text up to the first NUL, if there is one and all before is printable.
fn text_in(bytes: &[u8]) -> Option<&str> {
    let end = bytes.iter().position(|b| *b == 0)?;
    let text = std::str::from_utf8(bytes.get(..end)?).ok()?;
    text.chars().all(|c| !c.is_control()).then_some(text)
}

fn scalar<'b>(btf: &'b Btf, ty: &'b Type, bytes: &'b [u8]) -> Scalar<'b> {
    let raw = || read_bits(bytes, 0, bytes.len() as u32 * 8, btf.endian());
    let bits = bytes.len() as u32 * 8;
    match ty {
        Type::Int(_) | Type::Enum(_) | Type::Enum64(_) | Type::Pointer(_) if bytes.len() > 16 => Scalar::Opaque(bytes),
        Type::Int(int) if int.encoding.is_bool() => Scalar::Bool(raw() != 0),
        Type::Int(int) if is_char(btf, int) => Scalar::Char(bytes.first().copied().unwrap_or_default()),
        Type::Int(int) if int.encoding.is_signed() => Scalar::Signed(sign_extend(raw(), bits)),
        Type::Int(_) => Scalar::Unsigned(raw()),
        Type::Enum(e) if e.signed => named(btf, ty, sign_extend(raw(), bits)),
        Type::Enum64(e) if e.signed => named(btf, ty, sign_extend(raw(), bits)),
        Type::Enum(_) | Type::Enum64(_) => named(btf, ty, raw() as i128),
        Type::Pointer(_) => Scalar::Pointer(raw() as u64),
        Type::Float(_) if bytes.len() == 4 => Scalar::Float(f32::from_bits(raw() as u32).into()),
        Type::Float(_) if bytes.len() == 8 => Scalar::Float(f64::from_bits(raw() as u64)),
        _ => Scalar::Opaque(bytes),
    }
}

fn enumerator(btf: &Btf, id: TypeId, value: i128) -> Scalar<'_> {
    named(btf, btf.resolve(id).1, value)
}

fn named<'b>(btf: &'b Btf, ty: &'b Type, value: i128) -> Scalar<'b> {
    let name = match ty {
        Type::Enum(e) if e.signed => e.values.iter().find(|v| i128::from(v.value as i32) == value).map(|v| v.name),
        Type::Enum(e) => e.values.iter().find(|v| i128::from(v.value) == value).map(|v| v.name),
        Type::Enum64(e) if e.signed => e.values.iter().find(|v| i128::from(v.value as i64) == value).map(|v| v.name),
        Type::Enum64(e) => e.values.iter().find(|v| i128::from(v.value) == value).map(|v| v.name),
        _ => None,
    };
    Scalar::Enumerator(name.map(|n| btf.str(n)), value)
}

/// `count` bits (at most 128), `skip` (0 to 7) bits after the start. Bits count from the least significant one in
/// little-endian data, from the most significant one in big-endian data.
fn read_bits(bytes: &[u8], skip: u32, count: u32, endian: Endian) -> u128 {
    (0..count.min(128)).fold(0, |value, index| {
        let at = skip + index;
        let byte = bytes.get(at as usize / 8).copied().unwrap_or_default();
        match endian {
            Endian::Little => value | u128::from(byte >> (at % 8) & 1) << index,
            Endian::Big => value << 1 | u128::from(byte >> (7 - at % 8) & 1),
        }
    })
}

fn sign_extend(value: u128, bits: u32) -> i128 {
    match bits {
        1..=127 => ((value << (128 - bits)) as i128) >> (128 - bits),
        _ => value as i128,
    }
}
