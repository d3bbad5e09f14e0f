//! Kernel and user probes, at entry and return, and statically defined user tracepoints. The context is `struct pt_regs`,
//! whose size here is that of x86-64.

use super::prelude::*;

pub(super) const INFO: ProgramTypeInfo = ProgramTypeInfo {
    sections: &[
        section("kprobe").with_rest(),
        section("uprobe").with_rest(),
        section("uprobe.s").with_rest().sleepable(),
        section("kretprobe").with_rest(),
        section("uretprobe").with_rest(),
        section("uretprobe.s").with_rest().sleepable(),
        section("kprobe.multi").with_rest().attach(A::TraceKprobeMulti),
        section("kretprobe.multi").with_rest().attach(A::TraceKprobeMulti),
        section("kprobe.session").with_rest().attach(A::TraceKprobeSession),
        section("uprobe.multi").with_rest().attach(A::TraceUprobeMulti),
        section("uretprobe.multi").with_rest().attach(A::TraceUprobeMulti),
        section("uprobe.session").with_rest().attach(A::TraceUprobeSession),
        section("uprobe.multi.s").with_rest().attach(A::TraceUprobeMulti).sleepable(),
        section("uretprobe.multi.s").with_rest().attach(A::TraceUprobeMulti).sleepable(),
        section("uprobe.session.s").with_rest().attach(A::TraceUprobeSession).sleepable(),
        section("ksyscall").with_rest(),
        section("kretsyscall").with_rest(),
        section("usdt").with_rest(),
        section("usdt.s").with_rest().sleepable(),
    ],
    context: ContextInfo::Bytes { name: "pt_regs", start: 0, limit: 168 },
    sleepable: true,
    helpers: &["override_return", "get_attach_cookie"],
    tracing_helpers: true,
    any_context: true,
    returns: &[returns(&[A::TraceKprobeSession, A::TraceUprobeSession], 0, 1)],
    ..ProgramTypeInfo::new(ProgramType::Kprobe, "kprobe", Version(4, 1), "Runs at a kernel or user function.")
};
