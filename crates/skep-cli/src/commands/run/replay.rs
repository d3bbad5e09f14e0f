//! Runs on a given input: what `skep check --counterexample` found, or what somebody wrote by hand.

use super::Run;
use crate::counterexample::fault;
use crate::counterexample::file::Counterexample;
use crate::counterexample::replay;
use crate::error::{Exit, Failure};
use crate::output::Report;
use crate::style::{self, printable};
use serde::Serialize;
use skep::Object;
use skep_isa::Insn;
use skep_object::{ObjectSpec, ProgramSpec};
use std::io::{self, Write};
use std::path::Path;

/// How the run ended.
#[derive(Debug, Serialize)]
pub(super) struct ReplayReport {
    object: String,
    program: String,
    #[serde(rename = "type")]
    program_type: &'static str,
    /// r0, where the program came to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    returned: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<FaultReport>,
}

/// What went wrong where.
#[derive(Debug, Serialize)]
struct FaultReport {
    text: String,
    instruction: u32,
    assembly: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<SourceLine>,
}

#[derive(Debug, Serialize)]
struct SourceLine {
    file: String,
    line: u32,
    text: String,
}

pub(super) fn run(arguments: &Run, object: &Object, file: &Path) -> Result<ReplayReport, Failure> {
    let example = Counterexample::read(file)?;
    let name = arguments.program.as_deref().unwrap_or(&example.program);
    let ran = replay::run(object, name, &example.input)?;
    let spec = object.spec();
    let (_, program) = spec.program(name).ok_or_else(|| Failure::new(format!("the object has no program '{name}'")))?;
    let fault = fault::find(&program.insns, &ran).map(|found| FaultReport {
        text: found.text,
        instruction: found.slot,
        assembly: Insn::decode(&program.insns, found.slot as usize).map_or_else(|e| e.to_string(), |i| i.to_string()),
        source: source(spec, program, found.slot),
    });
    let kind = program.kind.as_ref().map_or("unknown", |kind| kind.program_type.info().name);
    let returned = fault.is_none().then_some(ran.outcome.ret);
    Ok(ReplayReport {
        object: arguments.object.display().to_string(),
        program: name.to_owned(),
        program_type: kind,
        returned,
        fault,
    })
}

fn source(object: &ObjectSpec, program: &ProgramSpec, slot: u32) -> Option<SourceLine> {
    let record = &program.lines[program.lines.partition_point(|record| record.slot <= slot).checked_sub(1)?];
    let text = |offset| object.btf.as_ref().and_then(|btf| btf.string(offset)).unwrap_or_default();
    Some(SourceLine {
        file: text(record.file).to_owned(),
        line: record.line,
        text: text(record.text).trim().to_owned(),
    })
}

impl ReplayReport {
    pub(super) fn exit(&self) -> Exit {
        if self.fault.is_some() { Exit::Negative } else { Exit::Success }
    }
}

impl Report for ReplayReport {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let (bold, bad) = (style::TITLE, style::BAD);
        writeln!(out, "{bold}{}{bold:#} ({}), user kernel, sandbox", printable(&self.program), self.program_type)?;
        if let Some(returned) = self.returned {
            writeln!(out, "  returned {returned}")?;
        }
        let Some(fault) = &self.fault else { return Ok(()) };
        writeln!(out, "  {bad}fault{bad:#} at instruction {}: {}", fault.instruction, printable(&fault.text))?;
        writeln!(out, "    {}", fault.assembly)?;
        if let Some(SourceLine { file, line, text }) = &fault.source {
            writeln!(out, "  at {}:{line}", printable(file))?;
            writeln!(out, "    {}", printable(text))?;
        }
        Ok(())
    }
}
