//! ELF as far as BPF objects use it: sections, symbols, relocations; every access checked.
//!
//! Invariants of an [`Elf`]: section contents lie inside the file and do not overlap, so that all of them together are
//! no larger than the file; names are UTF-8.

use crate::error::{ErrorKind, ObjectError, Result};
use crate::spec::ByteOrder;
use object::elf;
use object::read::elf::{FileHeader, Rela, SectionHeader, SectionTable, Sym, SymbolTable};
use object::{Endian, Endianness};
use std::collections::HashMap;

type Header = elf::FileHeader64<Endianness>;

/// A section with contents or size.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: elf::SectionType,
    pub(crate) flags: elf::SectionFlags,
    pub(crate) offset: u64,
    pub(crate) size: u64,
    pub(crate) align: u64,
    pub(crate) data: &'a [u8],
}

/// Strictest alignment of a section that can be linked with others.
const MAX_ALIGN: u64 = 4096;

impl Section<'_> {
    /// Alignment of its start, for linking.
    pub(crate) fn align(&self) -> Result<u64> {
        let align = self.align.max(1);
        if align.is_power_of_two() && align <= MAX_ALIGN {
            return Ok(align);
        }
        let message = format!("alignment {align} is not a power of two up to {MAX_ALIGN}");
        Err(malformed(message).section(self.name))
    }

    pub(crate) fn is_executable(&self) -> bool {
        self.kind == elf::SHT_PROGBITS && self.flags.contains(elf::SHF_EXECINSTR)
    }

    /// Part of the running program's memory (not debug information, symbols and the like).
    pub(crate) fn is_allocated(&self) -> bool {
        self.flags.contains(elf::SHF_ALLOC)
    }

    pub(crate) fn is_zero_filled(&self) -> bool {
        self.kind == elf::SHT_NOBITS
    }
}

/// What a symbol stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SymbolKind {
    None,
    Object,
    Function,
    Section,
    Other,
}

/// A symbol.
#[derive(Clone, Debug)]
pub(crate) struct Symbol<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: SymbolKind,
    pub(crate) local: bool,
    pub(crate) weak: bool,
    pub(crate) hidden: bool,
    /// Index in [`Elf::sections`]; `None` for an undefined, absolute or common symbol.
    pub(crate) section: Option<usize>,
    pub(crate) undefined: bool,
    pub(crate) value: u64,
    pub(crate) size: u64,
}

/// A relocation of a section's contents.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ElfRelocation {
    pub(crate) offset: u64,
    pub(crate) symbol: usize,
    /// Present in sections of type RELA, else it stands in the contents.
    pub(crate) addend: Option<i64>,
}

/// A checked ELF file.
#[derive(Debug)]
pub(crate) struct Elf<'a> {
    pub(crate) byte_order: ByteOrder,
    pub(crate) sections: Vec<Section<'a>>,
    pub(crate) symbols: Vec<Symbol<'a>>,
    relocations: HashMap<usize, Vec<ElfRelocation>>,
    /// See [`Elf::addend`].
    symbol_in_place: bool,
    /// Section and name of a variable to its symbol.
    variables: HashMap<(usize, &'a str), usize>,
}

/// Longest name of a section or symbol. Names are copied to wherever they are used, so their length counts.
pub(crate) const MAX_NAME: usize = 2048;

