//! Pointers in data: relocations of `.maps` (initial values), of `.struct_ops` (members) and of ordinary data, which
//! BPF cannot have.

use super::Tables;
use super::functions::Functions;
use super::map_definitions;
use super::programs::Assembled;
use super::struct_ops;
use crate::elf::{Elf, ElfRelocation, Section};
use crate::error::{ErrorKind, ObjectError, Result};
use crate::spec::{InitialValue, ProgramIndex, SlotValue, StructOpsSpec};

/// Bytes of a pointer in data.
const POINTER: u64 = 8;

/// Where a pointer in data points.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pointee<'e> {
    pub(crate) name: &'e str,
    pub(crate) section: Option<usize>,
    pub(crate) offset: u64,
}

/// The symbol, with the addend, of a pointer in a section's contents.
pub(crate) fn pointee<'e>(elf: &Elf<'e>, section: &Section<'e>, relocation: &ElfRelocation) -> Result<Pointee<'e>> {
    let bad = |message: String| ObjectError::new(ErrorKind::Malformed, message).at(section.name, relocation.offset);
    let symbol = elf.symbols.get(relocation.symbol).ok_or_else(|| bad("relocation with unknown symbol".to_owned()))?;
    let in_place = || {
        let start = usize::try_from(relocation.offset).ok()?;
        section.data.get(start..)?.first_chunk::<8>().map(|b| elf.addend(symbol, elf.u64(*b).cast_signed()))
    };
    let addend = relocation.addend.or_else(in_place);
    let addend = addend.ok_or_else(|| bad("relocation beyond the end of the section".to_owned()))?;
    let offset = symbol.value.checked_add_signed(addend);
    let offset = offset.ok_or_else(|| bad(format!("address of '{}' is out of range", symbol.name)))?;
    Ok(Pointee { name: symbol.name, section: symbol.section, offset })
}

/// The program whose entry a pointer points to.
pub(crate) fn program(to: &Pointee<'_>, functions: &Functions<'_>, assembled: &Assembled) -> Option<ProgramIndex> {
    let slot = u32::try_from(to.offset / 8).ok().filter(|_| to.offset.is_multiple_of(8))?;
    let function = functions.at(to.section?, slot)?;
    assembled.by_function.get(&function).copied()
}

/// Fills in the initial values of maps.
pub(crate) fn initial_values(
    elf: &Elf<'_>,
    functions: &Functions<'_>,
    assembled: &Assembled,
    tables: &mut Tables,
) -> Result<()> {
    let Some((index, section)) = elf.section(map_definitions::SECTION) else { return Ok(()) };
    for relocation in elf.relocations(index) {
        let fail = |kind, message: String| ObjectError::new(kind, message).at(section.name, relocation.offset);
        let at = relocation.offset;
        let behind = tables.values_arrays.partition_point(|(start, ..)| *start <= at);
        let holder = behind.checked_sub(1).and_then(|i| tables.values_arrays.get(i));
        let Some((start, map, Some(values))) = holder.copied() else {
            return Err(fail(ErrorKind::Map, "a pointer here is not in the values of a map".to_owned()));
        };
        let distance = at.checked_sub(start + u64::from(values.offset)).filter(|d| d.is_multiple_of(POINTER));
        let key = distance.and_then(|d| u32::try_from(d / POINTER).ok());
        let Some(key) = key else {
            return Err(fail(ErrorKind::Map, "a pointer here is not an element of the map's values".to_owned()));
        };
        let to = pointee(elf, section, relocation)?;
        let value = if values.programs {
            program(&to, functions, assembled).map(SlotValue::Program)
        } else {
            to.section.and_then(|s| tables.defined_maps.get(&(s, to.offset))).copied().map(SlotValue::Map)
        };
        let what = if values.programs { "program" } else { "map" };
        let value =
            value.ok_or_else(|| fail(ErrorKind::Map, format!("'{}' is not a {what} of this object", to.name)))?;
        if let Some(map) = tables.maps.get_mut(map.0) {
            map.initial_values.push(InitialValue { key, value });
        }
    }
    Ok(())
}

/// Pointers in data sections read as what the compiler wrote there, not as addresses; the reader of the object is told.
pub(crate) fn warnings(elf: &Elf<'_>, tables: &Tables) -> Vec<ObjectError> {
    let mut sections: Vec<usize> = tables.data_maps.keys().copied().collect();
    sections.sort_unstable();
    let mut out = Vec::new();
    for (index, section) in sections.iter().filter_map(|i| Some((*i, elf.sections.get(*i)?))) {
        for relocation in elf.relocations(index) {
            let name = elf.symbols.get(relocation.symbol).map_or("?", |s| s.name);
            let message = format!("the pointer to '{name}' is not an address when the program runs");
            out.push(
                ObjectError::new(ErrorKind::Unsupported, message)
                    .at(section.name, relocation.offset)
                    .hint("BPF data cannot hold addresses; use an index or a switch"),
            );
        }
    }
    out
}

/// Implementations of kernel interfaces.
pub(crate) fn struct_ops(
    elf: &Elf<'_>,
    types: &super::types::Types,
    functions: &Functions<'_>,
    assembled: &Assembled,
) -> Result<Vec<StructOpsSpec>> {
    let mut out = Vec::new();
    for (index, section) in elf.sections.iter().enumerate() {
        if let Some(kind) = struct_ops::section_kind(section.name) {
            struct_ops::read(elf, types, (index, section), kind, &mut out, |relocation| {
                let to = pointee(elf, section, relocation)?;
                program(&to, functions, assembled).ok_or_else(|| {
                    let message = format!("'{}' is not a program of this object", to.name);
                    ObjectError::new(ErrorKind::Unsupported, message)
                        .at(section.name, relocation.offset)
                        .hint("only functions in SEC(\"struct_ops/…\") can be members")
                })
            })?;
        }
    }
    Ok(out)
}
