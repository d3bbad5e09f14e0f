//! Static linking: several objects become one before anything else is made of them.
//!
//! Sections of the same name are put behind each other; global symbols of the same name become one, the definition
//! winning over what is undefined and the strong over the weak; types are appended, and their data sections joined.

mod types;

use super::Input;
use crate::elf::{Elf, ElfRelocation, Section, Symbol};
use crate::error::{ErrorKind, ObjectError, Result};
use std::collections::HashMap;

pub(super) use types::merge as merge_types;

/// An object to link, with the name that errors call it by.
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    pub(super) input: Input<'a>,
}

/// Where a section of an input goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    section: usize,
    base: u64,
}

/// Joined contents of the sections.
#[derive(Debug, Default)]
pub(super) struct Layout {
    sections: Vec<Joined>,
    by_name: HashMap<String, usize>,
    /// Input and section in it to its place.
    places: HashMap<(usize, usize), Place>,
}

#[derive(Debug)]
struct Joined {
    /// Input and section that came first: name, kind and flags are its.
    first: (usize, usize),
    size: u64,
    data: Vec<u8>,
}

/// Sections that say something about the whole object: they must be the same everywhere and are kept once.
fn is_shared(name: &str) -> bool {
    matches!(name, "license" | "version")
}

impl Layout {
    pub(super) fn new(inputs: &[Named<'_>]) -> Result<Layout> {
        let mut layout = Layout::default();
        for (i, named) in inputs.iter().enumerate() {
            for (s, section) in named.input.elf.sections.iter().enumerate().filter(|(_, s)| s.is_allocated()) {
                layout.add(inputs, (i, s), section).map_err(|e| in_object(named.name, e))?;
            }
        }
        Ok(layout)
    }

    fn add(&mut self, inputs: &[Named<'_>], at: (usize, usize), section: &Section<'_>) -> Result<()> {
        let Some(index) = self.by_name.get(section.name).copied() else {
            self.by_name.insert(section.name.to_owned(), self.sections.len());
            self.places.insert(at, Place { section: self.sections.len(), base: 0 });
            self.sections.push(Joined { first: at, size: section.size, data: section.data.to_vec() });
            return Ok(());
        };
        let Some(joined) = self.sections.get_mut(index) else { return Ok(()) };
        let refuse = |message: &str| Err(ObjectError::new(ErrorKind::Malformed, message).section(section.name));
        let first = &inputs[joined.first.0].input.elf.sections[joined.first.1];
        if first.kind != section.kind || first.is_executable() != section.is_executable() {
            return refuse("it is of another kind than the section of that name in an object before");
        }
        if is_shared(section.name) {
            self.places.insert(at, Place { section: index, base: 0 });
            return if joined.data == section.data {
                Ok(())
            } else {
                refuse("it differs from the section of that name in an object before")
            };
        }
        let base = joined.size.checked_next_multiple_of(section.align()?);
        let size = base.and_then(|b| b.checked_add(section.size)).filter(|s| *s <= u64::from(u32::MAX));
        let (Some(base), Some(size)) = (base, size) else {
            return refuse("the sections of this name are too large together");
        };
        joined.size = size;
        if !section.is_zero_filled() {
            joined.data.resize(base as usize, 0);
            joined.data.extend_from_slice(section.data);
        }
        self.places.insert(at, Place { section: index, base });
        Ok(())
    }

    /// Byte offset of an input's section in the joined one.
    fn base(&self, input: usize, section: usize) -> Option<u64> {
        self.places.get(&(input, section)).map(|p| p.base)
    }
}

/// The one object that the inputs make.
pub(super) fn merge_elf<'e>(inputs: &'e [Named<'e>], layout: &'e Layout) -> Result<Elf<'e>> {
    let mut symbols: Vec<Symbol<'e>> = vec![];
    let mut globals: HashMap<&str, usize> = HashMap::new();
    let mut relocations: HashMap<usize, Vec<ElfRelocation>> = HashMap::new();
    for (i, named) in inputs.iter().enumerate() {
        let elf = &named.input.elf;
        elf.check_linkable().map_err(|e| in_object(named.name, e))?;
        let mut indices = Vec::with_capacity(elf.symbols.len());
        for symbol in &elf.symbols {
            let symbol = moved(symbol, i, layout);
            indices.push(add_symbol(symbol, &mut symbols, &mut globals).map_err(|e| in_object(named.name, e))?);
        }
        for (s, place) in (0..elf.sections.len()).filter_map(|s| Some((s, layout.places.get(&(i, s))?))) {
            let list = relocations.entry(place.section).or_default();
            list.extend(elf.relocations(s).iter().filter_map(|r| {
                let symbol = *indices.get(r.symbol)?;
                Some(ElfRelocation { offset: r.offset.checked_add(place.base)?, symbol, addend: r.addend })
            }));
        }
    }
    let sections = layout.sections.iter().map(|joined| {
        let first = &inputs[joined.first.0].input.elf.sections[joined.first.1];
        Section { offset: 0, size: joined.size, data: &joined.data, ..*first }
    });
    let byte_order = inputs.first().map_or(crate::spec::ByteOrder::Little, |n| n.input.elf.byte_order);
    Ok(Elf::from_parts(byte_order, sections.collect(), symbols, relocations))
}

/// A symbol as it is in the joined object. One in a section that is left out (debug information) is undefined there,
/// and nothing that is kept refers to it.
fn moved<'e>(symbol: &Symbol<'e>, input: usize, layout: &Layout) -> Symbol<'e> {
    let mut out = symbol.clone();
    let place = symbol.section.and_then(|s| layout.places.get(&(input, s)));
    out.section = place.map(|p| p.section);
    out.value = symbol.value.saturating_add(place.map_or(0, |p| p.base));
    out
}

/// The index of a symbol in the joined table.
fn add_symbol<'e>(
    symbol: Symbol<'e>,
    symbols: &mut Vec<Symbol<'e>>,
    globals: &mut HashMap<&'e str, usize>,
) -> Result<usize> {
    let fresh = symbols.len();
    if symbol.local || symbol.name.is_empty() {
        symbols.push(symbol);
        return Ok(fresh);
    }
    let index = *globals.entry(symbol.name).or_insert(fresh);
    let Some(known) = symbols.get_mut(index) else {
        symbols.push(symbol);
        return Ok(fresh);
    };
    let shared = known.section.is_some() && known.section == symbol.section && known.value == symbol.value;
    if known.undefined && symbol.undefined {
        known.weak &= symbol.weak;
    } else if known.undefined || (known.weak && !symbol.weak && !symbol.undefined) {
        *known = symbol;
    } else if !symbol.undefined && !symbol.weak && !shared {
        let message = format!("symbol '{}' is defined in an object before as well", symbol.name);
        return Err(ObjectError::new(ErrorKind::Malformed, message)
            .at(".symtab", 0)
            .hint("make one of them static or __weak"));
    }
    Ok(index)
}

pub(super) fn in_object(name: &str, e: ObjectError) -> ObjectError {
    ObjectError { message: format!("{} (object {name})", e.message), ..e }
}
