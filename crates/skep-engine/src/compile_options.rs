//! What a program is compiled for, beside running.

use std::sync::Arc;

use crate::jit::Announce;

/// How a program is compiled.
#[derive(Clone, Debug, Default)]
pub struct CompileOptions {
    /// What it is called in errors, profilers and debuggers: `skep_prog_TAG_NAME`.
    pub name: Option<Arc<str>>,
    /// Who is told about it.
    pub announce: Announce,
    /// Numbers of the program do not stand in its machine code as they are, so that nobody can write machine code by loading
    /// a program: for those who run programs of others whom they do not trust. The code is larger and slower.
    pub blind: bool,
    /// Only instructions that every processor of the architecture has, not what this one has beyond.
    pub baseline: bool,
}
