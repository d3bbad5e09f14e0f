//! Global variables: names for parts of data maps.

use super::Tables;
use super::types::Types;
use crate::elf::{Elf, SymbolKind};
use crate::spec::GlobalSpec;
use skep_btf::{Type, TypeId, VariableLinkage};
use std::collections::HashMap;

/// Names come from the symbol table, which objects without BTF have too; types from BTF.
pub(crate) fn read(elf: &Elf<'_>, types: Option<&Types>, tables: &mut Tables) {
    let mut typed: HashMap<(&str, &str), (TypeId, bool)> = HashMap::new();
    for section in elf.sections.iter().map(|s| s.name).filter(|_| types.is_some()) {
        let Some(types) = types else { break };
        for (_, variable) in types.section_variables(section) {
            let is_static = variable.linkage == VariableLinkage::Static;
            typed.insert((section, types.btf.str(variable.name)), (variable.ty, is_static));
        }
    }
    for symbol in elf.symbols.iter().filter(|s| s.kind == SymbolKind::Object && !s.name.is_empty()) {
        let Some(section) = symbol.section else { continue };
        let (Some(map), Some(elf_section)) = (tables.data_maps.get(&section), elf.sections.get(section)) else {
            continue;
        };
        let found = typed.get(&(elf_section.name, symbol.name));
        let size = tables.maps.get(map.0).and_then(|m| m.contents.as_ref()).map_or(0, |c| c.size());
        let (Ok(offset), Ok(len)) = (u32::try_from(symbol.value), u32::try_from(symbol.size)) else { continue };
        if offset.checked_add(len).is_none_or(|end| end > size) {
            continue;
        }
        tables.globals.push(GlobalSpec {
            name: symbol.name.to_owned(),
            map: *map,
            offset,
            size: len,
            type_id: found.map(|f| f.0),
            is_static: found.map_or(symbol.local, |f| f.1),
        });
    }
    tables.globals.sort_by(|a, b| (a.map, a.offset, &a.name).cmp(&(b.map, b.offset, &b.name)));
}

/// Some variable of the section is meant for user space: its map can be mapped into memory.
pub(crate) fn any_shared(types: &Types, section: &str) -> bool {
    types.section_entries(section).any(|id| match types.btf.ty(id) {
        Type::Variable(v) => v.linkage != VariableLinkage::Static,
        _ => false,
    })
}
