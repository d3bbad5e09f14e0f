//! What each relocation of code refers to.

use super::Tables;
use super::functions::Functions;
use crate::elf::{Elf, ElfRelocation, Symbol};
use crate::error::{ErrorKind, ObjectError, Result};
use crate::spec::{MapIndex, Target};
use skep_isa::Slot;
use std::collections::HashMap;

pub(crate) const LDDW: u8 = 0x18;
pub(crate) const CALL: u8 = 0x85;

/// What a slot refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    /// `call` of a function of this object, by its index.
    Call(usize),
    /// `lddw` of the address of a function of this object.
    FunctionAddress(usize),
    /// Something that only the loader can fill in.
    Loader(Target),
}

/// References by section index and slot.
pub(crate) type References = HashMap<(usize, u32), Reference>;

pub(crate) fn read(elf: &Elf<'_>, functions: &Functions<'_>, tables: &Tables) -> Result<References> {
    let mut out = References::new();
    for (index, section) in elf.sections.iter().enumerate().filter(|(_, s)| s.is_executable()) {
        let code = functions.section_code(index);
        for relocation in elf.relocations(index) {
            let place = Place { elf, functions, tables, relocation };
            let at_fault = |e: ObjectError| e.at(section.name, relocation.offset);
            let (slot, insn) = place.instruction(code).map_err(at_fault)?;
            out.insert((index, slot), place.resolve(insn).map_err(at_fault)?);
        }
        // References inside a section need no relocation.
        for (slot, insn) in code.iter().enumerate() {
            let slot = slot as u32;
            let is_call = insn.opcode == CALL && insn.src == 1;
            let is_address = insn.opcode == LDDW && insn.src == 4;
            if !(is_call || is_address) || out.contains_key(&(index, slot)) {
                continue;
            }
            let target = i64::from(slot) + 1 + i64::from(insn.imm);
            let function = u32::try_from(target).ok().and_then(|t| functions.at(index, t)).ok_or_else(|| {
                let message = format!("it refers to slot {target} of the section, where no function begins");
                ObjectError::new(ErrorKind::Malformed, message).at(section.name, u64::from(slot) * 8)
            })?;
            let reference = if is_call { Reference::Call(function) } else { Reference::FunctionAddress(function) };
            out.insert((index, slot), reference);
        }
    }
    Ok(out)
}

struct Place<'a, 'e> {
    elf: &'a Elf<'e>,
    functions: &'a Functions<'e>,
    tables: &'a Tables,
    relocation: &'a ElfRelocation,
}

