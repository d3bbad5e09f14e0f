//! What the verifier says: the log in Linux's form, and refusals with their place in the source.

mod state_text;

use crate::domain::precision::Values;
use crate::domain::register::Register;
use crate::domain::state::State;
use crate::input::{LineInfo, LogLevel, Options, Program};
use crate::map_table::MapTable;
use crate::output::Statistics;
use crate::refusal::Refusal;
use skep_isa::Insn;
use skep_isa::text::Style;
use std::fmt::Write as _;

/// What a state refers to, for its text.
#[derive(Clone, Copy)]
pub(crate) struct Names<'a> {
    pub(crate) maps: &'a MapTable<'a>,
    pub(crate) values: &'a Values,
}

impl Names<'_> {
    /// A state in Linux's notation.
    pub(crate) fn state(&self, state: &State) -> String {
        state_text::state(state, self.maps, self.values)
    }

    /// A register of the frame of index `frame` in Linux's notation.
    pub(crate) fn register(&self, register: &Register, frame: usize) -> String {
        state_text::text(register, frame, self.maps, self.values)
    }
}

/// The log, as far as it was asked for.
#[derive(Debug)]
pub(crate) struct Log<'a> {
    program: &'a Program<'a>,
    level: LogLevel,
    limit: usize,
    text: String,
    last_line: Option<usize>,
}

impl<'a> Log<'a> {
    pub(crate) fn new(program: &'a Program<'a>, options: &Options<'_>) -> Self {
        Log { program, level: options.log_level, limit: options.limits.log_bytes, text: String::new(), last_line: None }
    }

    /// An instruction about to be looked at; at the higher level with the state before it.
    pub(crate) fn instruction(&mut self, slot: usize, state: &State, previous: Option<usize>, names: Names<'_>) {
        if !self.level.intersects(LogLevel::INSTRUCTIONS | LogLevel::STATES) {
            return;
        }
        if previous.is_none() {
            self.line(&format!("{slot}: {}", names.state(state)));
        }
        self.source_line(slot);
        let text = match Insn::decode(self.program.insns, slot) {
            Ok(insn) => insn.text(Style::default()).to_string(),
            Err(error) => error.to_string(),
        };
        let opcode = self.program.insns.get(slot).map_or(0, |s| s.opcode);
        let mut line = format!("{slot}: ({opcode:02x}) {text}");
        if self.level.contains(LogLevel::STATES) && previous.is_some() {
            let _ = write!(line, " ; {}", names.state(state));
        }
        self.line(&line);
    }

    /// A path ended because an old state covers it.
    pub(crate) fn pruned(&mut self, slot: usize, previous: Option<usize>) {
        if self.level.intersects(LogLevel::INSTRUCTIONS | LogLevel::STATES) {
            match previous {
                Some(previous) => self.line(&format!("from {previous} to {slot}: safe")),
                None => self.line(&format!("{slot}: safe")),
            }
        }
    }

    fn source_line(&mut self, slot: usize) {
        let Some(index) = line_index(self.program, slot) else { return };
        if self.last_line == Some(index) {
            return;
        }
        self.last_line = Some(index);
        let Some(lines) = self.program.btf.map(|btf| btf.lines) else { return };
        let info = &lines[index];
        let file = info.file.rsplit('/').next().unwrap_or(&info.file);
        self.line(&format!("; {} @ {file}:{}", info.text.trim(), info.line));
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
        if let Some(refusal) = refusal {
            for line in refusal.before.iter().chain([&refusal.message]) {
                self.line(line);
            }
        }
        if !self.level.is_empty() {
            self.line(&format!(
                "processed {} insns (limit 1000000) max_states_per_insn 0 total_states {} peak_states {} mark_read 0",
                statistics.instructions_processed, statistics.total_states, statistics.peak_states
            ));
        }
        std::mem::take(&mut self.text)
    }
}

/// The source line that a slot belongs to.
pub(crate) fn source_line(program: &Program<'_>, slot: usize) -> Option<LineInfo> {
    let index = line_index(program, slot)?;
    Some(program.btf?.lines[index].clone())
}

fn line_index(program: &Program<'_>, slot: usize) -> Option<usize> {
    let lines = program.btf?.lines;
    lines.partition_point(|line| line.slot as usize <= slot).checked_sub(1)
}
