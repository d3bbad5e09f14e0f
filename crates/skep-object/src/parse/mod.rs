//! ELF to [`ObjectSpec`].
//!
//! The order matters: types first, then everything that can be referred to (functions, maps, externs), then the
//! references, then programs, which are made of functions and references.

mod data;
mod externs;
mod functions;
mod globals;
mod legacy_maps;
mod map_definitions;
mod merge;
mod pointers;
mod programs;
mod records;
mod references;
mod section_name;
mod struct_ops;
mod types;

use crate::elf::{Elf, Section};
use crate::error::{ErrorKind, ObjectError, Result};
use crate::spec::{ExternIndex, GlobalSpec, MapIndex, MapSpec, ObjectSpec, SectionSummary};
#[cfg(test)]
pub(crate) use data::data_map;
use functions::Functions;
use map_definitions::ValuesArray;
use programs::Parts;
use records::Records;
use skep_btf::{BtfBuilder, BtfExt};
use std::collections::HashMap;
use std::sync::Arc;
use types::{FixUps, Types};

/// Largest data section (`.bss` can announce any size without having a byte in the file): 256 MiB.
pub const MAX_DATA_SIZE: u32 = 256 << 20;

impl ObjectSpec {
    /// Reads an ELF object.
    ///
    /// # Errors
    /// [`ObjectError`] says in which section and at which offset what is wrong. Nothing in `bytes` makes it panic.
    pub fn parse(bytes: &[u8]) -> Result<ObjectSpec> {
        ObjectSpec::from_input(Input::read(bytes)?)
    }

    /// Links several objects statically: what one of them declares, another may define. Names are for errors.
    ///
    /// # Errors
    /// What [`ObjectSpec::parse`] says of one of them, two definitions of one symbol, or a mix of byte orders.
    pub fn parse_linked(objects: &[(&str, &[u8])]) -> Result<ObjectSpec> {
        let mut inputs = Vec::with_capacity(objects.len());
        for (name, bytes) in objects {
            let input = Input::read(bytes).map_err(|e| merge::in_object(name, e))?;
            inputs.push(merge::Named { name, input });
        }
        let orders = inputs.array_windows().find(|[a, b]| a.input.elf.byte_order != b.input.elf.byte_order);
        if let Some([first, second]) = orders {
            let message = format!("objects {} and {} have different byte orders", first.name, second.name);
            return Err(ObjectError::new(ErrorKind::Unsupported, message));
        }
        let layout = merge::Layout::new(&inputs)?;
        let (types, ext) = merge::merge_types(&inputs, &layout)?;
        ObjectSpec::from_input(Input { elf: merge::merge_elf(&inputs, &layout)?, types, ext: Some(ext) })
    }

    fn from_input(Input { elf, types, ext }: Input<'_>) -> Result<ObjectSpec> {
        let functions = functions::read(&elf)?;
        let mut tables = Tables::default();
        data::read(&elf, types.as_ref(), &mut tables)?;
        let externs = match &types {
            Some(types) => externs::read(&elf, types, &mut tables)?,
            None => Vec::new(),
        };
        map_definitions::read(&elf, types.as_ref(), &mut tables)?;
        legacy_maps::read(&elf, &mut tables)?;
        data::read_arena(&elf, &mut tables)?;
        globals::read(&elf, types.as_ref(), &mut tables);
        let references = references::read(&elf, &functions, &tables)?;
        let mut builder = types.as_ref().map(|t| FixUps { elf: &elf, externs: &externs }.apply(t));
        let records = match (&types, &ext, &mut builder) {
            (Some(types), Some(ext), Some(builder)) => Records::new(ext, types, builder),
            _ => Records::default(),
        };
        let (types, functions, references) = (types.as_ref(), &functions, &references);
        let assembled = programs::assemble_all(Parts { elf: &elf, types, functions, references, records: &records })?;
        pointers::initial_values(&elf, functions, &assembled, &mut tables)?;
        let struct_ops = match types {
            Some(types) => pointers::struct_ops(&elf, types, functions, &assembled)?,
            None => Vec::new(),
        };
        let btf = match builder {
            Some(mut builder) => {
                hide_functions(&elf, functions, &records, &mut builder);
                Some(Arc::new(builder.build().map_err(|e| types::error(".BTF", &e))?))
            }
            None => None,
        };
        Ok(ObjectSpec {
            byte_order: elf.byte_order,
            license: license(&elf)?,
            kernel_version: kernel_version(&elf)?,
            programs: assembled.programs,
            warnings: pointers::warnings(&elf, &tables),
            maps: tables.maps,
            globals: tables.globals,
            externs,
            struct_ops,
            btf,
            sections: elf.sections.iter().filter(|s| !s.name.is_empty()).map(summary).collect(),
        })
    }
}

