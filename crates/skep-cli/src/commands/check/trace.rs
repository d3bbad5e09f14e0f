//! The states the verifier went through, instruction by instruction, for `--explain` and `--html`.
//!
//! They are taken with exact pruning, so that together they hold for every run, unless that exceeds the limits. What is
//! kept is bounded: the first few different states of each instruction, and what all of them have in common.

use super::explained::Source;
use super::row::Row;
use crate::offline::{Offline, Verdict};
use serde::Serialize;
use skep_isa::{Insn, Reg, RegSet};
use skep_object::{ObjectSpec, ProgramSpec};
use skep_verifier::Options;
use skep_verifier::observe::{KnownBits, Observer, Register, Scalar, StateView};
use skep_verifier::source::assigned;
use std::collections::HashMap;

/// Different states kept of one instruction.
const STATES_EACH: usize = 6;
/// Bytes of state texts kept of one program.
const MOST_TEXT: usize = 16 << 20;

/// What was seen of one program.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) slots: Vec<SlotTrace>,
    pub(super) texts: Vec<String>,
    index: HashMap<String, usize>,
    bytes: usize,
}

/// What was seen at one instruction.
#[derive(Clone, Debug, Default)]
pub(super) struct SlotTrace {
    pub(super) visits: u32,
    /// Indices of texts.
    pub(super) states: Vec<usize>,
    joined: Option<Box<[Joined; Reg::COUNT]>>,
}

/// What all states seen have in common about a register.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Joined {
    /// The same in all.
    Same(String),
    /// Numbers in a common range.
    Numbers(Scalar),
    Various,
}

impl Trace {
    fn new(program: &ProgramSpec) -> Trace {
        let slots = vec![SlotTrace::default(); program.insns.len()];
        Trace { slots, texts: Vec::new(), index: HashMap::new(), bytes: 0 }
    }

    /// What is seen when the program is verified again, with exact pruning unless that is too much.
    pub(super) fn of(offline: &Offline<'_>, program: &ProgramSpec, row: &Row) -> Trace {
        let options = Options { exact_pruning: true, ..Options::default() };
        let mut trace = Trace::new(program);
        let verdict = offline.check_observed(program, &options, Some(&mut trace));
        if matches!(verdict, Verdict::Accept(_)) == (row.verdict == "accept") {
            return trace;
        }
        let mut trace = Trace::new(program);
        offline.check_observed(program, &Options::default(), Some(&mut trace));
        trace
    }

    fn intern(&mut self, text: String) -> Option<usize> {
        if let Some(index) = self.index.get(&text) {
            return Some(*index);
        }
        self.bytes += 2 * text.len();
        if self.bytes > MOST_TEXT {
            return None;
        }
        self.texts.push(text.clone());
        self.index.insert(text, self.texts.len() - 1);
        Some(self.texts.len() - 1)
    }
}

impl Observer for Trace {
    fn at(&mut self, slot: usize, state: &StateView<'_>) {
        if slot >= self.slots.len() {
            return;
        }
        self.slots[slot].visits += 1;
        if self.slots[slot].states.len() < STATES_EACH
            && let Some(text) = self.intern(state.text())
            && !self.slots[slot].states.contains(&text)
        {
            self.slots[slot].states.push(text);
        }
        let depth = state.frames().len() - 1;
        let seen = |register: &Register| {
            if register.is_scalar() {
                Joined::Numbers(register.value)
            } else {
                Joined::Same(state.register_text(register, depth))
            }
        };
        let registers = &state.frame().registers;
        match &mut self.slots[slot].joined {
            Some(joined) => joined.iter_mut().zip(registers).for_each(|(joined, register)| joined.add(seen(register))),
            empty => *empty = Some(Box::new(std::array::from_fn(|index| seen(&registers[index])))),
        }
    }
}

impl Joined {
    fn add(&mut self, other: Joined) {
        *self = match (&*self, &other) {
            (a, b) if a == b => return,
            (Joined::Numbers(a), Joined::Numbers(b)) => Joined::Numbers(union(a, b)),
            _ => Joined::Various,
        };
    }

