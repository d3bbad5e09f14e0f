//! Data sections: each is an array map with one element.

use super::globals::any_shared;
use super::types::Types;
use super::{MAX_DATA_SIZE, Tables};
use crate::elf::{Elf, Section};
use crate::error::{ErrorKind, ObjectError, Result};
use crate::spec::{Contents, MapIndex, MapOrigin, MapSpec, Pinning};
use object::elf as abi;
use skep_abi::map_type::{MapFlags, MapType};

/// Section of variables in an arena (address space 1).
const ARENA_SECTION: &str = ".addr_space.1";

pub(crate) fn read(elf: &Elf<'_>, types: Option<&Types>, tables: &mut Tables) -> Result<()> {
    for (index, section) in elf.sections.iter().enumerate() {
        let Some(origin) = origin(section) else { continue };
        if section.size == 0 {
            continue;
        }
        let mut map = data_map(section.name, origin, contents(section)?);
        map.value_type = types.and_then(|t| t.section(section.name));
        if types.is_some_and(|t| any_shared(t, section.name)) {
            map.flags |= MapFlags::MMAPABLE;
        }
        let map = tables.add_map(map);
        tables.data_maps.insert(index, map);
    }
    Ok(())
}

/// Variables in an arena are the first bytes of the object's arena map.
pub(crate) fn read_arena(elf: &Elf<'_>, tables: &mut Tables) -> Result<()> {
    let Some((index, section)) = elf.section(ARENA_SECTION) else { return Ok(()) };
    let contents = contents(section)?;
    let arena = tables.maps.iter().position(|m| m.map_type() == Some(MapType::Arena));
    let Some(map) = arena else {
        let message = "there are arena variables and no map of type BPF_MAP_TYPE_ARENA";
        return Err(ObjectError::new(ErrorKind::Map, message).at(section.name, 0));
    };
    tables.maps[map].contents = Some(contents);
    tables.data_maps.insert(index, MapIndex(map));
    Ok(())
}

fn origin(section: &Section<'_>) -> Option<MapOrigin> {
    let is =
        |prefix: &str| section.name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    match section.kind {
        abi::SHT_PROGBITS if !section.is_allocated() || section.is_executable() => None,
        abi::SHT_PROGBITS if is(".data") => Some(MapOrigin::Data),
        abi::SHT_PROGBITS if is(".rodata") => Some(MapOrigin::ReadOnlyData),
        abi::SHT_NOBITS if is(".bss") => Some(MapOrigin::Bss),
        _ => None,
    }
}

/// Contents of a data section.
pub(crate) fn contents(section: &Section<'_>) -> Result<Contents> {
    let too_large = || {
        let message = format!("{} bytes of data are more than the limit of {MAX_DATA_SIZE}", section.size);
        ObjectError::new(ErrorKind::TooLarge, message).at(section.name, 0)
    };
    let size = u32::try_from(section.size).ok().filter(|s| *s <= MAX_DATA_SIZE).ok_or_else(too_large)?;
    if section.is_zero_filled() {
        return Ok(Contents::zeros(size));
    }
    Contents::from_bytes(section.data.to_vec()).ok_or_else(too_large)
}

/// The map for a data section.
pub(crate) fn data_map(name: &str, origin: MapOrigin, contents: Contents) -> MapSpec {
    let read_only = matches!(origin, MapOrigin::ReadOnlyData | MapOrigin::Kconfig);
    MapSpec {
        name: name.to_owned(),
        origin,
        section: name.to_owned(),
        section_offset: 0,
        type_number: MapType::Array.number(),
        key_size: 4,
        value_size: contents.size(),
        max_entries: 1,
        flags: match origin {
            // Values of the kernel's configuration are always shared with user space.
            MapOrigin::Kconfig => MapFlags::RDONLY_PROG | MapFlags::MMAPABLE,
            MapOrigin::ReadOnlyData => MapFlags::RDONLY_PROG,
            _ => MapFlags::empty(),
        },
        numa_node: None,
        map_extra: 0,
        key_type: None,
        value_type: None,
        pinning: Pinning::None,
        autocreate: true,
        inner: None,
        initial_values: Vec::new(),
        contents: Some(contents),
        freeze: read_only,
    }
}