impl<'a> Elf<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self> {
        let header = check_header(bytes)?;
        let endian = header.endian().map_err(|e| malformed(format!("ELF header: {e}")))?;
        let table = header.sections(endian, bytes).map_err(|e| section_table_error(bytes, header, endian, e))?;
        let sections = read_sections(bytes, endian, &table)?;
        reject_overlaps(&sections)?;
        let symbols = table
            .symbols(endian, bytes, elf::SHT_SYMTAB)
            .map_err(|e| malformed(format!("symbol table: {e}")).section(".symtab"))?;
        let relocations = read_relocations(bytes, endian, &table, &symbols, &sections)?;
        let symbols = read_symbols(endian, &symbols, &sections)?;
        Ok(Elf {
            byte_order: if endian.is_big_endian() { ByteOrder::Big } else { ByteOrder::Little },
            symbol_in_place: is_old_gnu(&sections),
            variables: variables(&symbols),
            sections,
            symbols,
            relocations,
        })
    }

    /// An object that is not one file.
    pub(crate) fn from_parts(
        byte_order: ByteOrder,
        sections: Vec<Section<'a>>,
        symbols: Vec<Symbol<'a>>,
        mut relocations: HashMap<usize, Vec<ElfRelocation>>,
    ) -> Self {
        relocations.values_mut().for_each(|list| list.sort_by_key(|r| r.offset));
        let variables = variables(&symbols);
        Elf { byte_order, sections, symbols, relocations, symbol_in_place: false, variables }
    }

    /// Whether it can be linked with others.
    pub(crate) fn check_linkable(&self) -> Result<()> {
        if self.symbol_in_place {
            let message = "objects of gcc before version 14 cannot be linked with others";
            return Err(ObjectError::new(ErrorKind::Unsupported, message));
        }
        Ok(())
    }

    /// The first section of that name.
    pub(crate) fn section(&self, name: &str) -> Option<(usize, &Section<'a>)> {
        self.sections.iter().enumerate().find(|(_, s)| s.name == name)
    }

    /// What is added to a symbol's value, in bytes, by the number that stands in the place to be relocated.
    ///
    /// The GNU assembler before 2.41 wrote the whole address of a named symbol there, LLVM and later ones only what
    /// goes beyond it.
    pub(crate) fn addend(&self, symbol: &Symbol<'_>, in_place: i64) -> i64 {
        if self.symbol_in_place && symbol.kind != SymbolKind::Section && !symbol.undefined {
            in_place.wrapping_sub(symbol.value.cast_signed())
        } else {
            in_place
        }
    }

    /// The same for the immediate of a call, which counts slots from the one after it. The old GNU assembler counted
    /// bytes where there is a named symbol.
    pub(crate) fn call_addend(&self, symbol: &Symbol<'_>, immediate: i32) -> i64 {
        let next = i64::from(immediate) + 1;
        if self.symbol_in_place && symbol.kind != SymbolKind::Section { self.addend(symbol, next) } else { next * 8 }
    }

    /// The symbol of a variable in a section.
    pub(crate) fn variable(&self, section: usize, name: &str) -> Option<&Symbol<'a>> {
        self.variables.get(&(section, name)).and_then(|i| self.symbols.get(*i))
    }

    /// Relocations of a section's contents, in order of offset.
    pub(crate) fn relocations(&self, section: usize) -> &[ElfRelocation] {
        self.relocations.get(&section).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn u32(&self, b: [u8; 4]) -> u32 {
        match self.byte_order {
            ByteOrder::Little => u32::from_le_bytes(b),
            ByteOrder::Big => u32::from_be_bytes(b),
        }
    }

    pub(crate) fn u64(&self, b: [u8; 8]) -> u64 {
        match self.byte_order {
            ByteOrder::Little => u64::from_le_bytes(b),
            ByteOrder::Big => u64::from_be_bytes(b),
        }
    }

    /// The 32-bit number at an offset of a section.
    pub(crate) fn u32_at(&self, data: &[u8], offset: usize) -> Option<u32> {
        data.get(offset..)?.first_chunk::<4>().map(|b| self.u32(*b))
    }
}

fn malformed(message: impl Into<String>) -> ObjectError {
    ObjectError::new(ErrorKind::Malformed, message)
}

fn check_header(bytes: &[u8]) -> Result<&Header> {
    const HINT: &str = "compile with clang --target=bpf -c";
    let not_bpf = |message: String| ObjectError::new(ErrorKind::NotBpf, message).hint(HINT);
    if !bytes.starts_with(&elf::ELFMAG) {
        let what = if bytes.is_empty() { "the file is empty" } else { "it does not begin with the ELF magic number" };
        return Err(not_bpf(format!("not a BPF object: {what}")).offset(0));
    }
    // ELFCLASS64
    match bytes.get(4) {
        Some(2) | None => {}
        Some(_) => return Err(not_bpf("not a BPF object: it is not a 64-bit ELF file".to_owned()).offset(4)),
    }
    let header = Header::parse(bytes)
        .map_err(|e| ObjectError::new(ErrorKind::Truncated, format!("the ELF header is incomplete: {e}")).offset(0))?;
    let endian = header.endian().map_err(|_| malformed("unknown byte order in the ELF header").offset(5))?;
    let machine = header.e_machine(endian);
    // Compilers before LLVM 3.9 wrote EM_NONE.
    if machine != elf::EM_BPF && machine != elf::EM_NONE {
        return Err(not_bpf(format!("not a BPF object: machine is {}", machine_name(machine))).offset(18));
    }
    if header.e_type(endian) != elf::ET_REL {
        let kind = header.e_type(endian).0;
        return Err(not_bpf(format!("not a relocatable object: ELF type is {kind}, 1 was expected")).offset(16));
    }
    Ok(header)
}

