//! Types of several objects.

use super::{Layout, Named, in_object};
use crate::error::{ErrorKind, ObjectError, Result};
use crate::parse::externs::{KCONFIG, KSYMS};
use crate::parse::types::{Types, error};
use skep_btf::{
    BtfBuilder, BtfExt, CoreRelocation, FuncInfo, Group, IdMap, LineInfo, SectionEntry, StringOffset, Type, TypeId,
    VariableLinkage,
};
use std::collections::{BTreeMap, HashSet};

/// The types of all objects, with the records about their instructions. None of them, or all, must have types.
pub(in crate::parse) fn merge(inputs: &[Named<'_>], layout: &Layout) -> Result<(Option<Types>, BtfExt)> {
    if inputs.iter().all(|n| n.input.types.is_none()) {
        return Ok((None, BtfExt::default()));
    }
    let mut builder = BtfBuilder::new();
    let mut ext = BtfExt::default();
    let mut sections: BTreeMap<String, Vec<SectionEntry>> = BTreeMap::new();
    for (i, named) in inputs.iter().enumerate() {
        let Some(types) = &named.input.types else {
            let missing = ObjectError::new(ErrorKind::Btf, "it has no types and the others have");
            return Err(in_object(named.name, missing.hint("compile all of them with -g, or none")));
        };
        builder.set_endian(types.btf.endian());
        let map = builder.append(&types.btf);
        take_sections(i, named, layout, map, &mut builder, &mut sections);
        move_records(i, named, layout, map, &mut builder, &mut ext);
    }
    for (name, entries) in sections {
        add_section(&name, entries, &mut builder);
    }
    let btf = builder.build().map_err(|e| error(".BTF", &e))?;
    Ok((Some(Types::new(btf)), ext))
}

/// Collects the entries of an object's data sections. The sections themselves are replaced: a type cannot be taken
/// out without renumbering the others, and a pointer to void is in every program.
fn take_sections(
    input: usize,
    named: &Named<'_>,
    layout: &Layout,
    map: IdMap,
    builder: &mut BtfBuilder,
    sections: &mut BTreeMap<String, Vec<SectionEntry>>,
) {
    let Some(types) = &named.input.types else { return };
    for (name, id) in types.sections() {
        let Type::DataSection(section) = types.btf.ty(id) else { continue };
        let index = named.input.elf.section(name).map(|(i, _)| i);
        let base = index.and_then(|s| layout.base(input, s)).and_then(|b| u32::try_from(b).ok()).unwrap_or(0);
        let entries = sections.entry(name.to_owned()).or_default();
        for entry in &section.entries {
            // A declaration of another object's variable: that object has the entry.
            let declared = matches!(types.btf.ty(entry.ty), Type::Variable(v) if v.linkage == VariableLinkage::Extern);
            if declared && !matches!(name, KCONFIG | KSYMS) {
                continue;
            }
            let offset = entry.offset.saturating_add(base);
            entries.push(SectionEntry { ty: map.get(entry.ty), offset, size: entry.size });
        }
        if let Some(ty) = builder.type_mut(map.get(id)) {
            *ty = Type::Pointer(TypeId::VOID);
        }
    }
}

/// Adds a joined section; externs that several objects declare are in it once.
fn add_section(name: &str, entries: Vec<SectionEntry>, builder: &mut BtfBuilder) {
    let mut known: HashSet<StringOffset> = HashSet::new();
    let mut kept = Vec::with_capacity(entries.len());
    for entry in entries {
        let shared = match builder.type_mut(entry.ty) {
            Some(Type::Variable(v)) if v.linkage == VariableLinkage::Static => None,
            Some(ty) => Some(ty.name()),
            None => None,
        };
        if shared.is_none_or(|name| known.insert(name)) {
            kept.push(entry);
        }
    }
    builder.data_section(name, 0, &kept);
}

fn move_records(
    input: usize,
    named: &Named<'_>,
    layout: &Layout,
    map: IdMap,
    builder: &mut BtfBuilder,
    out: &mut BtfExt,
) {
    let (Some(types), Some(ext)) = (&named.input.types, &named.input.ext) else { return };
    let btf = &types.btf;
    let base = |section: StringOffset| -> Option<u32> {
        let (index, _) = named.input.elf.section(btf.str(section))?;
        u32::try_from(layout.base(input, index)?).ok()
    };
    for group in &ext.functions {
        let Some(base) = base(group.section) else { continue };
        let section = builder.string(btf.str(group.section));
        let moved = |r: &FuncInfo| {
            Some(FuncInfo { insn_offset: r.insn_offset.checked_add(base)?, type_id: map.get(r.type_id) })
        };
        out.functions.push(Group { section, records: group.records.iter().filter_map(moved).collect() });
    }
    for group in &ext.lines {
        let Some(base) = base(group.section) else { continue };
        let section = builder.string(btf.str(group.section));
        let mut moved = |r: &LineInfo| {
            Some(LineInfo {
                insn_offset: r.insn_offset.checked_add(base)?,
                file_name: builder.string(btf.str(r.file_name)),
                line: builder.string(btf.str(r.line)),
                ..*r
            })
        };
        out.lines.push(Group { section, records: group.records.iter().filter_map(&mut moved).collect() });
    }
    for group in &ext.relocations {
        let Some(base) = base(group.section) else { continue };
        let section = builder.string(btf.str(group.section));
        let mut moved = |r: &CoreRelocation| {
            Some(CoreRelocation {
                insn_offset: r.insn_offset.checked_add(base)?,
                type_id: map.get(r.type_id),
                access_spec: builder.string(btf.str(r.access_spec)),
                kind: r.kind,
            })
        };
        out.relocations.push(Group { section, records: group.records.iter().filter_map(&mut moved).collect() });
    }
}
