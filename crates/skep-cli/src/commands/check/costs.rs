//! Where a verification spends its work: instructions processed and states kept, by source line.

use super::explained::Source;
use crate::style::{self, printable};
use serde::Serialize;
use skep_object::{ObjectSpec, ProgramSpec};
use skep_verifier::observe::{Observer, StateView};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Lines that are shown to people, and lines that go into JSON.
const LINES: (usize, usize) = (10, 1000);

/// What one instruction, or one line of the source, took.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Cost {
    /// How often an instruction was looked at.
    processed: u32,
    /// States kept for comparison.
    states: u32,
    /// Paths that ended because a kept state covers them.
    covered: u32,
}

/// Counts for each slot of one program.
#[derive(Debug)]
pub(super) struct CostCounter {
    slots: Vec<Cost>,
}

/// One source line's part. Instructions without a line are together.
#[derive(Debug, Serialize)]
struct LineCost {
    #[serde(flatten)]
    cost: Cost,
    /// The slot of its first instruction.
    instruction: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Source>,
}

/// The most expensive lines first.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct LineCosts(Vec<LineCost>);

impl CostCounter {
    pub(super) fn new(program: &ProgramSpec) -> CostCounter {
        CostCounter { slots: vec![Cost::default(); program.insns.len()] }
    }

    /// The counts by source line.
    pub(super) fn by_line(self, object: &ObjectSpec, program: &ProgramSpec) -> LineCosts {
        let mut lines: BTreeMap<Option<(u32, u32)>, LineCost> = BTreeMap::new();
        for (slot, cost) in (0..).zip(self.slots).filter(|(_, cost)| cost.processed > 0) {
            let record = program.lines.partition_point(|record| record.slot <= slot).checked_sub(1);
            let record = record.map(|index| &program.lines[index]);
            let text = |offset| object.btf.as_ref().and_then(|btf| btf.string(offset)).unwrap_or_default();
            let line = lines.entry(record.map(|record| (record.file.0, record.line))).or_insert_with(|| LineCost {
                cost: Cost::default(),
                instruction: slot,
                source: record.map(|record| Source {
                    file: text(record.file).to_owned(),
                    line: record.line,
                    column: record.column.into(),
                    text: text(record.text).trim().to_owned(),
                }),
            });
            line.cost.processed += cost.processed;
            line.cost.states += cost.states;
            line.cost.covered += cost.covered;
        }
        let mut lines: Vec<LineCost> = lines.into_values().collect();
        lines.sort_by_key(|line| (std::cmp::Reverse(line.cost.processed), line.instruction));
        lines.truncate(LINES.1);
        LineCosts(lines)
    }
}

impl Observer for CostCounter {
    fn at(&mut self, slot: usize, _: &StateView<'_>) {
        self.slots.get_mut(slot).into_iter().for_each(|cost| cost.processed += 1);
    }

    fn covered(&mut self, slot: usize, _: &StateView<'_>) {
        // The instruction counts as processed, in the total as well.
        self.slots
            .get_mut(slot)
            .into_iter()
            .for_each(|cost| (cost.processed, cost.covered) = (cost.processed + 1, cost.covered + 1));
    }

    fn kept(&mut self, slot: usize) {
        self.slots.get_mut(slot).into_iter().for_each(|cost| cost.states += 1);
    }
}

impl LineCosts {
    pub(super) fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let title = style::TITLE;
        writeln!(out, "  {title}{:>9} {:>7} {:>7}  line{title:#}", "processed", "states", "covered")?;
        for LineCost { cost, instruction, source } in self.0.iter().take(LINES.0) {
            write!(out, "  {:>9} {:>7} {:>7}  ", cost.processed, cost.states, cost.covered)?;
            match source {
                Some(Source { file, line, text, .. }) => {
                    let file = file.rsplit('/').next().unwrap_or(file);
                    writeln!(out, "{}:{line}: {}", printable(file), printable(text))?;
                }
                None => writeln!(out, "instruction {instruction}")?,
            }
        }
        let rest = self.0.iter().skip(LINES.0).map(|line| line.cost.processed).sum::<u32>();
        if rest > 0 {
            writeln!(out, "  {rest:>9} {:>7} {:>7}  in {} other lines", "", "", self.0.len() - LINES.0)?;
        }
        Ok(())
    }
}
