//! Programs: an entry function with everything it reaches behind it.

use super::functions::{Function, Functions};
use super::records::Records;
use super::references::{Reference, References};
use super::section_name;
use super::types::Types;
use crate::elf::Elf;
use crate::error::{ErrorKind, ObjectError, Result};
use crate::spec::{CoreRelocationSpec, FunctionSpec, LineRecord, Linkage, ProgramIndex, ProgramSpec, Relocation};
use skep_abi::command::ProgramFlags;
use skep_btf::TypeId;
use std::collections::HashMap;

/// What all programs together may come to, in slots and records. Functions are copied into each program that calls
/// them, so a small file could ask for any amount otherwise. Large objects of today have a tenth of this.
const MAX_TOTAL: usize = 4 << 20;

/// What a function costs besides its code and records.
const FUNCTION_COST: usize = 16;

const PSEUDO_CALL: u8 = 1;
const PSEUDO_FUNCTION: u8 = 4;

/// All programs, and which function each one's entry is.
#[derive(Debug, Default)]
pub(crate) struct Assembled {
    pub(crate) programs: Vec<ProgramSpec>,
    pub(crate) by_function: HashMap<usize, ProgramIndex>,
}

/// What programs are made of.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a, 'e> {
    pub(crate) elf: &'a Elf<'e>,
    pub(crate) types: Option<&'a Types>,
    pub(crate) functions: &'a Functions<'e>,
    pub(crate) references: &'a References,
    pub(crate) records: &'a Records,
}

impl<'a, 'e> Parts<'a, 'e> {
    fn section_name(&self, function: &Function<'_>) -> &'e str {
        self.elf.sections.get(function.section).map_or("?", |s| s.name)
    }

    fn type_id(&self, function: &Function<'_>) -> Option<TypeId> {
        self.records.function(self.section_name(function), function.start)
    }

    /// The function that exceptions of a program go to. Nothing calls it, and it must be there all the same.
    fn exception_callback(&self, program: &Function<'_>) -> Result<Option<usize>> {
        let name = self.type_id(program).and_then(|id| self.types?.exception_callback(id));
        let Some(name) = name else { return Ok(None) };
        let index = self.functions.list.iter().position(|f| f.name == name && f.linkage != Linkage::Static);
        index.map(Some).ok_or_else(|| {
            let message = format!("exception callback '{name}' of '{}' is not a global function here", program.name);
            ObjectError::new(ErrorKind::Undefined, message)
        })
    }
}

pub(crate) fn assemble_all(parts: Parts<'_, '_>) -> Result<Assembled> {
    let mut out = Assembled::default();
    let mut room = MAX_TOTAL;
    for (index, function) in parts.functions.list.iter().enumerate().filter(|(_, f)| f.is_program) {
        let mut layout = Layout { parts, room, places: HashMap::new(), order: Vec::new(), end: 0 };
        let at_fault = |e: ObjectError| e.at(parts.section_name(function), u64::from(function.start) * 8);
        layout.reach(index).map_err(at_fault)?;
        if let Some(callback) = parts.exception_callback(function).map_err(at_fault)?
            && !layout.places.contains_key(&callback)
        {
            layout.reach(callback).map_err(at_fault)?;
        }
        room = layout.room;
        out.by_function.insert(index, ProgramIndex(out.programs.len()));
        out.programs.push(build(function, &layout));
    }
    Ok(out)
}

/// Where each function of a program goes.
struct Layout<'a, 'e> {
    parts: Parts<'a, 'e>,
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
            let Some(function) = self.parts.functions.list.get(index) else { continue };
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
        match self.parts.references.get(&(function.section, function.start + slot))? {
            Reference::Call(callee) | Reference::FunctionAddress(callee) => Some(*callee),
            Reference::Loader(_) => None,
        }
    }

    fn cost(&self, function: &Function<'_>) -> usize {
        let section = self.parts.section_name(function);
        let records = self.parts.records;
        function.len as usize
            + records.lines(section, function.start, function.len).len()
            + records.core_relocations(section, function.start, function.len).len()
            + (function.name.len() + section.len()) / 8
            + FUNCTION_COST
    }

    fn place(&mut self, index: usize) -> Result<()> {
        let Some(function) = self.parts.functions.list.get(index) else { return Ok(()) };
        let len = function.len;
        self.room = self.room.checked_sub(self.cost(function)).ok_or_else(|| {
            let message = format!("the programs of this object have more than {MAX_TOTAL} instructions and lines");
            ObjectError::new(ErrorKind::TooLarge, message)
        })?;
        self.places.insert(index, self.end);
        self.order.push(index);
        // Cannot overflow: `room` bounds it.
        self.end += len;
        Ok(())
    }
}

fn build(entry: &Function<'_>, layout: &Layout<'_, '_>) -> ProgramSpec {
    let parts = layout.parts;
    let section = parts.section_name(entry);
    let (autoload, name) = section_name::autoload(section);
    let mut program = ProgramSpec {
        name: entry.name.to_owned(),
        section: section.to_owned(),
        kind: section_name::kind(name),
        autoload,
        load_flags: ProgramFlags::empty(),
        insns: Vec::with_capacity(layout.end as usize),
        functions: Vec::with_capacity(layout.order.len()),
        lines: Vec::new(),
        relocations: Vec::new(),
        core_relocations: Vec::new(),
    };
    for function in layout.order.iter().filter_map(|i| parts.functions.list.get(*i)) {
        append(function, layout, &mut program);
    }
    program
}

fn append(function: &Function<'_>, layout: &Layout<'_, '_>, program: &mut ProgramSpec) {
    let parts = layout.parts;
    let section = parts.section_name(function);
    let start = program.insns.len() as u32;
    let rebase = |slot: u32| slot - function.start + start;
    program.functions.push(FunctionSpec {
        name: function.name.to_owned(),
        linkage: if function.hidden { Linkage::Static } else { function.linkage },
        start,
        len: function.len,
        section: section.to_owned(),
        section_slot: function.start,
        type_id: parts.type_id(function),
    });
    program.insns.extend_from_slice(parts.functions.code(function));
    let lines = parts.records.lines(section, function.start, function.len);
    program.lines.extend(lines.iter().map(|l| LineRecord { slot: rebase(l.slot), ..*l }));
    let core = parts.records.core_relocations(section, function.start, function.len);
    program.core_relocations.extend(core.iter().map(|r| CoreRelocationSpec { slot: rebase(r.slot), ..*r }));
    for offset in 0..function.len {
        let Some(reference) = parts.references.get(&(function.section, function.start + offset)) else { continue };
        let slot = start + offset;
        let distance = |callee: &usize| {
            let target = layout.places.get(callee).copied().unwrap_or(0);
            // Both are below MAX_TOTAL.
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
