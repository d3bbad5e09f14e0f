//! The log in the form of Linux 6.18's, so that people and tools that read such logs can read this one.
//!
//! At level 1 it holds the path being looked at, at level 2 every path. Each instruction's line ends with the registers
//! it read or wrote and the stack slots it changed, as they are after it. What Linux prints about how it finds out
//! (`mark_precise`, `live stack update`) is left out.

use super::{Names, line_index};
use crate::cfg::Code;
use crate::domain::register::{Kind, Register};
use crate::domain::state::State;
use crate::input::{LogLevel, Options, Program};
use crate::output::Statistics;
use crate::refusal::Refusal;
use crate::tables;
use skep_isa::{CallTarget, Insn, RegSet};
use std::fmt::Write as _;
use std::rc::Rc;

/// Where the state after an instruction begins, at the least.
const STATE_COLUMN: usize = 40;

/// The log, as far as it was asked for.
#[derive(Debug)]
pub(crate) struct Log<'a> {
    program: &'a Program<'a>,
    level: LogLevel,
    limit: usize,
    text: String,
    last_line: Option<usize>,
    /// Per visit: its slot, and where the text ended then.
    visits: Vec<(u32, usize)>,
    /// The instruction looked at last, whose outcome is still to be told.
    last: Option<Box<Last>>,
    /// Where the text ended after an instruction's line, and how long that line is.
    open: Option<(usize, usize)>,
}

/// An instruction and the state before it.
#[derive(Debug)]
struct Last {
    slot: usize,
    insn: Insn,
    state: State,
}

/// What of a state is told.
enum Shown {
    All,
    Changed(RegSet, Vec<usize>),
}

impl<'a> Log<'a> {
    pub(crate) fn new(program: &'a Program<'a>, options: &Options<'_>) -> Self {
        Log {
            program,
            level: options.log_level,
            limit: options.limits.log_bytes,
            text: String::new(),
            last_line: None,
            visits: Vec::new(),
            last: None,
            open: None,
        }
    }

    /// Whether instructions are told at all.
    fn is_on(&self) -> bool {
        self.level.intersects(LogLevel::INSTRUCTIONS | LogLevel::STATES)
    }

    fn every_path(&self) -> bool {
        self.level.contains(LogLevel::STATES)
    }

    /// The program's functions, and the registers still to be read at each instruction.
    pub(crate) fn program(&mut self, code: &Code, live: &[RegSet], names: Names<'_>) {
        if !self.every_path() {
            return;
        }
        for subprogram in 0..code.subprograms() {
            self.line(&format!("func#{subprogram} @{}", code.range(subprogram).start));
        }
        self.line("Live regs before insn:");
        let callees = |target: &CallTarget| names.callee(target);
        for (slot, insn) in code.iter() {
            let live = live.get(slot).copied().unwrap_or(RegSet::EMPTY);
            let digit = |reg: skep_isa::Reg| if live.contains(reg) { char::from(b'0' + reg.number()) } else { '.' };
            let registers: String = skep_isa::Reg::all().take(10).map(digit).collect();
            let opcode = self.program.insns[slot].opcode;
            self.line(&format!("    {slot:3}: {registers} ({opcode:02x}) {}", insn.linux_text(&callees)));
        }
    }

    /// A function is about to be verified by itself.
    pub(crate) fn function(&mut self, subprogram: usize, name: &str) {
        if self.is_on() {
            self.start();
            self.line(&format!("Validating {name}() func#{subprogram}..."));
        }
    }

    /// All paths of the main program or of a function verified by itself were found safe.
    pub(crate) fn function_is_safe(&mut self, function: Option<(usize, &str)>) {
        if !self.is_on() {
            return;
        }
        if !self.every_path() {
            self.text.clear();
        }
        self.start();
        if let Some((subprogram, name)) = function {
            self.line(&format!("Func#{subprogram} ('{name}') is safe for any args that match its prototype"));
        }
    }

    /// A global function is called.
    pub(crate) fn assumed_valid(&mut self, subprogram: usize, name: &str) {
        if self.is_on() {
            self.line(&format!("Func#{subprogram} ('{name}') is global and assumed valid."));
        }
    }

    fn start(&mut self) {
        (self.last, self.last_line, self.open) = (None, None, None);
    }

