//! The machine code of a program, to look at.

use std::ops::Range;

use crate::executable::Executable;
use crate::jit::{Compiled, Symbol};

/// The machine code of a compiled program.
///
/// It holds addresses of this process: whoever shows it to others takes them out, see [`MachineCode::symbol`].
#[derive(Clone, Copy, Debug)]
pub struct MachineCode<'e> {
    code: &'e Compiled,
}

/// A stretch of machine code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The slot that it does the work of.
    pub slot: u32,
    /// It is what comes before the first instruction of the function that begins at this slot.
    pub is_entry: bool,
    /// Where in [`MachineCode::bytes`].
    pub range: Range<usize>,
}

impl Executable {
    /// Its machine code, if it is compiled.
    pub fn machine_code(&self) -> Option<MachineCode<'_>> {
        self.code().map(|code| MachineCode { code })
    }
}

impl<'e> MachineCode<'e> {
    /// The bytes.
    pub fn bytes(&self) -> &'e [u8] {
        self.code.bytes()
    }

    /// Where it lies in this process.
    pub fn address(&self) -> u64 {
        self.code.address()
    }

    /// How many slots the program has.
    pub fn slots(&self) -> usize {
        self.code.offsets().len()
    }

    /// Which bytes belong to which slot, in order; slots that need no code are left out.
    pub fn parts(&self) -> Vec<Part> {
        let offsets = self.code.offsets();
        let entries = self.code.functions();
        let end_of = |slot: usize| {
            let next = slot as u32 + 1;
            let entry = entries.binary_search_by_key(&next, |(start, _)| *start).ok().map(|at| entries[at].1);
            entry.or_else(|| offsets.get(slot + 1).copied()).map_or(self.bytes().len(), |offset| offset as usize)
        };
        let mut parts = Vec::new();
        for (slot, begin) in offsets.iter().map(|offset| *offset as usize).enumerate() {
            let number = slot as u32;
            if let Ok(at) = entries.binary_search_by_key(&number, |(start, _)| *start) {
                parts.push(Part { slot: number, is_entry: true, range: entries[at].1 as usize..begin });
            }
            parts.push(Part { slot: number, is_entry: false, range: begin..end_of(slot) });
        }
        parts.retain(|part| !part.range.is_empty());
        parts
    }

    /// What a number in the code stands for, where that is an address.
    pub fn symbol(&self, value: u64) -> Option<Symbol> {
        self.code.symbols().find(value)
    }
}
