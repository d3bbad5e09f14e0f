//! Tracepoints. The context is the record that the `format` file describes; its first 8 bytes may not be read.

use super::prelude::*;

pub(super) const INFO: ProgramTypeInfo = ProgramTypeInfo {
    sections: &[section("tracepoint").with_rest(), section("tp").with_rest()],
    context: ContextInfo::Bytes { name: "trace_entry", start: 8, limit: 8192 },
    helpers: &["get_attach_cookie"],
    tracing_helpers: true,
    any_context: true,
    ..ProgramTypeInfo::new(
        ProgramType::Tracepoint,
        "tracepoint",
        Version(4, 7),
        "Runs at a kernel tracepoint, with its record.",
    )
};