fn machine_name(machine: elf::Machine) -> String {
    let name = match machine {
        elf::EM_386 => "x86",
        elf::EM_X86_64 => "x86-64",
        elf::EM_ARM => "arm",
        elf::EM_AARCH64 => "aarch64",
        elf::EM_RISCV => "riscv",
        elf::EM_S390 => "s390",
        elf::EM_PPC64 => "ppc64",
        elf::EM_MIPS => "mips",
        elf::EM_LOONGARCH => "loongarch",
        _ => return format!("number {}", machine.0),
    };
    name.to_owned()
}

fn section_table_error(bytes: &[u8], header: &Header, endian: Endianness, error: object::Error) -> ObjectError {
    let at = header.e_shoff(endian);
    let end = u64::from(header.e_shnum(endian)) * 64;
    if at.checked_add(end).is_none_or(|e| e > bytes.len() as u64) {
        let message = format!("the section table ends beyond the file, which has {} bytes", bytes.len());
        return ObjectError::new(ErrorKind::Truncated, message).offset(at).hint("the file was cut off; build it again");
    }
    malformed(format!("section table: {error}")).offset(at)
}

/// Written by gcc up to version 13, which is when the assembler of its time had relocations of its own.
fn is_old_gnu(sections: &[Section<'_>]) -> bool {
    let Some(comment) = sections.iter().find(|s| s.name == ".comment") else { return false };
    let text = String::from_utf8_lossy(comment.data.get(..comment.data.len().min(256)).unwrap_or_default());
    let version = text.split('\0').find(|t| t.starts_with("GCC: ")).and_then(|t| t.rsplit(' ').next());
    let major = version.and_then(|v| v.split('.').next()?.parse::<u32>().ok());
    major.is_some_and(|m| m <= 13)
}

fn read_sections<'a>(
    bytes: &'a [u8],
    endian: Endianness,
    table: &SectionTable<'a, Header>,
) -> Result<Vec<Section<'a>>> {
    let mut sections = Vec::with_capacity(table.len());
    for (index, section) in table.enumerate() {
        let raw_name =
            table.section_name(endian, section).map_err(|e| malformed(format!("name of section {}: {e}", index.0)))?;
        let name = checked_name(raw_name, || format!("section {}", index.0))?;
        let (offset, size) = (section.sh_offset(endian), section.sh_size(endian));
        let kind = section.sh_type(endian);
        let data = if kind == elf::SHT_NULL {
            &[]
        } else {
            section.data(endian, bytes).map_err(|_| {
                let message = format!(
                    "its {size} bytes at file offset {offset:#x} end beyond the file, which has {} bytes",
                    bytes.len()
                );
                ObjectError::new(ErrorKind::Truncated, message).at(name, 0).hint("the file was cut off; build it again")
            })?
        };
        let (flags, align) = (section.sh_flags(endian), section.sh_addralign(endian));
        sections.push(Section { name, kind, flags, offset, size, align, data });
    }
    Ok(sections)
}

