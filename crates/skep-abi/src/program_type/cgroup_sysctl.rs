//! Sysctl access of a cgroup. The result is 1 to go on and 0 to refuse with EPERM.

use super::prelude::*;

const FIELDS: &[ContextField] =
    &[field("write", 0, 4, 4).narrow(Narrow::From(1)), field("file_pos", 4, 4, 4).narrow(Narrow::From(1)).writable()];

pub(super) const INFO: ProgramTypeInfo = ProgramTypeInfo {
    sections: &[section("cgroup/sysctl").attach(A::CgroupSysctl)],
    context: ContextInfo::Struct { name: "bpf_sysctl", size: 8, fields: FIELDS },
    helpers: &[
        "perf_event_output",
        "get_local_storage",
        "sysctl_get_name",
        "sysctl_get_current_value",
        "sysctl_get_new_value",
        "sysctl_set_new_value",
        "ktime_get_coarse_ns",
    ],
    attach_helpers: &[(&[A::CgroupSysctl], &["get_retval", "set_retval"])],
    returns: &[returns(&[], 0, 1)],
    ..ProgramTypeInfo::new(
        ProgramType::CgroupSysctl,
        "cgroup_sysctl",
        Version(5, 2),
        "Watches and changes the sysctls that a cgroup reads and writes.",
    )
};