    /// An instruction about to be looked at.
    pub(crate) fn instruction(&mut self, slot: usize, state: &State, insn: Option<&Insn>, names: Names<'_>) {
        if !self.is_on() {
            return;
        }
        match self.arrival(state) {
            Arrival::Start => self.state_line(slot, state, &Shown::All, names),
            Arrival::Next(last) => self.outcome(slot, state, &last, names),
            Arrival::Branch(from) => {
                if self.every_path() {
                    self.line("");
                    self.line(&format!("from {from} to {slot}{}:{}", ahead(state), names.state(state)));
                }
                self.state_line(slot, state, &Shown::All, names);
            }
        }
        self.source_line(slot);
        let Some(insn) = insn else { return };
        let opcode = self.program.insns.get(slot).map_or(0, |s| s.opcode);
        let callees = |target: &CallTarget| names.callee(target);
        let line = format!("{slot}: ({opcode:02x}) {}", insn.linux_text(&callees));
        self.line(&line);
        self.open = Some((self.text.len(), line.len()));
        self.note_visit(slot);
        self.last = Some(Box::new(Last { slot, insn: *insn, state: state.clone() }));
    }

    /// A path ended because an old state covers it.
    pub(crate) fn pruned(&mut self, slot: usize, state: &State, names: Names<'_>) {
        if !self.is_on() {
            return;
        }
        match self.arrival(state) {
            Arrival::Branch(from) => {
                self.line("");
                self.line(&format!("from {from} to {slot}{}: safe", ahead(state)));
            }
            Arrival::Next(last) if self.calls_and_returns(state, &last, names) => {
                self.line("");
                self.line(&format!("from {} to {slot}: safe", last.slot));
            }
            Arrival::Next(last) => {
                if matches!(last.insn, Insn::JumpIf { .. }) {
                    self.outcome(last.slot, state, &last, names);
                }
                self.line(&format!("{slot}: safe"));
            }
            Arrival::Start => self.line(&format!("{slot}: safe")),
        }
        self.note_visit(slot);
        self.last = None;
    }

    fn note_visit(&mut self, slot: usize) {
        self.visits.push((slot as u32, self.text.len()));
    }

    /// How a path came to the state.
    fn arrival(&mut self, state: &State) -> Arrival {
        let Some(before) = (state.visit as usize).checked_sub(1) else { return Arrival::Start };
        if before + 1 == self.visits.len()
            && let Some(last) = self.last.take()
        {
            return Arrival::Next(last);
        }
        let Some((slot, end)) = self.visits.get(before).copied() else { return Arrival::Start };
        if !self.every_path() {
            // The line's end may since have given way to a state.
            self.text.truncate(end.saturating_sub(1));
            self.text.push('\n');
        }
        (self.last, self.open) = (None, None);
        Arrival::Branch(slot as usize)
    }

    /// Calls of functions and returns from them. `false`: it was neither.
    fn calls_and_returns(&mut self, state: &State, last: &Last, names: Names<'_>) -> bool {
        let (before, now) = (last.state.depth(), state.depth());
        if now > before {
            self.line("caller:");
            self.line(&names.frame(state, before));
            self.line("callee:");
            self.line(&names.frame(state, now));
        } else if now < before {
            self.line("returning from callee:");
            self.line(&names.frame(&last.state, before));
            self.line(&format!("to caller at {}:", state.slot));
            self.line(&names.frame(state, now));
        }
        now != before
    }

    /// What the instruction before led to.
    fn outcome(&mut self, slot: usize, state: &State, last: &Last, names: Names<'_>) {
        if !self.calls_and_returns(state, last, names) {
            let registers = last.insn.reads().union(last.insn.writes());
            let slots = touched_slots(&last.insn, &last.state, state);
            if calls_back(&last.insn) {
                self.state_line(slot, state, &Shown::All, names);
            } else if registers != RegSet::EMPTY || !slots.is_empty() {
                self.state_line(slot, state, &Shown::Changed(registers, slots), names);
            }
        } else if state.depth() > last.state.depth() {
            self.state_line(slot, state, &Shown::All, names);
        } else if self.every_path() {
            self.line("");
            self.line(&format!("from {} to {slot}:{}", last.slot, names.state(state)));
        }
    }

    /// A state: on the line of the instruction that led to it if nothing came between, else on a line of its own.
    fn state_line(&mut self, slot: usize, state: &State, shown: &Shown, names: Names<'_>) {
        let text = match shown {
            Shown::All => names.state(state),
            Shown::Changed(registers, slots) => names.part(state, *registers, slots),
        };
        match self.open.take() {
            Some((end, column)) if end == self.text.len() && end > 0 => {
                self.text.pop();
                // As Linux counts, the line has one character more: its end.
                let padded = (column + 5).max(STATE_COLUMN).next_multiple_of(8) - column - 2;
                self.line(&format!("{:padded$};{text}", ""));
            }
            _ => self.line(&format!("{slot}:{text}")),
        }
    }

