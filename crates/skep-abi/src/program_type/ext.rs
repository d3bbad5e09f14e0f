//! Replacements of functions of loaded programs (`freplace`).

use super::prelude::*;

pub(super) const INFO: ProgramTypeInfo = ProgramTypeInfo {
    sections: &[section("freplace").with_rest().btf()],
    context: ContextInfo::Target,
    base_helpers: false,
    extends_programs: true,
    ..ProgramTypeInfo::new(ProgramType::Ext, "ext", Version(5, 6), "Replaces a function of another program.")
};
