//! Raw tracepoints whose first argument is a buffer that the program may write.

use super::prelude::*;

pub(super) const INFO: ProgramTypeInfo = ProgramTypeInfo {
    sections: &[section("raw_tracepoint.w").with_rest(), section("raw_tp.w").with_rest()],
    context: ContextInfo::Arguments { max: 12, buffer: true },
    helpers: &["get_attach_cookie"],
    tracing_helpers: true,
    any_context: true,
    ..ProgramTypeInfo::new(
        ProgramType::RawTracepointWritable,
        "raw_tracepoint_writable",
        Version(5, 2),
        "Runs at a kernel tracepoint and may write the buffer of its first argument.",
    )
};
