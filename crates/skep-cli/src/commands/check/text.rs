//! Verdicts for people.

use super::row::{Row, Verdicts};
use crate::output::Report;
use crate::style::{self, printable};
use std::io::{self, Write};

impl Report for Verdicts {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for row in &self.0 {
            row.text(out)?;
        }
        if self.0.is_empty() {
            return Ok(());
        }
        let accepted = self.0.iter().filter(|row| row.verdict == "accept").count();
        writeln!(out, "{accepted} of {} accepted", self.0.len())
    }
}

impl Row {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
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
        }
        writeln!(out)?;
        if !self.message.is_empty() {
            let at = self.instruction.map(|slot| format!(" (instruction {slot})")).unwrap_or_default();
            writeln!(out, "  {}{at}", printable(&self.message))?;
        }
        if let Some(source) = &self.source {
            writeln!(out, "  at {}:{}:{}", printable(&source.file), source.line, source.column)?;
            writeln!(out, "    {}", printable(&source.text))?;
        }
        if let Some(hint) = &self.hint {
            writeln!(out, "  hint: {}", printable(hint))?;
        }
        self.costs.iter().try_for_each(|costs| costs.text(out))?;
        self.log.lines().try_for_each(|line| writeln!(out, "  | {}", printable(line)))
    }
}
