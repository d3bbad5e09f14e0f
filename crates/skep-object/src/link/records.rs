//! Function and line records in the kernel's layout.

use crate::spec::{ObjectSpec, ProgramSpec};
use std::collections::HashSet;

/// Function and line records of a program, both empty when they cannot be complete: Linux wants a record for every
/// function, and a line at the first slot of each.
pub(super) fn encode(program: &ProgramSpec, object: &ObjectSpec) -> (Vec<u8>, Vec<u8>) {
    if object.btf.is_none() {
        return (Vec::new(), Vec::new());
    }
    let Some(functions) = functions(program) else { return (Vec::new(), Vec::new()) };
    let lines = if every_function_has_a_line(program) { lines(program) } else { Vec::new() };
    (functions, lines)
}

fn functions(program: &ProgramSpec) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(program.functions.len() * 8);
    for function in &program.functions {
        out.extend(function.start.to_le_bytes());
        out.extend(function.type_id?.0.to_le_bytes());
    }
    Some(out)
}

fn every_function_has_a_line(program: &ProgramSpec) -> bool {
    let lines: HashSet<u32> = program.lines.iter().map(|l| l.slot).collect();
    program.functions.iter().all(|f| lines.contains(&f.start))
}

fn lines(program: &ProgramSpec) -> Vec<u8> {
    let mut out = Vec::with_capacity(program.lines.len() * 16);
    for l in &program.lines {
        let place = l.line << 10 | u32::from(l.column) & 0x3ff;
        for word in [l.slot, l.file.0, l.text.0, place] {
            out.extend(word.to_le_bytes());
        }
    }
    out
}