impl<'a, 'e> Place<'a, 'e> {
    fn instruction<'c>(&self, code: &'c [Slot]) -> Result<(u32, &'c Slot)> {
        let offset = self.relocation.offset;
        let slot = offset / 8;
        let insn = usize::try_from(slot).ok().and_then(|s| code.get(s));
        match insn {
            Some(insn) if offset.is_multiple_of(8) => Ok((slot as u32, insn)),
            Some(_) => Err(malformed("a relocation must be at the start of an instruction".to_owned())),
            None => Err(malformed(format!("relocation beyond the code, which has {} bytes", code.len() * 8))),
        }
    }

    fn symbol(&self) -> Result<&'a Symbol<'e>> {
        let index = self.relocation.symbol;
        self.elf.symbols.get(index).ok_or_else(|| malformed(format!("relocation with unknown symbol {index}")))
    }

    fn resolve(&self, insn: &Slot) -> Result<Reference> {
        let symbol = self.symbol()?;
        match insn.opcode {
            LDDW => self.address(symbol, insn),
            CALL => self.call(symbol, insn),
            opcode => {
                let message =
                    format!("an instruction of opcode {opcode:#04x} cannot refer to symbol '{}'", symbol.name);
                Err(ObjectError::new(ErrorKind::Unsupported, message)
                    .hint("only calls and 64-bit immediate loads (lddw) can be relocated"))
            }
        }
    }

    fn call(&self, symbol: &Symbol<'_>, insn: &Slot) -> Result<Reference> {
        let Some(section) = symbol.section else {
            return match self.tables.externs.get(symbol.name) {
                Some(index) => Ok(Reference::Loader(Target::ExternCall(*index))),
                None => Err(undefined(symbol)),
            };
        };
        let addend = self.relocation.addend.unwrap_or_else(|| self.elf.call_addend(symbol, insn.imm));
        self.function(section, symbol, addend).map(Reference::Call)
    }

    fn function(&self, section: usize, symbol: &Symbol<'_>, addend: i64) -> Result<usize> {
        let target = symbol.value.checked_add_signed(addend).filter(|t| t.is_multiple_of(8)).map(|t| t / 8);
        target.and_then(|t| u32::try_from(t).ok()).and_then(|t| self.functions.at(section, t)).ok_or_else(|| {
            let name = self.elf.sections.get(section).map_or("?", |s| s.name);
            malformed(format!(
                "it refers to symbol '{}' plus {addend} bytes in section {name}, where no function begins",
                symbol.name
            ))
        })
    }

    fn address(&self, symbol: &Symbol<'_>, insn: &Slot) -> Result<Reference> {
        let addend = self.relocation.addend.unwrap_or_else(|| self.elf.addend(symbol, i64::from(insn.imm)));
        let Some(section) = symbol.section else { return self.extern_address(symbol, addend) };
        if self.elf.sections.get(section).is_some_and(|s| s.is_executable()) {
            return self.function(section, symbol, addend).map(Reference::FunctionAddress);
        }
        if let Some(map) = self.tables.data_maps.get(&section) {
            return self.value(*map, symbol, addend);
        }
        if self.tables.map_sections.contains(&section) {
            let at = symbol.value.checked_add_signed(addend);
            return match at.and_then(|at| self.tables.defined_maps.get(&(section, at))) {
                Some(map) => Ok(Reference::Loader(Target::Map(*map))),
                None => Err(malformed(format!(
                    "it refers to symbol '{}' plus {addend} bytes, where no map is defined",
                    symbol.name
                ))),
            };
        }
        let name = self.elf.sections.get(section).map_or("?", |s| s.name);
        let message =
            format!("it refers to symbol '{}' in section {name}, which is neither data, maps nor code", symbol.name);
        Err(ObjectError::new(ErrorKind::Unsupported, message))
    }

    fn extern_address(&self, symbol: &Symbol<'_>, addend: i64) -> Result<Reference> {
        if let Some((map, offset)) = self.tables.extern_values.get(symbol.name) {
            let at = u32::try_from(i64::from(*offset) + addend).ok();
            let offset = at.ok_or_else(|| malformed(format!("offset of '{}' is out of range", symbol.name)))?;
            return Ok(Reference::Loader(Target::MapValue { map: *map, offset }));
        }
        match self.tables.externs.get(symbol.name) {
            Some(index) => Ok(Reference::Loader(Target::ExternAddress(*index))),
            None => Err(undefined(symbol)),
        }
    }

    fn value(&self, map: MapIndex, symbol: &Symbol<'_>, addend: i64) -> Result<Reference> {
        // One past the end is allowed: loops compare with it.
        let contents = self.tables.maps.get(map.0).and_then(|m| m.contents.as_ref());
        let size = contents.map_or(0, |c| c.size());
        let offset = symbol.value.checked_add_signed(addend).and_then(|o| u32::try_from(o).ok());
        match offset.filter(|o| *o <= size) {
            Some(offset) => Ok(Reference::Loader(Target::MapValue { map, offset })),
            None => Err(malformed(format!(
                "it refers to symbol '{}' plus {addend} bytes, outside its section of {size} bytes",
                symbol.name
            ))),
        }
    }
}

fn malformed(message: String) -> ObjectError {
    ObjectError::new(ErrorKind::Malformed, message)
}

fn undefined(symbol: &Symbol<'_>) -> ObjectError {
    ObjectError::new(ErrorKind::Undefined, format!("nothing defines symbol '{}'", symbol.name))
        .hint("declare it with __ksym or __kconfig (and compile with -g), or link the object that defines it")
}
