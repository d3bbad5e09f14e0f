//! The smallest ELF file that gives names to code that is already in memory: a code section without content, and symbols.

use std::ops::Range;

use super::Function;

const HEADER: usize = 64;
const SECTION: usize = 64;
const SYMBOL: usize = 24;

/// Names of the sections, and where they begin.
const SECTION_NAMES: &[u8] = b"\0.text\0.symtab\0.strtab\0";
const TEXT: u32 = 1;
const SYMTAB: u32 = 7;
const STRTAB: u32 = 15;

#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;
#[cfg(not(target_arch = "aarch64"))]
const MACHINE: u16 = 62;

/// A symbol file for code at that place.
pub(super) fn symbol_file(code: &Range<u64>, functions: &[Function]) -> Vec<u8> {
    let mut strings = SECTION_NAMES.to_vec();
    // The first symbol is none.
    let mut symbols = vec![0; SYMBOL];
    for Function { name, range } in functions {
        let at = strings.len() as u32;
        strings.extend(name.bytes().filter(|byte| *byte != 0).chain([0]));
        // A global function in the first section.
        symbols.extend(at.to_le_bytes());
        symbols.extend([0x12, 0, 1, 0]);
        symbols.extend(range.start.to_le_bytes());
        symbols.extend((range.end - range.start).to_le_bytes());
    }
    let (symbols_at, strings_at) = (HEADER, HEADER + symbols.len());
    let sections_at = (strings_at + strings.len()).next_multiple_of(8);
    let mut file = header(sections_at);
    file.extend(&symbols);
    file.extend(&strings);
    file.resize(sections_at, 0);
    let len = code.end - code.start;
    let section =
        |name: u32, kind: u32, flags: u64, address: u64, offset: usize, len: u64, (link, info), entry: u64| {
            let mut bytes = Vec::with_capacity(SECTION);
            bytes.extend(name.to_le_bytes());
            bytes.extend(kind.to_le_bytes());
            bytes.extend([flags, address, offset as u64, len].iter().flat_map(|word| word.to_le_bytes()));
            bytes.extend([link, info].iter().flat_map(|half: &u32| half.to_le_bytes()));
            bytes.extend([1, entry].iter().flat_map(|word| word.to_le_bytes()));
            bytes
        };
    let (symbols_len, strings_len) = (symbols.len() as u64, strings.len() as u64);
    file.extend([0; SECTION]);
    // No content, allocated and executable.
    file.extend(section(TEXT, 8, 6, code.start, 0, len, (0, 0), 0));
    // Names in section 3; the first global symbol has number 1.
    file.extend(section(SYMTAB, 2, 0, 0, symbols_at, symbols_len, (3, 1), SYMBOL as u64));
    file.extend(section(STRTAB, 3, 0, 0, strings_at, strings_len, (0, 0), 0));
    file
}

/// 64 bits, little-endian, an executable with four sections of which the last has the names.
fn header(sections_at: usize) -> Vec<u8> {
    let mut header = b"\x7fELF\x02\x01\x01".to_vec();
    header.resize(16, 0);
    header.extend(2_u16.to_le_bytes());
    header.extend(MACHINE.to_le_bytes());
    header.extend(1_u32.to_le_bytes());
    header.extend([0, 0, sections_at as u64].iter().flat_map(|word| word.to_le_bytes()));
    header.extend(0_u32.to_le_bytes());
    header.extend([HEADER as u16, 0, 0, SECTION as u16, 4, 3].iter().flat_map(|half| half.to_le_bytes()));
    header
}
