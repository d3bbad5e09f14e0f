//! BTF.ext records, sorted by section and slot so that each function finds its own.

use super::types::{Types, error};
use crate::elf::{Elf, MAX_NAME};
use crate::error::Result;
use crate::spec::{CoreRelocationSpec, LineRecord};
use skep_btf::{BtfBuilder, BtfExt, Group, StringOffset, TypeId};
use std::collections::HashMap;

/// Bytes of an instruction slot.
const SLOT: u32 = 8;

/// Reads `.BTF.ext`.
pub(crate) fn read(elf: &Elf<'_>, types: &Types) -> Result<Option<BtfExt>> {
    let Some((_, section)) = elf.section(".BTF.ext") else { return Ok(None) };
    BtfExt::parse(section.data, &types.btf).map(Some).map_err(|e| error(section.name, &e))
}

/// Records by section name; slots are the section's.
#[derive(Debug, Default)]
pub(crate) struct Records {
    functions: HashMap<String, Vec<(u32, TypeId)>>,
    lines: HashMap<String, Vec<LineRecord>>,
    core_relocations: HashMap<String, Vec<CoreRelocationSpec>>,
}

impl Records {
    /// Sorts the records. Their strings, those of `types`, are added to `builder`, whose offsets they then have.
    pub(crate) fn new(ext: &BtfExt, types: &Types, builder: &mut BtfBuilder) -> Records {
        let btf = &types.btf;
        let mut moved: HashMap<StringOffset, StringOffset> = HashMap::new();
        let mut string = |old: StringOffset| *moved.entry(old).or_insert_with(|| builder.string(btf.str(old)));
        // No ELF section has a longer name.
        let name = |offset| Some(btf.str(offset)).filter(|n| n.len() <= MAX_NAME).map(str::to_owned);
        Records {
            functions: by_section(&ext.functions, name, |r| (r.insn_offset / SLOT, r.type_id), |r| r.0),
            lines: by_section(
                &ext.lines,
                name,
                |r| LineRecord {
                    slot: r.insn_offset / SLOT,
                    file: string(r.file_name),
                    text: string(r.line),
                    line: r.line_number,
                    column: r.column,
                },
                |r| r.slot,
            ),
            core_relocations: by_section(
                &ext.relocations,
                name,
                |r| CoreRelocationSpec {
                    slot: r.insn_offset / SLOT,
                    kind: r.kind,
                    type_id: r.type_id,
                    access: string(r.access_spec),
                },
                |r| r.slot,
            ),
        }
    }

    /// The `FUNC` of the function that begins at a slot.
    pub(crate) fn function(&self, section: &str, slot: u32) -> Option<TypeId> {
        let list = self.functions.get(section)?;
        list.binary_search_by_key(&slot, |r| r.0).ok().and_then(|i| list.get(i)).map(|r| r.1)
    }

    /// Lines of a range of slots.
    pub(crate) fn lines(&self, section: &str, start: u32, len: u32) -> &[LineRecord] {
        range(self.lines.get(section), start, len, |r| r.slot)
    }

    /// CO-RE relocations of a range of slots.
    pub(crate) fn core_relocations(&self, section: &str, start: u32, len: u32) -> &[CoreRelocationSpec] {
        range(self.core_relocations.get(section), start, len, |r| r.slot)
    }
}

fn by_section<R, T>(
    groups: &[Group<R>],
    name: impl Fn(StringOffset) -> Option<String>,
    mut convert: impl FnMut(&R) -> T,
    slot: impl Fn(&T) -> u32,
) -> HashMap<String, Vec<T>> {
    let mut out: HashMap<String, Vec<T>> = HashMap::new();
    for group in groups {
        let Some(section) = name(group.section) else { continue };
        out.entry(section).or_default().extend(group.records.iter().map(&mut convert));
    }
    for list in out.values_mut() {
        list.sort_by_key(&slot);
    }
    out
}

fn range<T>(list: Option<&Vec<T>>, start: u32, len: u32, slot: impl Fn(&T) -> u32) -> &[T] {
    let Some(list) = list else { return &[] };
    let first = list.partition_point(|r| slot(r) < start);
    let last = list.partition_point(|r| slot(r) < start.saturating_add(len));
    list.get(first..last).unwrap_or_default()
}
