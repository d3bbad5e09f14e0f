//! `skep check --counterexample`: what was looked for, and what was found.

use crate::counterexample::file::place;
use crate::counterexample::search::{Missing, search};
use crate::style::printable;
use serde::Serialize;
use skep::Object;
use skep_object::ProgramSpec;
use skep_verifier::Rejection;
use std::io::{self, Write};
use std::path::Path;

/// What came of the search.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Counterexample {
    /// An input that runs into the fault.
    Found {
        /// Where it is kept.
        file: String,
        /// What it consists of.
        input: String,
        instruction: u32,
        fault: String,
    },
    /// There is none, or it was not found; why.
    Missing(String),
}

/// Looks for a counterexample and writes it.
pub(super) fn look(path: &Path, object: &Object, program: &ProgramSpec, rejection: &Rejection) -> Counterexample {
    let (example, found) = match search(object, program, rejection) {
        Ok(found) => found,
        Err(Missing::Unfit(reason)) => return Counterexample::Missing(format!("not looked for: {reason}")),
        Err(Missing::NotFound) => {
            return Counterexample::Missing("none found: the refusal may be a limit of the analysis".to_owned());
        }
    };
    let file = place(path, &program.name);
    if let Err(failure) = example.write(&file) {
        return Counterexample::Missing(failure.to_string());
    }
    let input = &example.input;
    let bytes = |what: &str, bytes: usize| format!("a {what} of {bytes} byte{}", if bytes == 1 { "" } else { "s" });
    let mut parts: Vec<String> = input.packet.iter().map(|packet| bytes("packet", packet.0.len())).collect();
    parts.extend(input.context.iter().map(|context| bytes("context", context.0.len())));
    parts.extend(input.maps.iter().map(|entry| format!("an element of {}", entry.map)));
    let (file, input) = (file.display().to_string(), parts.join(", "));
    Counterexample::Found { file, input, instruction: found.slot, fault: found.text }
}

impl Counterexample {
    pub(super) fn text(&self, object: &str, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Counterexample::Found { file, input, instruction, fault } => {
                writeln!(out, "  counterexample: {input}: instruction {instruction}: {}", printable(fault))?;
                writeln!(out, "    skep run {} --input {}", printable(object), printable(file))
            }
            Counterexample::Missing(reason) => writeln!(out, "  counterexample: {}", printable(reason)),
        }
    }
}
