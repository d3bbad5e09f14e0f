//! One value, rendered as text for people or as JSON for programs.

use crate::error::Failure;
use crate::style::printable;
use clap::Args;
use serde::Serialize;
use std::io::{self, IsTerminal as _, Write};

/// How to print; the same flags on every command.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct Output {
    /// Print JSON
    #[arg(short, long, global = true)]
    pub(crate) json: bool,
    /// Print indented JSON
    #[arg(short, long, global = true)]
    pub(crate) pretty: bool,
}

/// A result that can be printed.
pub(crate) trait Report: Serialize {
    /// Writes it for people. Styles are dropped by the stream when it is no terminal.
    fn text(&self, out: &mut dyn Write) -> io::Result<()>;
}

impl Output {
    pub(crate) fn is_json(self) -> bool {
        self.json || self.pretty
    }

    /// Prints `report` to standard output.
    pub(crate) fn print(self, report: &impl Report) -> Result<(), Failure> {
        let mut out = anstream::AutoStream::auto(io::stdout().lock());
        let result = if self.is_json() { self.write_json(report, &mut out) } else { report.text(&mut out) };
        finish(result.and_then(|()| out.flush()))
    }

    fn write_json(self, report: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
        if self.pretty {
            serde_json::to_writer_pretty(&mut *out, report)?;
        } else {
            serde_json::to_writer(&mut *out, report)?;
        }
        writeln!(out)
    }
}

/// Writes text without styles to standard output.
pub(crate) fn print_text(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let text = if out.is_terminal() { printable(text) } else { text.into() };
    finish(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// A reader that has gone (`skep … | head`) is no failure.
fn finish(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::because("cannot write to standard output", &error)),
        Ok(()) => Ok(()),
    }
}
