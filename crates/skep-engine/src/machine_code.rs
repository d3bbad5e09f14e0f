//! The machine code of a program, to look at.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::executable::Executable;
use crate::jit::{Compiled, Symbol};

/// The machine code of a compiled program.
///
/// It holds addresses of this process: whoever shows it to others takes them out, see [`MachineCode::symbol`].
#[derive(Clone, Copy, Debug)]
pub struct MachineCode<'e> {
    code: &'e Compiled,
    slots: usize,
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
        self.code().map(|code| MachineCode { code, slots: self.slots() })
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
        self.slots
    }

    /// Which bytes belong to which slot, in the order of the bytes. Slots that need no code are left out; others may have
    /// several parts.
    pub fn parts(&self) -> Vec<Part> {
        let offsets = self.code.offsets();
        let first_of = |&(slot, entry): &(u32, u32)| {
            let first = offsets.iter().position(|(offset, other)| *offset >= entry && *other == slot);
            first.map(|index| (index, (slot, entry)))
        };
        let firsts: BTreeMap<usize, (u32, u32)> = self.code.functions().iter().filter_map(first_of).collect();
        let mut parts = Vec::new();
        for (index, (begin, slot)) in offsets.iter().enumerate() {
            if let Some((function, entry)) = firsts.get(&index) {
                parts.push(Part { slot: *function, is_entry: true, range: *entry as usize..*begin as usize });
            }
            let next = offsets.get(index + 1).map_or(self.bytes().len(), |(offset, _)| *offset as usize);
            let end = firsts.get(&(index + 1)).map_or(next, |(_, entry)| *entry as usize);
            parts.push(Part { slot: *slot, is_entry: false, range: *begin as usize..end });
        }
        parts.retain(|part| !part.range.is_empty());
        parts
    }

    /// What a number in the code stands for, where that is an address.
    pub fn symbol(&self, value: u64) -> Option<Symbol> {
        self.code.symbols().find(value)
    }
}
