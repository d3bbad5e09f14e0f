//! Maps defined by a `struct bpf_map_def` in a section `maps` (libbpf before 1.0, bcc, iproute2, aya).
//!
//! The struct is a row of 32-bit numbers: type, key size, value size, entries, flags; aya and iproute2 add an id and
//! the pinning, iproute2 also the id of the inner map.

use super::Tables;
use crate::elf::{Elf, Section, Symbol};
use crate::error::{ErrorKind, ObjectError, Result};
use crate::spec::{MapOrigin, MapSpec, Pinning};
use skep_abi::map_type::MapFlags;

/// Words that a definition must at least have: type, key size, value size, entries.
const LEAST_WORDS: usize = 4;

pub(crate) fn read(elf: &Elf<'_>, tables: &mut Tables) -> Result<()> {
    for (index, section) in elf.sections.iter().enumerate() {
        if section.is_executable() || !(section.name == "maps" || section.name.starts_with("maps/")) {
            continue;
        }
        tables.map_sections.push(index);
        let mut definitions: Vec<&Symbol<'_>> = elf
            .symbols
            .iter()
            .filter(|s| s.section == Some(index) && !s.name.is_empty() && s.name != section.name)
            .collect();
        definitions.sort_by_key(|s| s.value);
        let mut ids = Vec::new();
        for (i, symbol) in definitions.iter().enumerate() {
            let next = definitions.get(i + 1).map_or(section.size, |s| s.value);
            let words = words(elf, section, symbol, next)?;
            let map = tables.add_map(definition(section, symbol, &words)?);
            tables.defined_maps.insert((index, symbol.value), map);
            ids.push((map, words));
        }
        set_inner_maps(tables, &ids);
    }
    Ok(())
}

/// The numbers of a definition.
fn words(elf: &Elf<'_>, section: &Section<'_>, symbol: &Symbol<'_>, next: u64) -> Result<Vec<u32>> {
    let size = if symbol.size == 0 { next.saturating_sub(symbol.value) } else { symbol.size };
    let bytes = usize::try_from(symbol.value)
        .ok()
        .zip(usize::try_from(size).ok())
        .and_then(|(start, size)| section.data.get(start..start.checked_add(size)?));
    let bad = |message: String| {
        ObjectError::new(ErrorKind::Map, format!("map '{}': {message}", symbol.name)).at(section.name, symbol.value)
    };
    let Some(bytes) = bytes else {
        return Err(bad(format!("its {size} bytes end beyond the section, which has {}", section.size)));
    };
    let (chunks, _) = bytes.as_chunks::<4>();
    if chunks.len() < LEAST_WORDS {
        return Err(bad(format!("a map definition has at least {} bytes, this has {size}", LEAST_WORDS * 4)));
    }
    Ok(chunks.iter().map(|c| elf.u32(*c)).collect())
}

fn definition(section: &Section<'_>, symbol: &Symbol<'_>, words: &[u32]) -> Result<MapSpec> {
    let word = |i: usize| words.get(i).copied().unwrap_or(0);
    let bad = |message: &str| {
        ObjectError::new(ErrorKind::Map, format!("map '{}': {message}", symbol.name)).at(section.name, symbol.value)
    };
    Ok(MapSpec {
        name: symbol.name.to_owned(),
        origin: MapOrigin::Legacy,
        section: section.name.to_owned(),
        section_offset: u32::try_from(symbol.value).map_err(|_| bad("the section is too large"))?,
        type_number: word(0),
        key_size: word(1),
        value_size: word(2),
        max_entries: word(3),
        flags: MapFlags::from_bits_retain(word(4)),
        numa_node: None,
        map_extra: 0,
        key_type: None,
        value_type: None,
        // iproute2 knows two name spaces for pins; both mean "by name".
        pinning: if word(6) == 0 { Pinning::None } else { Pinning::ByName },
        autocreate: true,
        inner: None,
        initial_values: Vec::new(),
        contents: None,
        freeze: false,
    })
}

/// iproute2: an inner map is named by its id.
fn set_inner_maps(tables: &mut Tables, ids: &[(crate::spec::MapIndex, Vec<u32>)]) {
    const ID: usize = 5;
    const INNER_ID: usize = 7;
    for (outer, words) in ids {
        let Some(wanted) = words.get(INNER_ID).filter(|id| **id != 0) else { continue };
        let inner = ids.iter().find(|(i, w)| i != outer && w.get(ID) == Some(wanted));
        let inner = inner.and_then(|(i, _)| tables.maps.get(i.0)).cloned();
        if let (Some(inner), Some(map)) = (inner, tables.maps.get_mut(outer.0)) {
            map.inner = Some(Box::new(MapSpec { inner: None, ..inner }));
        }
    }
}
