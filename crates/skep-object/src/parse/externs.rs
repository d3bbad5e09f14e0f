//! Externs: undefined symbols that the object's BTF places in `.kconfig` or `.ksyms`.

use super::Tables;
use super::data::data_map;
use super::types::Types;
use crate::elf::{Elf, Symbol};
use crate::error::{ErrorKind, ObjectError, Result};
use crate::spec::{Contents, ExternIndex, ExternKind, ExternSpec, KconfigKind, MapOrigin};
use skep_btf::{Btf, Kind, Type, TypeId};
use std::collections::HashMap;

pub(crate) const KCONFIG: &str = ".kconfig";
pub(crate) const KSYMS: &str = ".ksyms";

pub(crate) fn read(elf: &Elf<'_>, types: &Types, tables: &mut Tables) -> Result<Vec<ExternSpec>> {
    let configuration = named_entries(types, KCONFIG);
    let symbols = named_entries(types, KSYMS);
    let mut externs = Vec::new();
    let mut wanted_configuration = Vec::new();
    for symbol in elf.symbols.iter().filter(|s| s.undefined && !s.name.is_empty()) {
        if let Some(id) = configuration.get(symbol.name) {
            let (value, align) = kconfig_kind(&types.btf, symbol.name, *id)?;
            wanted_configuration.push(Wanted { symbol, value, align });
        } else if let Some(id) = symbols.get(symbol.name) {
            let index = ExternIndex(externs.len());
            let kind = symbol_kind(&types.btf, *id);
            externs.push(ExternSpec { name: symbol.name.to_owned(), weak: symbol.weak, kind });
            tables.externs.insert(symbol.name.to_owned(), index);
        }
        // An undefined symbol that BTF does not know is an error only where it is used.
    }
    add_configuration(wanted_configuration, types, tables, &mut externs)?;
    Ok(externs)
}

/// Name to `VAR` or `FUNC` of a section's entries.
fn named_entries<'a>(types: &'a Types, section: &str) -> HashMap<&'a str, TypeId> {
    types.section_entries(section).map(|id| (types.btf.name(id), id)).collect()
}

fn symbol_kind(btf: &Btf, id: TypeId) -> ExternKind {
    match btf.ty(id) {
        Type::Function(f) => ExternKind::Function { func: id, prototype: f.prototype },
        Type::Variable(v) if btf.resolve(v.ty).0 != TypeId::VOID => ExternKind::Variable { var: id, type_id: v.ty },
        _ => ExternKind::Address,
    }
}

struct Wanted<'a, 'e> {
    symbol: &'a Symbol<'e>,
    value: KconfigKind,
    align: u32,
}

/// Lays the configuration variables out, strictest alignment first, so that there is no padding between them.
fn add_configuration(
    mut wanted: Vec<Wanted<'_, '_>>,
    types: &Types,
    tables: &mut Tables,
    externs: &mut Vec<ExternSpec>,
) -> Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    wanted.sort_by_key(|w| (std::cmp::Reverse(w.align), std::cmp::Reverse(w.value.size()), w.symbol.name));
    let mut end = 0u32;
    let mut offsets = Vec::new();
    for w in &wanted {
        let offset = end.next_multiple_of(w.align);
        end = offset.checked_add(w.value.size()).filter(|e| *e <= super::MAX_DATA_SIZE).ok_or_else(|| {
            let message = format!("variables of more than {} bytes", super::MAX_DATA_SIZE);
            ObjectError::new(ErrorKind::TooLarge, message).section(KCONFIG)
        })?;
        offsets.push(offset);
    }
    let mut map = data_map(KCONFIG, MapOrigin::Kconfig, Contents::zeros(end));
    map.value_type = types.section(KCONFIG);
    let map = tables.add_map(map);
    for (w, offset) in wanted.into_iter().zip(offsets) {
        let name = w.symbol.name.to_owned();
        tables.extern_values.insert(name.clone(), (map, offset));
        externs.push(ExternSpec { name, weak: w.symbol.weak, kind: ExternKind::Kconfig { offset, value: w.value } });
    }
    Ok(())
}

fn kconfig_kind(btf: &Btf, name: &str, id: TypeId) -> Result<(KconfigKind, u32)> {
    let unsupported = || {
        ObjectError::new(ErrorKind::Unsupported, format!("extern '{name}' has a type that no configuration value has"))
            .section(KCONFIG)
            .hint("use bool, char, char array, an integer or enum libbpf_tristate")
    };
    let Type::Variable(variable) = btf.ty(id) else { return Err(unsupported()) };
    let (target, ty) = btf.resolve(variable.ty);
    match ty {
        Type::Int(int) if int.encoding.is_bool() && int.size == 1 => Ok((KconfigKind::Bool, 1)),
        Type::Int(int) if int.encoding.is_bool() => Err(unsupported()),
        Type::Int(int) if int.size == 1 => Ok((KconfigKind::Char { signed: int.encoding.is_signed() }, 1)),
        Type::Int(int) if matches!(int.size, 2 | 4 | 8) => {
            Ok((KconfigKind::Int { size: int.size as u8, signed: int.encoding.is_signed() }, int.size))
        }
        Type::Enum(e) if e.size == 4 && btf.name(target) == "libbpf_tristate" => Ok((KconfigKind::Tristate, 4)),
        Type::Array(array) if array.len > 0 && is_char(btf, array.element) => {
            Ok((KconfigKind::String { size: array.len }, 1))
        }
        _ => Err(unsupported()),
    }
}

fn is_char(btf: &Btf, id: TypeId) -> bool {
    btf.resolve(id).1.kind() == Kind::Int && btf.size_of(id) == Some(1)
}
