//! `skep check --compare`: what became of verdicts and of the verifier's work between two runs.

use super::row::Verdicts;
use crate::error::{Exit, Failure};
use crate::input;
use crate::output::Report;
use crate::style::{self, printable};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;

/// One program's verdict and what it took, from `skep check --json` or just measured.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Measured {
    object: String,
    program: String,
    verdict: String,
    #[serde(default)]
    message: String,
    processed: u32,
    states: u32,
    stack_bytes: u32,
    time_us: u64,
}

/// A program in both runs, or in one.
#[derive(Debug, Serialize)]
struct Pair {
    object: String,
    program: String,
    base: Option<Measured>,
    new: Option<Measured>,
}

/// What changed, the worst first.
#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    programs: usize,
    worse: usize,
    better: usize,
    changed: Vec<Pair>,
}

/// Whether a file holds results rather than an object.
pub(super) fn holds_results(bytes: &[u8]) -> bool {
    bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
}

/// Reads results of `skep check --json`.
pub(super) fn read_results(path: &Path) -> Result<Vec<Measured>, Failure> {
    serde_json::from_slice(&input::read(path)?).map_err(|e| {
        Failure::file("use the results in", path, &e).hint("they are what `skep check OBJECT --json` prints")
    })
}

impl Verdicts {
    pub(super) fn measured(&self) -> Vec<Measured> {
        let measured = |row: &super::row::Row| Measured {
            object: row.object.clone(),
            program: row.program.clone(),
            verdict: row.verdict.to_owned(),
            message: row.message.clone(),
            processed: row.processed,
            states: row.states,
            stack_bytes: row.stack_bytes,
            time_us: row.time_us,
        };
        self.0.iter().map(measured).collect()
    }
}

/// How good a verdict is.
fn rank(verdict: &str) -> u8 {
    match verdict {
        "accept" => 2,
        "reject" => 1,
        _ => 0,
    }
}

impl Pair {
    /// The verdict's rank afterwards, less the one before.
    fn improvement(&self) -> i8 {
        let rank = |side: &Option<Measured>| side.as_ref().map(|measured| rank(&measured.verdict).cast_signed());
        rank(&self.new).zip(rank(&self.base)).map_or(0, |(new, base)| new - base)
    }

    /// The largest change of a number, in percent; times, which differ from run to run, left out.
    fn change(&self) -> f64 {
        let (Some(base), Some(new)) = (&self.base, &self.new) else { return f64::INFINITY };
        let numbers = [(base.processed, new.processed), (base.states, new.states), (base.stack_bytes, new.stack_bytes)];
        numbers.iter().map(|(base, new)| percent((*base).into(), (*new).into()).abs()).fold(0.0, f64::max)
    }
}

/// How much a number grew. What was nothing grows by all there is.
fn percent(base: u64, new: u64) -> f64 {
    match (base, new) {
        (0, 0) => 0.0,
        (0, _) => 100.0,
        (base, new) => (new as f64 - base as f64) * 100.0 / base as f64,
    }
}

impl Comparison {
    /// Pairs programs by object and name; by name alone where the objects have other names. Changes by less than
    /// `threshold` percent are left out.
    pub(super) fn new(base: Vec<Measured>, new: Vec<Measured>, threshold: f64) -> Comparison {
        let names = |side: &[Measured]| -> BTreeSet<String> { side.iter().map(|m| m.object.clone()).collect() };
        let by_object = !names(&base).is_disjoint(&names(&new));
        let key = |m: &Measured| (if by_object { m.object.clone() } else { String::new() }, m.program.clone());
        let mut pairs: BTreeMap<(String, String), Pair> = BTreeMap::new();
        for (is_new, measured) in base.into_iter().map(|m| (false, m)).chain(new.into_iter().map(|m| (true, m))) {
            let empty =
                || Pair { object: measured.object.clone(), program: measured.program.clone(), base: None, new: None };
            let pair = pairs.entry(key(&measured)).or_insert_with(empty);
            *(if is_new { &mut pair.new } else { &mut pair.base }) = Some(measured);
        }
        let programs = pairs.len();
        let mut changed: Vec<Pair> = pairs.into_values().collect();
        let worse = changed.iter().filter(|pair| pair.improvement() < 0).count();
        let better = changed.iter().filter(|pair| pair.improvement() > 0).count();
        changed.retain(|pair| pair.improvement() != 0 || pair.change() > 0.0 && pair.change() >= threshold);
        changed.sort_by(|a, b| a.improvement().cmp(&b.improvement()).then(b.change().total_cmp(&a.change())));
        Comparison { programs, worse, better, changed }
    }

