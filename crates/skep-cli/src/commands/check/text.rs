//! Verdicts for people.

use super::explained::{Explained, PathStep, Source};
use super::row::{Row, Verdicts};
use super::snippet::{Sources, expression};
use super::trace::LineStates;
use crate::output::Report;
use crate::style::{self, printable};
use std::io::{self, Write};

impl Report for Verdicts {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut sources = Sources::default();
        for row in &self.0 {
            row.text(out, &mut sources)?;
        }
        if self.0.is_empty() {
            return Ok(());
        }
        let accepted = self.0.iter().filter(|row| row.verdict == "accept").count();
        writeln!(out, "{accepted} of {} accepted", self.0.len())
    }
}

impl Row {
    fn text(&self, out: &mut dyn Write, sources: &mut Sources) -> io::Result<()> {
        let mark = match self.verdict {
            "accept" => style::GOOD,
            "reject" => style::BAD,
            _ => style::WARNING,
        };
        let (object, program) = (printable(&self.object), printable(&self.program));
        write!(out, "{mark}{:<6}{mark:#} {object} {program} ({})", self.verdict, self.program_type)?;
        if self.verdict == "accept" {
            let Row { instructions, processed, states, stack_bytes, time_us, .. } = self;
            write!(
                out,
                ": {instructions} instructions, {processed} processed, {states} states, stack {stack_bytes} bytes, {time_us} us"
            )?;
        } else if let Some(title) = self.reason.map(|reason| reason.info().title) {
            write!(out, ": {}{title}{:#}", style::TITLE, style::TITLE)?;
        }
        writeln!(out)?;
        if !self.message.is_empty() {
            let at = self.instruction.map(|slot| format!(" (instruction {slot})")).unwrap_or_default();
            writeln!(out, "  {}{at}", printable(&self.message))?;
        }
        let advice = match &self.explanation {
            Some(explained) => {
                explained.text(self.source.as_ref(), out, sources)?;
                Some(&explained.advice).filter(|advice| !advice.is_empty())
            }
            None => self.hint.as_ref(),
        };
        if let Some(advice) = advice {
            field(out, "hint", advice)?;
        }
        self.lines.iter().flatten().try_for_each(|line| annotated(line, out))?;
        self.counterexample.iter().try_for_each(|counterexample| counterexample.text(&self.object, out))?;
        self.costs.iter().try_for_each(|costs| costs.text(out))?;
        self.log.lines().try_for_each(|line| writeln!(out, "  | {}", printable(line)))
    }
}

impl Explained {
    fn text(&self, place: Option<&Source>, out: &mut dyn Write, sources: &mut Sources) -> io::Result<()> {
        let numbers = self.path.iter().filter_map(|step| Some(step.source.as_ref()?.line));
        let widest = numbers.chain(place.map(|place| place.line)).max().unwrap_or(0);
        let width = widest.to_string().len();
        if let Some(place) = place {
            snippet(place, width, out, sources)?;
        }
        if !self.needed.is_empty() {
            field(out, "needed", &self.needed)?;
        }
        for known in &self.known {
            field(out, "known", &format!("{} is {}", known.name(), known.what))?;
        }
        if self.path.len() > 1 {
            writeln!(out, "  {}path{:#}:", style::TITLE, style::TITLE)?;
        }
        for step in self.path.iter().filter(|step| step.kind != "refused") {
            path_step(step, width, place, out, sources)?;
        }
        Ok(())
    }
}

fn field(out: &mut dyn Write, name: &str, text: &str) -> io::Result<()> {
    writeln!(out, "  {}{name}{:#}: {}", style::TITLE, style::TITLE, printable(text))
}

/// The refused line, with carets below the expression.
fn snippet(place: &Source, width: usize, out: &mut dyn Write, sources: &mut Sources) -> io::Result<()> {
    let (quiet, bad) = (style::QUIET, style::BAD);
    writeln!(out, "  {quiet}-->{quiet:#} {}:{}:{}", printable(&place.file), place.line, place.column)?;
    let line = sources.line(&place.file, place.line, &place.text);
    if line.trim().is_empty() {
        return Ok(());
    }
    let indent = line.len() - line.trim_start().len();
    let marked = expression(line, place.column);
    // Tabs become one space in both lines, so that the carets stand where they should.
    let flat = |text: &str| printable(&text.replace('\t', " ")).into_owned();
    let (shown, before) = (flat(line[indent..].trim_end()), flat(&line[indent.min(marked.start)..marked.start]));
    let carets = "^".repeat(flat(&line[marked]).chars().count().max(1));
    let gap = " ".repeat(before.chars().count());
    writeln!(out, "  {quiet}{:>width$} |{quiet:#}", "")?;
    writeln!(out, "  {quiet}{:>width$} |{quiet:#} {shown}", place.line)?;
    writeln!(out, "  {quiet}{:>width$} |{quiet:#} {gap}{bad}{carets}{bad:#}", "")
}

/// A source line and what is known after it.
fn annotated(line: &LineStates, out: &mut dyn Write) -> io::Result<()> {
    let quiet = style::QUIET;
    let text = line.source.text.trim().replace('\t', " ");
    let never = if line.never_reached { "   (no path comes here)" } else { "" };
    writeln!(out, "  {quiet}{:>5} |{quiet:#} {}{quiet}{never}{quiet:#}", line.source.line, printable(&text))?;
    for known in &line.known {
        let name = match &known.variable {
            Some(variable) => format!("{variable} ({})", known.register),
            None => known.register.clone(),
        };
        writeln!(out, "  {quiet}{:>5} |{quiet:#}     {} = {}", "", printable(&name), printable(&known.state))?;
    }
    Ok(())
}

fn path_step(
    step: &PathStep,
    width: usize,
    place: Option<&Source>,
    out: &mut dyn Write,
    sources: &mut Sources,
) -> io::Result<()> {
    let quiet = style::QUIET;
    let meaning = step.meaning();
    let Some(source) = &step.source else {
        return writeln!(
            out,
            "  {quiet}{:>width$} |{quiet:#} instruction {}: {}",
            "",
            step.instruction,
            printable(&meaning)
        );
    };
    if place.is_some_and(|place| place.file != source.file) {
        writeln!(out, "  {quiet}{:>width$} in {}{quiet:#}", "", printable(&source.file))?;
    }
    let line = sources.line(&source.file, source.line, &source.text).trim().replace('\t', " ");
    writeln!(out, "  {quiet}{:>width$} |{quiet:#} {}", source.line, printable(&line))?;
    writeln!(out, "  {quiet}{:>width$} |   {}{quiet:#}", "", printable(&meaning))
}
