//! The maps a program uses, and the inner maps of those.

use crate::domain::register::MapRef;
use crate::input::{MapFacts, Program};
use crate::special_fields::{Record, record};
use skep_abi::special_field::SpecialPlace;
use skep_btf::Btf;

/// Maps by [`MapRef`]: first those of the program in its order, then inner maps.
#[derive(Debug)]
pub(crate) struct MapTable<'a> {
    facts: Vec<&'a MapFacts>,
    inner: Vec<Option<MapRef>>,
    fds: Vec<i32>,
    special: Vec<Record>,
}

impl<'a> MapTable<'a> {
    /// With what the kernel's BTF tells of the pointers that values may hold.
    pub(crate) fn new(program: &Program<'a>, kernel_btf: Option<&Btf>) -> Self {
        let mut facts: Vec<&'a MapFacts> = program.maps.iter().map(|(_, facts)| facts).collect();
        let mut inner = vec![None; facts.len()];
        for index in 0..program.maps.len() {
            if let Some(facts_of_inner) = &program.maps[index].1.inner {
                inner[index] = Some(MapRef(facts.len() as u16));
                facts.push(facts_of_inner);
                inner.push(None);
            }
        }
        // A type whose special fields make no sense has none, as in Linux: all of a value is data then.
        let special = facts.iter().map(|facts| {
            let value = facts.value_type.as_ref();
            value.and_then(|(btf, ty)| record(btf, *ty, SpecialPlace::MapValues, kernel_btf).ok()).unwrap_or_default()
        });
        let special = special.collect();
        MapTable { special, facts, inner, fds: program.maps.iter().map(|(fd, _)| *fd).collect() }
    }

    /// What is known of a map.
    pub(crate) fn facts(&self, map: MapRef) -> &'a MapFacts {
        self.facts[usize::from(map.0)]
    }

    /// The map behind a file descriptor or index as instructions give it.
    pub(crate) fn by_fd(&self, fd: i32) -> Option<MapRef> {
        self.fds.iter().position(|f| *f == fd).map(|index| MapRef(index as u16))
    }

    /// The file descriptor or index that instructions give for a map; inner maps have none.
    pub(crate) fn fd(&self, map: MapRef) -> Option<i32> {
        self.fds.get(usize::from(map.0)).copied()
    }

    /// What a lookup in a map of maps gives.
    pub(crate) fn inner(&self, map: MapRef) -> Option<MapRef> {
        self.inner[usize::from(map.0)]
    }

    /// The fields of its value that belong to the kernel.
    pub(crate) fn special_fields(&self, map: MapRef) -> &Record {
        &self.special[usize::from(map.0)]
    }
}
