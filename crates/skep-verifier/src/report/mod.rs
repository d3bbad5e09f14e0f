//! What the verifier says: the log in Linux's form, and refusals with their place in the source.

mod log;
mod state_text;

pub(crate) use log::Log;
pub(crate) use state_text::Names;

use crate::input::{LineInfo, Program};

/// The source line that a slot belongs to.
pub(crate) fn source_line(program: &Program<'_>, slot: usize) -> Option<LineInfo> {
    let index = line_index(program, slot)?;
    Some(program.btf?.lines[index].clone())
}

fn line_index(program: &Program<'_>, slot: usize) -> Option<usize> {
    let lines = program.btf?.lines;
    lines.partition_point(|line| line.slot as usize <= slot).checked_sub(1)
}