/// An object as it was written: what is read before anything is made of it.
struct Input<'a> {
    elf: Elf<'a>,
    types: Option<Types>,
    ext: Option<BtfExt>,
}

impl<'a> Input<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self> {
        let elf = Elf::parse(bytes)?;
        let types = Types::read(&elf)?;
        let ext = match &types {
            Some(types) => records::read(&elf, types)?,
            None => None,
        };
        Ok(Input { elf, types, ext })
    }
}

/// Everything that instructions can refer to, with the indices to find it by.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) maps: Vec<MapSpec>,
    pub(crate) globals: Vec<GlobalSpec>,
    /// Section index to the map that holds the section's contents.
    pub(crate) data_maps: HashMap<usize, MapIndex>,
    /// Section index and byte offset to the map defined there.
    pub(crate) defined_maps: HashMap<(usize, u64), MapIndex>,
    /// Name to extern that is reached by address or call.
    pub(crate) externs: HashMap<String, ExternIndex>,
    /// Name to place in a map: `.kconfig` externs.
    pub(crate) extern_values: HashMap<String, (MapIndex, u32)>,
    /// Sections that hold map definitions.
    pub(crate) map_sections: Vec<usize>,
    /// Offset in `.maps` of each map defined there, with its array of initial values; in order of offset.
    pub(crate) values_arrays: Vec<(u64, MapIndex, Option<ValuesArray>)>,
}

impl Tables {
    pub(crate) fn add_map(&mut self, map: MapSpec) -> MapIndex {
        self.maps.push(map);
        MapIndex(self.maps.len() - 1)
    }
}

/// Hidden functions are static to the kernel.
fn hide_functions(elf: &Elf<'_>, functions: &Functions<'_>, records: &Records, builder: &mut BtfBuilder) {
    for function in functions.list.iter().filter(|f| f.hidden) {
        let section = elf.sections.get(function.section).map_or("", |s| s.name);
        if let Some(id) = records.function(section, function.start) {
            types::make_static(id, builder);
        }
    }
}

fn summary(section: &Section<'_>) -> SectionSummary {
    SectionSummary {
        name: section.name.to_owned(),
        offset: section.offset,
        size: section.size,
        executable: section.is_executable(),
        zero_filled: section.is_zero_filled(),
    }
}

fn license(elf: &Elf<'_>) -> Result<Option<String>> {
    let Some((_, section)) = elf.section("license") else { return Ok(None) };
    let text = section.data.split(|b| *b == 0).next().unwrap_or_default();
    let text = std::str::from_utf8(text)
        .map_err(|_| ObjectError::new(ErrorKind::Malformed, "the licence is not UTF-8 text").at(section.name, 0))?;
    Ok(Some(text.to_owned()))
}

fn kernel_version(elf: &Elf<'_>) -> Result<Option<u32>> {
    let Some((_, section)) = elf.section("version") else { return Ok(None) };
    match elf.u32_at(section.data, 0) {
        Some(version) if section.data.len() == 4 => Ok(Some(version)),
        _ => {
            let message = format!("a kernel version has 4 bytes, this has {}", section.data.len());
            Err(ObjectError::new(ErrorKind::Malformed, message).at(section.name, 0))
        }
    }
}