    fn source_line(&mut self, slot: usize) {
        let Some(index) = line_index(self.program, slot) else { return };
        let Some(lines) = self.program.btf.map(|btf| btf.lines) else { return };
        let info = &lines[index];
        let before = self.last_line.replace(index).map(|last| &lines[last]);
        if before.is_some_and(|b| b.file == info.file && b.line == info.line) {
            return;
        }
        let file = info.file.rsplit('/').next().unwrap_or(&info.file);
        self.line(&format!("; {} @ {file}:{}", info.text.trim_start(), info.line));
    }

    /// Appends a line, if there is room.
    pub(crate) fn line(&mut self, line: &str) {
        if !self.level.is_empty() && self.text.len() + line.len() < self.limit {
            self.text.push_str(line);
            self.text.push('\n');
        }
    }

    /// The log of an ended verification.
    pub(crate) fn finish(&mut self, refusal: Option<&Refusal>, statistics: &Statistics) -> String {
        if self.level.is_empty() {
            return String::new();
        }
        if let Some(refusal) = refusal {
            for line in refusal.before.iter().chain([&refusal.message]) {
                self.line(line);
            }
        }
        if self.level.contains(LogLevel::STATISTICS) {
            let depths: Vec<String> = statistics.stack_depths.iter().map(ToString::to_string).collect();
            self.line(&format!("verification time {} usec", statistics.time_us));
            self.line(&format!("stack depth {}", depths.join("+")));
        }
        let Statistics { instructions_processed, instruction_limit, total_states, peak_states, .. } = statistics;
        let mut summary = format!("processed {instructions_processed} insns (limit {instruction_limit}) ");
        let _ = write!(
            summary,
            "max_states_per_insn {} total_states {total_states} peak_states {peak_states} mark_read 0",
            statistics.max_states_per_instruction
        );
        self.line(&summary);
        std::mem::take(&mut self.text)
    }
}

/// Whether an instruction calls a helper that calls functions of the program.
fn calls_back(insn: &Insn) -> bool {
    let Insn::Call(CallTarget::Helper(id)) = insn else { return false };
    u32::try_from(*id).ok().and_then(tables::helper).is_some_and(|helper| helper.callback.is_some())
}

/// How a path came to a state.
enum Arrival {
    /// The program or function begins.
    Start,
    /// From the instruction looked at last.
    Next(Box<Last>),
    /// From a branch at that slot, left for later.
    Branch(usize),
}

/// Slots of the running frame's stack that an instruction accessed or changed.
fn touched_slots(insn: &Insn, before: &State, after: &State) -> Vec<usize> {
    let (old, new) = (&before.frame().stack, &after.frame().stack);
    let accessed = accessed_slot(insn, before);
    let unchanged = Rc::ptr_eq(old, new);
    // What a pointer or number in a slot turned out to be is not told, only what was written.
    let changed = |index: usize| !unchanged && old.get(index).is_none_or(|old| old.bytes != new[index].bytes);
    let used = |index: usize| uses_object(insn, before, index);
    (0..new.len()).filter(|index| accessed == Some(*index) || changed(*index) || used(*index)).collect()
}

/// Whether an instruction is a call that is given the object whose lowest address is that of a slot.
fn uses_object(insn: &Insn, state: &State, index: usize) -> bool {
    let is_call = matches!(insn, Insn::Call(CallTarget::Helper(_) | CallTarget::Kfunc { .. }));
    let points_there = |reg: &Register| {
        let Kind::Stack(frame) = reg.kind else { return false };
        let slots = state.frames.get(usize::from(frame)).map(|frame| &frame.stack);
        let is_object = slots.and_then(|slots| slots.get(index)).is_some_and(|slot| slot.bytes[0].is_object());
        let at = reg.value.as_constant().map(|variable| i64::from(reg.offset).wrapping_add(variable as i64));
        is_object && at == Some(-8 * (index as i64 + 1))
    };
    is_call && state.frame().registers[1..=5].iter().any(points_there)
}

/// The stack slot that a load or store at a fixed place accesses. As in Linux, its number alone counts: in a frame
/// that writes to its caller's stack, it is the slot of that number here that is told.
fn accessed_slot(insn: &Insn, state: &State) -> Option<usize> {
    let (Insn::Store { base, offset, .. }
    | Insn::StoreRelease { base, offset, .. }
    | Insn::Load { base, offset, .. }
    | Insn::LoadAcquire { base, offset, .. }
    | Insn::Atomic { base, offset, .. }) = *insn
    else {
        return None;
    };
    let base = state.register(base);
    let variable = base.value.as_constant().filter(|_| matches!(base.kind, Kind::Stack(_)))?;
    let at = i64::from(base.offset) + variable as i64 + i64::from(offset);
    usize::try_from((-at - 1) / 8).ok().filter(|_| at < 0)
}

/// How Linux marks paths that no run takes.
fn ahead(state: &State) -> &'static str {
    if state.speculative { " (speculative execution)" } else { "" }
}