    /// In words; `None` where nothing is known.
    fn text(&self) -> Option<String> {
        match self {
            Joined::Same(text) if text.starts_with('?') => None,
            Joined::Same(text) => Some(text.clone()),
            Joined::Various => None,
            Joined::Numbers(n) => match n.as_constant() {
                Some(constant) => Some((constant as i64).to_string()),
                None if n.smin >= 0 => {
                    Some(format!("{}..{}", n.smin, n.smax)).filter(|_| n.smax != i64::MAX || n.smin > 0)
                }
                None if n.smin > i64::MIN || n.smax < i64::MAX => Some(format!("{}..{}", n.smin, n.smax)),
                None if n.umin > 0 || n.umax < u64::MAX => Some(format!("{}..{}", n.umin, n.umax)),
                None => None,
            },
        }
    }
}

/// The smallest set known by ranges that holds both.
fn union(a: &Scalar, b: &Scalar) -> Scalar {
    let bits = if a.bits == b.bits { a.bits } else { KnownBits::UNKNOWN };
    Scalar {
        bits,
        umin: a.umin.min(b.umin),
        umax: a.umax.max(b.umax),
        smin: a.smin.min(b.smin),
        smax: a.smax.max(b.smax),
        umin32: a.umin32.min(b.umin32),
        umax32: a.umax32.max(b.umax32),
        smin32: a.smin32.min(b.smin32),
        smax32: a.smax32.max(b.smax32),
    }
}

/// A source line with what is known after it.
#[derive(Debug, Serialize)]
pub(super) struct LineStates {
    /// Its first instruction.
    pub(super) instruction: u32,
    pub(super) source: Source,
    /// No path came by.
    pub(super) never_reached: bool,
    pub(super) known: Vec<KnownAfter>,
}

/// What is known of a register after a line.
#[derive(Debug, Serialize)]
pub(super) struct KnownAfter {
    pub(super) register: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) variable: Option<String>,
    pub(super) state: String,
}

impl Trace {
    /// The program's source lines in the order of its instructions.
    pub(super) fn lines(&self, object: &ObjectSpec, program: &ProgramSpec) -> Vec<LineStates> {
        let records = &program.lines;
        let same = |a: usize, b: usize| (records[a].file.0, records[a].line) == (records[b].file.0, records[b].line);
        let mut lines = Vec::new();
        let mut first = 0;
        while first < records.len() {
            let next = (first + 1..records.len()).find(|at| !same(first, *at)).unwrap_or(records.len());
            let end = records.get(next).map_or(program.insns.len(), |record| record.slot as usize);
            let source = source(object, &records[first]);
            let slots = records[first].slot as usize..end.min(program.insns.len());
            lines.push(LineStates {
                instruction: records[first].slot,
                never_reached: slots.clone().all(|slot| self.slots[slot].visits == 0),
                known: self.known_after(program, slots, assigned(&source.text)),
                source,
            });
            first = next;
        }
        lines
    }

    fn known_after(
        &self,
        program: &ProgramSpec,
        slots: std::ops::Range<usize>,
        variable: Option<&str>,
    ) -> Vec<KnownAfter> {
        let after = self.slots.get(slots.end).and_then(|slot| slot.joined.as_ref());
        let Some(after) = after else { return Vec::new() };
        let insns: Vec<Insn> = slots.filter_map(|slot| Insn::decode(&program.insns, slot).ok()).collect();
        let Some(last) = insns.last() else { return Vec::new() };
        let written = insns.iter().fold(RegSet::EMPTY, |set, insn| set.union(insn.writes()));
        let told = written.union(if matches!(last, Insn::JumpIf { .. }) { last.reads() } else { RegSet::EMPTY });
        // What a line stores is on the stack; the registers it wrote are the way there.
        let stores = insns.iter().any(|insn| matches!(insn, Insn::Store { .. }));
        let variable = variable.filter(|_| !stores);
        let assigned_to = insns.iter().rev().find_map(|insn| insn.writes().iter().next());
        told.iter()
            .filter_map(|reg| {
                let variable = variable.filter(|_| assigned_to == Some(reg)).map(ToOwned::to_owned);
                Some(KnownAfter { register: reg.to_string(), variable, state: after[reg.index()].text()? })
            })
            .collect()
    }
}

/// The place a line record is about.
pub(super) fn source(object: &ObjectSpec, record: &skep_object::LineRecord) -> Source {
    let text = |offset| object.btf.as_ref().and_then(|btf| btf.string(offset)).unwrap_or_default().to_owned();
    Source { file: text(record.file), line: record.line, column: record.column.into(), text: text(record.text) }
}
