//! Kernel interfaces that programs implement (`struct_ops`): what BTF does not say of their members.
//!
//! An interface without a row has no rules beyond those of its types.
//!
//! Source: the `bpf_struct_ops` of Linux 6.18 (`net/ipv4/bpf_tcp_ca.c`, `net/bpf/bpf_dummy_struct_ops.c`,
//! `kernel/sched/ext.c`, `drivers/hid/bpf/hid_bpf_struct_ops.c`).

/// One interface.
#[derive(Clone, Copy, Debug)]
pub struct Interface {
    /// The struct: `tcp_congestion_ops`.
    pub name: &'static str,
    /// Functions that programs cannot implement.
    pub unsupported: &'static [&'static str],
    /// Functions that may sleep; `None`: any.
    pub sleepable: Option<&'static [&'static str]>,
    /// Helpers of its implementations, by name: those of all programs, and these; `None`: not one.
    pub helpers: Option<&'static [&'static str]>,
    /// Helpers that implementations of a function lack.
    pub withheld: &'static [(&'static str, &'static [&'static str])],
}

/// Helpers of congestion controls, the first interface there was.
pub(crate) const CONGESTION_HELPERS: &[&str] =
    &["tcp_send_ack", "sk_storage_get", "sk_storage_delete", "setsockopt", "getsockopt", "ktime_get_coarse_ns"];

/// The interfaces.
pub const INTERFACES: &[Interface] = &[
    Interface {
        name: "tcp_congestion_ops",
        unsupported: &["get_info"],
        sleepable: None,
        helpers: Some(CONGESTION_HELPERS),
        withheld: &[("release", &["setsockopt", "getsockopt"])],
    },
    Interface {
        name: "bpf_dummy_ops",
        unsupported: &[],
        sleepable: Some(&["test_sleepable"]),
        helpers: None,
        withheld: &[],
    },
    Interface {
        name: "sched_ext_ops",
        unsupported: &[],
        sleepable: Some(&[
            "init_task",
            "cgroup_init",
            "cgroup_exit",
            "cgroup_prep_move",
            "cpu_online",
            "cpu_offline",
            "init",
            "exit",
        ]),
        helpers: Some(&["task_storage_get", "task_storage_delete"]),
        withheld: &[],
    },
    Interface {
        name: "hid_bpf_ops",
        unsupported: &[],
        sleepable: Some(&["hid_hw_request", "hid_hw_output_report"]),
        helpers: Some(&[]),
        withheld: &[],
    },
];

/// What stands before an interface's name in that of the struct that the kernel registers it with: a kernel whose BTF has
/// none does not take implementations.
pub const REGISTERED_PREFIX: &str = "bpf_struct_ops_";

/// The row of an interface.
pub fn by_name(name: &str) -> Option<&'static Interface> {
    INTERFACES.iter().find(|interface| interface.name == name)
}

impl Interface {
    /// Whether programs may implement that function at all.
    pub fn supports(&self, member: &str) -> bool {
        !self.unsupported.contains(&member)
    }

    /// Whether implementations of that function may be sleepable.
    pub fn may_sleep(&self, member: &str) -> bool {
        self.sleepable.is_none_or(|members| members.contains(&member))
    }

    /// Whether implementations of that function have a helper, given whether programs of most types have it.
    pub fn has_helper(&self, member: &str, helper: &str, common: bool) -> bool {
        let withheld = |(of, helpers): &(&str, &[&str])| *of == member && helpers.contains(&helper);
        self.helpers.is_some_and(|own| common || own.contains(&helper)) && !self.withheld.iter().any(withheld)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_have_rules() {
        let congestion = by_name("tcp_congestion_ops").expect("a row");
        assert!(congestion.supports("init") && !congestion.supports("get_info"));
        assert!(congestion.may_sleep("init"));
        assert!(congestion.has_helper("init", "setsockopt", false));
        assert!(!congestion.has_helper("release", "setsockopt", false));
        assert!(congestion.has_helper("release", "map_lookup_elem", true));
        let dummy = by_name("bpf_dummy_ops").expect("a row");
        assert!(dummy.may_sleep("test_sleepable") && !dummy.may_sleep("test_1"));
        assert!(!dummy.has_helper("test_1", "map_lookup_elem", true));
    }
}
