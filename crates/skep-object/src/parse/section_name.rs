//! What a section name says about the programs in it.

use crate::spec::ProgramKind;

/// Splits off the `?` that says "do not load by default".
pub(crate) fn autoload(section: &str) -> (bool, &str) {
    match section.strip_prefix('?') {
        Some(rest) => (false, rest),
        None => (true, section),
    }
}

/// Type, attach type and attach target of a program in that section.
pub(crate) fn kind(_section: &str) -> Option<ProgramKind> {
    None
}