    pub(super) fn exit(&self) -> Exit {
        if self.worse > 0 { Exit::Negative } else { Exit::Success }
    }
}

impl Report for Comparison {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        self.changed.iter().try_for_each(|pair| pair.text(out))?;
        let Comparison { programs, worse, better, changed } = self;
        writeln!(out, "{programs} programs, {} changed; verdicts: {worse} worse, {better} better", changed.len())
    }
}

impl Pair {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let mark = match self.improvement() {
            ..0 => style::BAD,
            1.. => style::GOOD,
            0 => style::TITLE,
        };
        writeln!(out, "{mark}{} {}{mark:#}", printable(&self.object), printable(&self.program))?;
        let (Some(base), Some(new)) = (&self.base, &self.new) else {
            let side = if self.base.is_some() { "the base" } else { "the new run" };
            return writeln!(out, "  only in {side}");
        };
        if base.verdict != new.verdict {
            writeln!(out, "  verdict    {} -> {}  {}", base.verdict, new.verdict, printable(&new.message))?;
        }
        number(out, "processed", base.processed.into(), new.processed.into())?;
        number(out, "states", base.states.into(), new.states.into())?;
        number(out, "stack", base.stack_bytes.into(), new.stack_bytes.into())?;
        number(out, "time us", base.time_us, new.time_us)
    }
}

fn number(out: &mut dyn Write, name: &str, base: u64, new: u64) -> io::Result<()> {
    if base == new {
        return Ok(());
    }
    writeln!(out, "  {name:<10} {base} -> {new}  {:+.1} %", percent(base, new))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(object: &str, program: &str, verdict: &str, processed: u32) -> Measured {
        let (object, program, verdict) = (object.to_owned(), program.to_owned(), verdict.to_owned());
        Measured { object, program, verdict, message: String::new(), processed, states: 0, stack_bytes: 0, time_us: 1 }
    }

    fn changed(comparison: &Comparison) -> Vec<&str> {
        comparison.changed.iter().map(|pair| &*pair.program).collect()
    }

    #[test]
    fn worse_verdicts_come_first_and_small_changes_can_be_left_out() {
        let base = [
            ("same", "accept", 10),
            ("bit", "accept", 100),
            ("lot", "accept", 10),
            ("worse", "accept", 1),
            ("better", "reject", 1),
        ];
        let new = [
            ("same", "accept", 10),
            ("bit", "accept", 101),
            ("lot", "accept", 30),
            ("worse", "reject", 1),
            ("better", "accept", 1),
        ];
        let side = |rows: [(&str, &str, u32); 5]| rows.map(|(p, v, n)| measured("a.o", p, v, n)).to_vec();
        let all = Comparison::new(side(base), side(new), 0.0);
        assert_eq!(changed(&all), ["worse", "lot", "bit", "better"]);
        assert_eq!((all.worse, all.better, all.exit()), (1, 1, Exit::Negative));
        assert_eq!(changed(&Comparison::new(side(base), side(new), 5.0)), ["worse", "lot", "better"]);
    }

    #[test]
    fn programs_of_objects_with_other_names_are_paired_by_name() {
        let old = vec![measured("old.o", "p", "accept", 10)];
        let new = vec![measured("new.o", "p", "accept", 20)];
        let comparison = Comparison::new(old, new, 0.0);
        assert_eq!((comparison.programs, changed(&comparison)), (1, vec!["p"]));
        assert_eq!(comparison.exit(), Exit::Success);
    }
}
