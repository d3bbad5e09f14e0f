//! Where the things begin that pointers lead to.

use crate::domain::register::Kind;

/// Something that a pointer can lead to and whose address a running kernel knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The program's context.
    Context,
    /// The first byte of the packet.
    Packet,
    /// The first byte of its metadata.
    PacketMeta,
    /// One past its last byte.
    PacketEnd,
    /// The map of that descriptor (as in [`crate::Program::maps`]).
    Map(i32),
    /// Any value of that map.
    MapValue(i32),
}

impl Place {
    /// What a pointer of that kind leads to; `None` where nobody knows the address.
    pub(super) fn of(kind: Kind, maps: &[i32]) -> Option<Place> {
        let map = |map: crate::domain::register::MapRef| maps.get(usize::from(map.0)).copied();
        match kind {
            Kind::Context => Some(Place::Context),
            Kind::Packet { .. } => Some(Place::Packet),
            Kind::PacketMeta { .. } => Some(Place::PacketMeta),
            Kind::PacketEnd => Some(Place::PacketEnd),
            Kind::Map(reference) => map(reference).map(Place::Map),
            Kind::MapValue(reference) => map(reference).map(Place::MapValue),
            _ => None,
        }
    }

    /// What the bytes known to exist from a pointer into here end at, at most.
    pub(super) fn end(self) -> Option<Place> {
        match self {
            Place::Packet => Some(Place::PacketEnd),
            Place::PacketMeta => Some(Place::Packet),
            _ => None,
        }
    }
}
