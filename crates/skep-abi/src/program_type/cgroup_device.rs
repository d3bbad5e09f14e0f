//! Device access of a cgroup. The result is 1 to allow and 0 to forbid.

use super::prelude::*;

const FIELDS: &[ContextField] =
    &[field("access_type", 0, 4, 4).narrow(Narrow::From(1)), field("major", 4, 4, 4), field("minor", 8, 4, 4)];

pub(super) const INFO: ProgramTypeInfo = ProgramTypeInfo {
    sections: &[section("cgroup/dev").attach(A::CgroupDevice).optional()],
    context: ContextInfo::Struct { name: "bpf_cgroup_dev_ctx", size: 12, fields: FIELDS },
    helpers: &["perf_event_output", "get_local_storage"],
    attach_helpers: &[(&[A::CgroupDevice], &["get_retval", "set_retval"])],
    returns: &[returns(&[], 0, 1)],
    ..ProgramTypeInfo::new(
        ProgramType::CgroupDevice,
        "cgroup_device",
        Version(4, 15),
        "Allows or forbids a cgroup to use devices.",
    )
};
