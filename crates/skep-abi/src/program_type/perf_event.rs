//! Perf events: samples by time or by count.

use super::prelude::*;

const FIELDS: &[ContextField] = &[
    field("regs", 0, 168, 8),
    field("sample_period", 168, 8, 8).narrow(Narrow::From(1)),
    field("addr", 176, 8, 8).narrow(Narrow::From(1)),
];

pub(super) const INFO: ProgramTypeInfo = ProgramTypeInfo {
    sections: &[section("perf_event")],
    context: ContextInfo::Struct { name: "bpf_perf_event_data", size: 184, fields: FIELDS },
    helpers: &["get_attach_cookie", "perf_prog_read_value", "read_branch_records"],
    tracing_helpers: true,
    any_context: true,
    ..ProgramTypeInfo::new(ProgramType::PerfEvent, "perf_event", Version(4, 9), "Runs when a perf event overflows.")
};
