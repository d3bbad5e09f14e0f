//! What a section name says about the programs in it.

use crate::spec::ProgramKind;
use skep_abi::program_type::by_section;

/// Splits off the `?` that says "do not load by default".
pub(crate) fn autoload(section: &str) -> (bool, &str) {
    match section.strip_prefix('?') {
        Some(rest) => (false, rest),
        None => (true, section),
    }
}

/// Type, attach type and attach target of a program in that section.
pub(crate) fn kind(section: &str) -> Option<ProgramKind> {
    let parsed = by_section(section)?;
    Some(ProgramKind {
        program_type: parsed.program_type,
        attach_type: parsed.name.attach_type,
        attach_optional: parsed.name.attach_optional,
        attach_to: parsed.rest.map(str::to_owned),
        attach_btf: parsed.name.attach_btf,
        sleepable: parsed.name.sleepable,
        xdp_has_frags: parsed.name.frags,
    })
}
