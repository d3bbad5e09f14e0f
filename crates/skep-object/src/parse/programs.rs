//! Programs: an entry function with everything it reaches behind it.

use super::functions::{Function, Functions};
use super::references::{Reference, References};
use super::section_name;
use crate::elf::Elf;
use crate::error::{ErrorKind, ObjectError, Result};
use crate::spec::{FunctionSpec, ProgramIndex, ProgramSpec, Relocation};
use std::collections::HashMap;

/// Slots of all programs together. Functions are copied into each program that calls them, so a small file could ask
/// for any amount otherwise.
const MAX_TOTAL_SLOTS: usize = 4 << 20;

const PSEUDO_CALL: u8 = 1;
const PSEUDO_FUNCTION: u8 = 4;

/// All programs, and which function each one's entry is.
#[derive(Debug, Default)]
pub(crate) struct Assembled {
    pub(crate) programs: Vec<ProgramSpec>,
    pub(crate) by_function: HashMap<usize, ProgramIndex>,
}

pub(crate) fn assemble_all(elf: &Elf<'_>, functions: &Functions<'_>, references: &References) -> Result<Assembled> {
    let mut out = Assembled::default();
    let mut room = MAX_TOTAL_SLOTS;
    for (index, function) in functions.list.iter().enumerate().filter(|(_, f)| f.is_program) {
        let mut layout = Layout { functions, references, room, places: HashMap::new(), order: Vec::new(), end: 0 };
        layout.reach(index).map_err(|e| e.at(elf.sections[function.section].name, u64::from(function.start) * 8))?;
        room = layout.room;
        out.by_function.insert(index, ProgramIndex(out.programs.len()));
        out.programs.push(build(elf, function, &layout));
    }
    Ok(out)
}

/// Where each function of a program goes.
struct Layout<'a, 'e> {
    functions: &'a Functions<'e>,
    references: &'a References,
    room: usize,
    /// Function to its first slot in the program.
    places: HashMap<usize, u32>,
    order: Vec<usize>,
    end: u32,
}

impl Layout<'_, '_> {
    /// Places a function and what it calls, depth first, in order of instruction.
    fn reach(&mut self, entry: usize) -> Result<()> {
        self.place(entry)?;
        let mut stack = vec![(entry, 0)];
        while let Some((index, from)) = stack.pop() {
            let Some(function) = self.functions.list.get(index) else { continue };
            for slot in from..function.len {
                let Some(callee) = self.callee(function, slot) else { continue };
                if !self.places.contains_key(&callee) {
                    self.place(callee)?;
                    stack.push((index, slot + 1));
                    stack.push((callee, 0));
                    break;
                }
            }
        }
        Ok(())
    }

    fn callee(&self, function: &Function<'_>, slot: u32) -> Option<usize> {
        match self.references.get(&(function.section, function.start + slot))? {
            Reference::Call(callee) | Reference::FunctionAddress(callee) => Some(*callee),
            Reference::Loader(_) => None,
        }
    }

    fn place(&mut self, index: usize) -> Result<()> {
        let len = self.functions.list.get(index).map_or(0, |f| f.len);
        self.room = self.room.checked_sub(len as usize).ok_or_else(|| {
            let message = format!("the programs of this object have more than {MAX_TOTAL_SLOTS} instructions in total");
            ObjectError::new(ErrorKind::TooLarge, message)
        })?;
        self.places.insert(index, self.end);
        self.order.push(index);
        // Cannot overflow: `room` bounds it.
        self.end += len;
        Ok(())
    }
}

fn build(elf: &Elf<'_>, entry: &Function<'_>, layout: &Layout<'_, '_>) -> ProgramSpec {
    let section = elf.sections[entry.section].name;
    let (autoload, name) = section_name::autoload(section);
    let mut program = ProgramSpec {
        name: entry.name.to_owned(),
        section: section.to_owned(),
        kind: section_name::kind(name),
        autoload,
        insns: Vec::with_capacity(layout.end as usize),
        functions: Vec::with_capacity(layout.order.len()),
        lines: Vec::new(),
        relocations: Vec::new(),
        core_relocations: Vec::new(),
    };
    for function in layout.order.iter().filter_map(|i| layout.functions.list.get(*i)) {
        append(elf, function, layout, &mut program);
    }
    program
}

fn append(elf: &Elf<'_>, function: &Function<'_>, layout: &Layout<'_, '_>, program: &mut ProgramSpec) {
    let start = program.insns.len() as u32;
    program.functions.push(FunctionSpec {
        name: function.name.to_owned(),
        linkage: function.linkage,
        start,
        len: function.len,
        section: elf.sections[function.section].name.to_owned(),
        section_slot: function.start,
        type_id: None,
    });
    program.insns.extend_from_slice(layout.functions.code(function));
    for offset in 0..function.len {
        let Some(reference) = layout.references.get(&(function.section, function.start + offset)) else { continue };
        let slot = start + offset;
        let distance = |callee: &usize| {
            let target = layout.places.get(callee).copied().unwrap_or(0);
            // Both are below MAX_TOTAL_SLOTS.
            target.cast_signed() - slot.cast_signed() - 1
        };
        let Some(insn) = program.insns.get_mut(slot as usize) else { continue };
        match reference {
            Reference::Call(callee) => (insn.src, insn.imm) = (PSEUDO_CALL, distance(callee)),
            Reference::FunctionAddress(callee) => {
                (insn.src, insn.imm) = (PSEUDO_FUNCTION, distance(callee));
                if let Some(second) = program.insns.get_mut(slot as usize + 1) {
                    second.imm = 0;
                }
            }
            Reference::Loader(target) => program.relocations.push(Relocation { slot, target: *target }),
        }
    }
}
