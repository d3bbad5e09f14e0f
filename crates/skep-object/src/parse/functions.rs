//! Executable sections and the functions in them.

use crate::elf::{Elf, Section, SymbolKind};
use crate::error::{ErrorKind, ObjectError, Result};
use crate::spec::{ByteOrder, Linkage};
use skep_isa::Slot;
use std::collections::{BTreeMap, HashMap, HashSet};

/// A function as the symbol table has it.
#[derive(Debug)]
pub(crate) struct Function<'a> {
    pub(crate) name: &'a str,
    /// Section index.
    pub(crate) section: usize,
    /// First slot in the section.
    pub(crate) start: u32,
    /// Number of slots.
    pub(crate) len: u32,
    pub(crate) linkage: Linkage,
    /// Visible at link time only.
    pub(crate) hidden: bool,
    /// Can be loaded by itself.
    pub(crate) is_program: bool,
}

/// All functions, ordered by section and offset, and the code they are in.
#[derive(Debug)]
pub(crate) struct Functions<'a> {
    pub(crate) list: Vec<Function<'a>>,
    code: HashMap<usize, Vec<Slot>>,
    by_start: BTreeMap<(usize, u32), usize>,
}

impl Functions<'_> {
    /// All slots of a section.
    pub(crate) fn section_code(&self, section: usize) -> &[Slot] {
        self.code.get(&section).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn code(&self, function: &Function<'_>) -> &[Slot] {
        let start = function.start as usize;
        self.section_code(function.section).get(start..start + function.len as usize).unwrap_or_default()
    }

    /// The function that begins at a slot of a section.
    pub(crate) fn at(&self, section: usize, slot: u32) -> Option<usize> {
        self.by_start.get(&(section, slot)).copied()
    }
}

pub(crate) fn read<'a>(elf: &Elf<'a>) -> Result<Functions<'a>> {
    let mut code = HashMap::new();
    for (index, section) in elf.sections.iter().enumerate().filter(|(_, s)| s.is_executable()) {
        code.insert(index, decode(section, elf.byte_order)?);
    }
    let mut list = from_symbols(elf, &code)?;
    add_sections_without_symbols(elf, &code, &mut list);
    list.sort_by_key(|f| (f.section, f.start));
    reject_overlaps(elf, &list)?;
    mark_programs(elf, &mut list);
    let by_start = list.iter().enumerate().map(|(i, f)| ((f.section, f.start), i)).collect();
    Ok(Functions { list, code, by_start })
}

fn decode(section: &Section<'_>, byte_order: ByteOrder) -> Result<Vec<Slot>> {
    let (chunks, rest) = section.data.as_chunks::<8>();
    if !rest.is_empty() {
        let message = format!("code of {} bytes is not a whole number of 8-byte instruction slots", section.data.len());
        return Err(ObjectError::new(ErrorKind::Malformed, message).at(section.name, (chunks.len() * 8) as u64));
    }
    let read = match byte_order {
        ByteOrder::Little => Slot::from_le_bytes,
        ByteOrder::Big => Slot::from_be_bytes,
    };
    Ok(chunks.iter().map(|c| read(*c)).collect())
}

fn from_symbols<'a>(elf: &Elf<'a>, code: &HashMap<usize, Vec<Slot>>) -> Result<Vec<Function<'a>>> {
    let mut list = Vec::new();
    for symbol in elf.symbols.iter().filter(|s| s.kind == SymbolKind::Function && !s.undefined) {
        let Some(section) = symbol.section else { continue };
        let Some(slots) = code.get(&section) else { continue };
        let section_name = elf.sections[section].name;
        let bad = |message: String| {
            ObjectError::new(ErrorKind::Malformed, format!("function '{}': {message}", symbol.name))
                .at(section_name, symbol.value)
        };
        if symbol.size == 0 || !symbol.size.is_multiple_of(8) || !symbol.value.is_multiple_of(8) {
            let size = symbol.size;
            return Err(bad(format!(
                "its start and its size ({size} bytes) must be whole instruction slots, at least one"
            )));
        }
        let end = symbol.value.checked_add(symbol.size).filter(|e| *e / 8 <= slots.len() as u64);
        if end.is_none() {
            return Err(bad(format!(
                "its {} bytes end beyond the section, which has {}",
                symbol.size,
                slots.len() * 8
            )));
        }
        let linkage = match (symbol.local, symbol.weak) {
            (true, _) => Linkage::Static,
            (false, true) => Linkage::Weak,
            (false, false) => Linkage::Global,
        };
        list.push(Function {
            name: symbol.name,
            section,
            // Both fit: they are below the number of slots of a section in a file in memory, checked above.
            start: u32::try_from(symbol.value / 8).map_err(|_| bad("the section is too large".to_owned()))?,
            len: u32::try_from(symbol.size / 8).map_err(|_| bad("it is too large".to_owned()))?,
            linkage,
            hidden: symbol.hidden,
            is_program: false,
        });
    }
    Ok(list)
}

/// A section of code without any function symbol is one program: assemblers and small generators write such objects.
fn add_sections_without_symbols<'a>(elf: &Elf<'a>, code: &HashMap<usize, Vec<Slot>>, list: &mut Vec<Function<'a>>) {
    let known: HashSet<usize> = list.iter().map(|f| f.section).collect();
    for (index, slots) in code {
        let Ok(len) = u32::try_from(slots.len()) else { continue };
        if len > 0 && !known.contains(index) {
            let name = elf.sections[*index].name;
            let linkage = Linkage::Global;
            list.push(Function { name, section: *index, start: 0, len, linkage, hidden: false, is_program: false });
        }
    }
}

/// Overlapping functions would let a small file describe any amount of code.
fn reject_overlaps(elf: &Elf<'_>, list: &[Function<'_>]) -> Result<()> {
    for pair in list.windows(2) {
        if let [a, b] = pair
            && a.section == b.section
            && u64::from(b.start) < u64::from(a.start) + u64::from(a.len)
        {
            let message = format!("functions '{}' and '{}' overlap", a.name, b.name);
            let offset = u64::from(b.start) * 8;
            return Err(ObjectError::new(ErrorKind::Malformed, message).at(elf.sections[b.section].name, offset));
        }
    }
    Ok(())
}

/// Programs are the functions in sections of their own that others can see. What is in `.text` is called by
/// programs, unless it is all there is.
fn mark_programs(elf: &Elf<'_>, list: &mut [Function<'_>]) {
    let alone = list.len() == 1;
    for function in list {
        let in_text = is_text(elf.sections[function.section].name);
        function.is_program = alone || (!in_text && function.linkage != Linkage::Static);
    }
}

fn is_text(name: &str) -> bool {
    name == ".text" || name.starts_with(".text.")
}
