//! How a C compiler lays out what the dump writes (System V ABI and BPF: bit fields do not cross a boundary of their
//! type, unnamed ones do not count for alignment; in packed structs everything follows at once).

use crate::btf::Btf;
use crate::types::{Composite, Kind, Member, Type, TypeId};
use std::collections::HashMap;

/// Where a member stands, in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) start: u64,
    /// Bits it takes.
    pub(super) len: u64,
    /// Bits of the declared type, if it is a bit field.
    pub(super) unit: Option<u64>,
    /// Alignment of its type, in bits.
    pub(super) align: u64,
}

impl Place {
    pub(super) fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }

    /// Where a compiler puts it after `cursor`.
    pub(super) fn natural(&self, cursor: u64, packed: bool) -> u64 {
        match self.unit {
            Some(_) if packed => cursor,
            Some(unit) if cursor % unit + self.len > unit => cursor.next_multiple_of(unit),
            Some(_) => cursor,
            None => cursor.next_multiple_of(if packed { 8 } else { self.align }),
        }
    }
}

/// What the dump decided for a struct or union.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) packed: bool,
    /// Alignment in bits, as written.
    pub(super) align: u64,
}

pub(super) struct Layouts<'a> {
    btf: &'a Btf,
    known: HashMap<TypeId, Layout>,
}

impl<'a> Layouts<'a> {
    pub(super) fn new(btf: &'a Btf) -> Self {
        Layouts { btf, known: HashMap::new() }
    }

    /// Alignment in bits of a type as the dump writes it.
    fn align(&mut self, id: TypeId) -> u64 {
        let btf = self.btf;
        let (id, ty) = btf.resolve(id);
        match ty {
            Type::Array(array) => self.align(array.element),
            Type::Struct(_) | Type::Union(_) => self.layout(id).align,
            _ => u64::from(btf.align_of(id).unwrap_or(1)) * 8,
        }
    }

    pub(super) fn layout(&mut self, id: TypeId) -> Layout {
        if let Some(known) = self.known.get(&id) {
            return *known;
        }
        let layout = match self.btf.ty(id).composite() {
            Some(composite) => self.decide(composite),
            None => Layout { packed: false, align: 8 },
        };
        self.known.insert(id, layout);
        layout
    }

    fn decide(&mut self, composite: &Composite) -> Layout {
        let packed = Layout { packed: true, align: 8 };
        let mut align = 8;
        for member in &composite.members {
            let Some(place) = self.place(composite, member) else { continue };
            let fits = match place.unit {
                Some(unit) => place.start % unit + place.len <= unit,
                None => place.start.is_multiple_of(place.align),
            };
            if !fits {
                return packed;
            }
            align = align.max(place.align);
        }
        let size = u64::from(composite.size) * 8;
        if size.is_multiple_of(align) { Layout { packed: false, align } } else { packed }
    }

    /// `None` for what C has no member for: no size, a bit field wider than its type, no name.
    pub(super) fn place(&mut self, composite: &Composite, member: &Member) -> Option<Place> {
        let btf = self.btf;
        let (id, ty) = btf.resolve(member.ty);
        if member.name.is_empty() && ty.composite().is_none() {
            return None;
        }
        let size = btf.size_of(id)?.checked_mul(8)?;
        let align = self.align(id);
        match btf.bitfield(composite, member) {
            Some((start, bits)) => {
                let holds_bits = matches!(ty.kind(), Kind::Int | Kind::Enum | Kind::Enum64);
                let len = u64::from(bits);
                (holds_bits && len > 0 && len <= size && !member.name.is_empty()).then_some(Place {
                    start: start.into(),
                    len,
                    unit: Some(size),
                    align,
                })
            }
            None => Some(Place { start: member.bit_offset.into(), len: size, unit: None, align }),
        }
    }
}

/// Unnamed bit fields that fill a gap: type and number of bits of each.
pub(super) fn padding(mut cursor: u64, end: u64) -> Vec<(&'static str, u64)> {
    const UNITS: [(&str, u64); 4] = [("long", 64), ("int", 32), ("short", 16), ("char", 8)];
    let mut fields = Vec::new();
    while cursor < end {
        let whole = UNITS.iter().find(|(_, bits)| cursor.is_multiple_of(*bits) && cursor + bits <= end);
        let (unit, bits) = whole.copied().unwrap_or(("char", (8 - cursor % 8).min(end - cursor)));
        fields.push((unit, bits));
        cursor += bits;
    }
    fields
}
