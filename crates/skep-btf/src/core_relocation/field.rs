//! The value that a path stands for.

use super::spec::{Accessor, Spec, enumerator};
use super::{Evaluated, Outcome};
use crate::btf::Btf;
use crate::ext::RelocationKind;
use crate::reader::Endian;
use crate::types::{Type, TypeId};

/// What is to be done when nothing in the kernel matches.
pub(crate) fn absent(kind: RelocationKind) -> Outcome {
    match kind {
        RelocationKind::FieldExists
        | RelocationKind::EnumeratorExists
        | RelocationKind::TypeExists
        | RelocationKind::TypeMatches
        | RelocationKind::TypeSize
        | RelocationKind::TypeIdLocal
        | RelocationKind::TypeIdTarget => Outcome::Value(0),
        RelocationKind::FieldByteOffset
        | RelocationKind::FieldByteSize
        | RelocationKind::FieldSigned
        | RelocationKind::FieldLeftShift
        | RelocationKind::FieldRightShift
        | RelocationKind::EnumeratorValue => Outcome::Poison,
    }
}

/// The value of a path in the types it was found in.
pub(crate) fn evaluate(spec: &Spec, btf: &Btf) -> Result<Evaluated, &'static str> {
    match spec.kind {
        RelocationKind::FieldExists
        | RelocationKind::TypeExists
        | RelocationKind::TypeMatches
        | RelocationKind::EnumeratorExists => Ok(Evaluated::new(1, true)),
        // The numbers of types change when objects are linked.
        RelocationKind::TypeIdLocal | RelocationKind::TypeIdTarget => Ok(Evaluated::new(spec.root.0.into(), false)),
        RelocationKind::TypeSize => match btf.size_of(spec.root) {
            Some(size) => Ok(Evaluated::new(size, true)),
            None => Err("the type has no size"),
        },
        RelocationKind::EnumeratorValue => match spec.accessors.first() {
            Some(Accessor::Enumerator { parent, index }) => {
                let (_, value) = enumerator(btf, *parent, *index).ok_or("there is no such enumerator")?;
                Ok(Evaluated::new(value, true))
            }
            _ => Err("the type is no enum"),
        },
        RelocationKind::FieldByteOffset
        | RelocationKind::FieldByteSize
        | RelocationKind::FieldSigned
        | RelocationKind::FieldLeftShift
        | RelocationKind::FieldRightShift => match spec.accessors.last() {
            Some(Accessor::Element { element, .. }) => evaluate_element(spec, btf, *element),
            Some(Accessor::Member { parent, index }) => evaluate_member(spec, btf, *parent, *index),
            _ => Err("the access does not lead to a field"),
        },
    }
}

fn evaluate_element(spec: &Spec, btf: &Btf, element: TypeId) -> Result<Evaluated, &'static str> {
    match spec.kind {
        RelocationKind::FieldByteOffset => {
            Ok(Evaluated { value: spec.bit_offset / 8, validate: true, field: Some(element) })
        }
        RelocationKind::FieldByteSize => {
            Ok(Evaluated::new(btf.size_of(element).ok_or("the element has no size")?, true))
        }
        _ => Err("only offset and size of an array element can be asked for"),
    }
}

/// The bytes that a load reads, and the bits of the field in them.
struct Window {
    byte_offset: u64,
    byte_size: u64,
    bit_offset: u64,
    bits: u64,
}

impl Window {
    /// The smallest naturally aligned load, at least of the declared type, that holds a bit field.
    fn of_bitfield(bit_offset: u64, bits: u64, declared: u64) -> Result<Window, &'static str> {
        let mut byte_size = declared;
        loop {
            let byte_offset = (bit_offset / 8).checked_div(byte_size).ok_or("the bit field's type has no size")?;
            let byte_offset = byte_offset.saturating_mul(byte_size);
            let end = bit_offset.saturating_add(bits) - byte_offset * 8;
            if end <= byte_size.saturating_mul(8) {
                return Ok(Window { byte_offset, byte_size, bit_offset, bits });
            }
            if byte_size >= 8 {
                return Err("the bit field cannot be read with one load of 64 bits");
            }
            byte_size *= 2;
        }
    }

    fn left_shift(&self, endian: Endian) -> u64 {
        let inside = self.bit_offset.wrapping_sub(self.byte_offset.wrapping_mul(8));
        match endian {
            Endian::Little => 64u64.wrapping_sub(inside.wrapping_add(self.bits)),
            Endian::Big => 8u64.wrapping_sub(self.byte_size).wrapping_mul(8).wrapping_add(inside),
        }
    }
}

fn evaluate_member(spec: &Spec, btf: &Btf, parent: TypeId, index: usize) -> Result<Evaluated, &'static str> {
    let composite = btf.ty(parent).composite().ok_or("the parent is no struct")?;
    let member = composite.members.get(index).ok_or("there is no such member")?;
    let (id, ty) = btf.resolve(member.ty);
    let size = btf.size_of(id);
    let bitfield = btf.bitfield(composite, member);
    let window = match bitfield {
        Some((start, bits)) => {
            // A legacy integer's own bit offset comes on top of the member's.
            let start = spec.bit_offset + u64::from(start - member.bit_offset);
            Window::of_bitfield(start, bits.into(), size.ok_or("the field has no size")?)?
        }
        None => {
            let byte_size = size.ok_or("the field has no size")?;
            let bits = byte_size.saturating_mul(8);
            Window { byte_offset: spec.bit_offset / 8, byte_size, bit_offset: spec.bit_offset, bits }
        }
    };
    // Compilers are free in how they load a bit field.
    let validate = bitfield.is_none();
    Ok(match spec.kind {
        RelocationKind::FieldByteOffset => {
            Evaluated { value: window.byte_offset, validate, field: validate.then_some(id) }
        }
        RelocationKind::FieldByteSize => Evaluated::new(window.byte_size, validate),
        RelocationKind::FieldSigned => Evaluated::new(is_signed(ty).into(), true),
        RelocationKind::FieldLeftShift => Evaluated::new(window.left_shift(btf.endian()), validate),
        _ => Evaluated::new(64u64.wrapping_sub(window.bits), true),
    })
}

fn is_signed(ty: &Type) -> bool {
    match ty {
        Type::Int(int) => int.encoding.is_signed(),
        Type::Enum(e) => e.signed,
        Type::Enum64(e) => e.signed,
        _ => false,
    }
}

/// The element of an array of arrays, or the type itself.
pub(crate) fn element(btf: &Btf, id: TypeId) -> TypeId {
    let mut id = btf.skip_modifiers(id);
    while let Type::Array(array) = btf.ty(id) {
        id = btf.skip_modifiers(array.element);
    }
    id
}