fn reject_overlaps(sections: &[Section<'_>]) -> Result<()> {
    let mut ranges: Vec<(u64, u64, &str)> = sections
        .iter()
        .filter(|s| !s.data.is_empty())
        .map(|s| (s.offset, s.offset.saturating_add(s.size), s.name))
        .collect();
    ranges.sort_unstable();
    for pair in ranges.windows(2) {
        if let [(_, end, first), (start, _, second)] = pair
            && start < end
        {
            return Err(malformed(format!("it overlaps section {first} in the file")).at(*second, 0));
        }
    }
    Ok(())
}

fn read_symbols<'a>(
    endian: Endianness,
    table: &SymbolTable<'a, Header>,
    sections: &[Section<'a>],
) -> Result<Vec<Symbol<'a>>> {
    // Counted by the table's bytes in the file, so the allocation is bounded by the file's size.
    let mut out = Vec::with_capacity(table.len());
    for (index, symbol) in table.enumerate() {
        let offset = (index.0 as u64).saturating_mul(24);
        let raw = table
            .symbol_name(endian, symbol)
            .map_err(|e| malformed(format!("name of symbol {}: {e}", index.0)).at(".symtab", offset))?;
        let name = checked_name(raw, || format!("symbol {}", index.0)).map_err(|e| e.at(".symtab", offset))?;
        let section = table
            .symbol_section(endian, symbol, index)
            .map_err(|e| malformed(format!("section of symbol {}: {e}", index.0)).at(".symtab", offset))?
            .map(|s| s.0);
        if section.is_some_and(|s| s >= sections.len()) {
            return Err(malformed(format!("symbol '{name}' is in a section that does not exist")).at(".symtab", offset));
        }
        let kind = match symbol.st_type() {
            elf::STT_NOTYPE => SymbolKind::None,
            elf::STT_OBJECT => SymbolKind::Object,
            elf::STT_FUNC => SymbolKind::Function,
            elf::STT_SECTION => SymbolKind::Section,
            _ => SymbolKind::Other,
        };
        out.push(Symbol {
            name: if kind == SymbolKind::Section && name.is_empty() {
                section.and_then(|s| sections.get(s)).map_or("", |s| s.name)
            } else {
                name
            },
            kind,
            local: symbol.st_bind() == elf::STB_LOCAL,
            weak: symbol.st_bind() == elf::STB_WEAK,
            hidden: matches!(symbol.st_visibility(), elf::STV_HIDDEN | elf::STV_INTERNAL),
            section,
            undefined: symbol.is_undefined(endian),
            value: symbol.st_value(endian),
            size: symbol.st_size(endian),
        });
    }
    Ok(out)
}

fn variables<'a>(symbols: &[Symbol<'a>]) -> HashMap<(usize, &'a str), usize> {
    let mut out = HashMap::new();
    for (index, symbol) in symbols.iter().enumerate() {
        if let (Some(section), SymbolKind::Object | SymbolKind::None) = (symbol.section, symbol.kind) {
            out.entry((section, symbol.name)).or_insert(index);
        }
    }
    out
}

/// A name, if it is text and not absurdly long.
fn checked_name(raw: &[u8], what: impl Fn() -> String) -> Result<&str> {
    if raw.len() > MAX_NAME {
        let message = format!("the name of {} has {} bytes, more than {MAX_NAME}", what(), raw.len());
        return Err(ObjectError::new(ErrorKind::TooLarge, message));
    }
    std::str::from_utf8(raw).map_err(|_| malformed(format!("the name of {} is not UTF-8", what())))
}

fn read_relocations<'a>(
    bytes: &'a [u8],
    endian: Endianness,
    table: &SectionTable<'a, Header>,
    symbols: &SymbolTable<'a, Header>,
    sections: &[Section<'a>],
) -> Result<HashMap<usize, Vec<ElfRelocation>>> {
    let mut out: HashMap<usize, Vec<ElfRelocation>> = HashMap::new();
    for (index, header) in table.enumerate() {
        let Some(section) = sections.get(index.0) else { continue };
        let bad = |e: object::Error| malformed(format!("relocation section: {e}")).section(section.name);
        let mut found = Vec::new();
        if let Some((rels, _)) = header.rel(endian, bytes).map_err(bad)? {
            found.extend(rels.iter().map(|r| ElfRelocation {
                offset: r.r_offset.get(endian),
                symbol: r.r_sym(endian) as usize,
                addend: None,
            }));
        } else if let Some((relas, _)) = header.rela(endian, bytes).map_err(bad)? {
            found.extend(relas.iter().map(|r| ElfRelocation {
                offset: r.r_offset(endian),
                symbol: r.r_sym(endian, false) as usize,
                addend: Some(r.r_addend(endian)),
            }));
        } else {
            continue;
        }
        let target = header.sh_info(endian) as usize;
        if target == 0 || target >= sections.len() {
            return Err(
                malformed(format!("relocations for section {target}, which does not exist")).section(section.name)
            );
        }
        if let Some(bad) = found.iter().find(|r| r.symbol >= symbols.len()) {
            let message = format!("relocation with symbol {}, of only {} symbols", bad.symbol, symbols.len());
            return Err(malformed(message).at(section.name, bad.offset));
        }
        let list = out.entry(target).or_default();
        list.extend(found);
        list.sort_by_key(|r| r.offset);
    }
    Ok(out)
}
