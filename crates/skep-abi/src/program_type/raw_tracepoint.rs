//! Raw tracepoints. The context is the arguments, 8 bytes each.

use super::prelude::*;

pub(super) const INFO: ProgramTypeInfo = ProgramTypeInfo {
    sections: &[section("raw_tracepoint").with_rest(), section("raw_tp").with_rest()],
    context: ContextInfo::Arguments { max: 12, buffer: false },
    helpers: &["get_attach_cookie"],
    tracing_helpers: true,
    any_context: true,
    ..ProgramTypeInfo::new(
        ProgramType::RawTracepoint,
        "raw_tracepoint",
        Version(4, 17),
        "Runs at a kernel tracepoint, with its arguments.",
    )
};
