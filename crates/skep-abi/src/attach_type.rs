//! `enum bpf_attach_type` of Linux 6.18.

use crate::program_type::{ReturnRange, returns};

macro_rules! attach_types {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        /// Where a program is attached; the discriminants are the ABI's.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u32)]
        #[non_exhaustive]
        #[allow(missing_docs, reason = "the names are the ABI's: see `name`")]
        pub enum AttachType { $($name = $value,)* }

        impl AttachType {
            /// All of them, in order.
            pub const ALL: &[AttachType] = &[$(AttachType::$name,)*];

            /// The type of that number.
            pub const fn from_number(number: u32) -> Option<AttachType> {
                match number { $($value => Some(AttachType::$name),)* _ => None }
            }

            /// Its number.
            pub const fn number(self) -> u32 { self as u32 }

            /// The name that libbpf and bpftool print: `cgroup_inet_ingress`.
            pub const fn name(self) -> &'static str {
                match self { $(AttachType::$name => $text,)* }
            }
        }
    };
}

attach_types! {
    CgroupInetIngress = 0, "cgroup_inet_ingress";
    CgroupInetEgress = 1, "cgroup_inet_egress";
    CgroupInetSockCreate = 2, "cgroup_inet_sock_create";
    CgroupSockOps = 3, "cgroup_sock_ops";
    SkSkbStreamParser = 4, "sk_skb_stream_parser";
    SkSkbStreamVerdict = 5, "sk_skb_stream_verdict";
    CgroupDevice = 6, "cgroup_device";
    SkMsgVerdict = 7, "sk_msg_verdict";
    CgroupInet4Bind = 8, "cgroup_inet4_bind";
    CgroupInet6Bind = 9, "cgroup_inet6_bind";
    CgroupInet4Connect = 10, "cgroup_inet4_connect";
    CgroupInet6Connect = 11, "cgroup_inet6_connect";
    CgroupInet4PostBind = 12, "cgroup_inet4_post_bind";
    CgroupInet6PostBind = 13, "cgroup_inet6_post_bind";
    CgroupUdp4Sendmsg = 14, "cgroup_udp4_sendmsg";
    CgroupUdp6Sendmsg = 15, "cgroup_udp6_sendmsg";
    LircMode2 = 16, "lirc_mode2";
    FlowDissector = 17, "flow_dissector";
    CgroupSysctl = 18, "cgroup_sysctl";
    CgroupUdp4Recvmsg = 19, "cgroup_udp4_recvmsg";
    CgroupUdp6Recvmsg = 20, "cgroup_udp6_recvmsg";
    CgroupGetsockopt = 21, "cgroup_getsockopt";
    CgroupSetsockopt = 22, "cgroup_setsockopt";
    TraceRawTp = 23, "trace_raw_tp";
    TraceFentry = 24, "trace_fentry";
    TraceFexit = 25, "trace_fexit";
    ModifyReturn = 26, "modify_return";
    LsmMac = 27, "lsm_mac";
    TraceIter = 28, "trace_iter";
    CgroupInet4Getpeername = 29, "cgroup_inet4_getpeername";
    CgroupInet6Getpeername = 30, "cgroup_inet6_getpeername";
    CgroupInet4Getsockname = 31, "cgroup_inet4_getsockname";
    CgroupInet6Getsockname = 32, "cgroup_inet6_getsockname";
    XdpDevmap = 33, "xdp_devmap";
    CgroupInetSockRelease = 34, "cgroup_inet_sock_release";
    XdpCpumap = 35, "xdp_cpumap";
    SkLookup = 36, "sk_lookup";
    Xdp = 37, "xdp";
    SkSkbVerdict = 38, "sk_skb_verdict";
    SkReuseportSelect = 39, "sk_reuseport_select";
    SkReuseportSelectOrMigrate = 40, "sk_reuseport_select_or_migrate";
    PerfEvent = 41, "perf_event";
    TraceKprobeMulti = 42, "trace_kprobe_multi";
    LsmCgroup = 43, "lsm_cgroup";
    StructOps = 44, "struct_ops";
    Netfilter = 45, "netfilter";
    TcxIngress = 46, "tcx_ingress";
    TcxEgress = 47, "tcx_egress";
    TraceUprobeMulti = 48, "trace_uprobe_multi";
    CgroupUnixConnect = 49, "cgroup_unix_connect";
    CgroupUnixSendmsg = 50, "cgroup_unix_sendmsg";
    CgroupUnixRecvmsg = 51, "cgroup_unix_recvmsg";
    CgroupUnixGetpeername = 52, "cgroup_unix_getpeername";
    CgroupUnixGetsockname = 53, "cgroup_unix_getsockname";
    NetkitPrimary = 54, "netkit_primary";
    NetkitPeer = 55, "netkit_peer";
    TraceKprobeSession = 56, "trace_kprobe_session";
    TraceUprobeSession = 57, "trace_uprobe_session";
}

/// How the BTF of a kernel names what a BTF-attached program is attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BtfTarget {
    /// What stands before the name given in the `SEC()`: `btf_trace_`.
    pub prefix: &'static str,
    /// It is a `TYPEDEF` (of a pointer to the tracepoint's prototype) instead of a `FUNC`.
    pub is_typedef: bool,
}

impl AttachType {
    /// How the target of this attach type is found in BTF; `None` for attach types without a BTF target.
    pub const fn btf_target(self) -> Option<BtfTarget> {
        match self {
            AttachType::TraceRawTp => Some(BtfTarget { prefix: "btf_trace_", is_typedef: true }),
            AttachType::LsmMac | AttachType::LsmCgroup => Some(BtfTarget { prefix: "bpf_lsm_", is_typedef: false }),
            AttachType::TraceIter => Some(BtfTarget { prefix: "bpf_iter_", is_typedef: false }),
            AttachType::TraceFentry | AttachType::TraceFexit | AttachType::ModifyReturn => {
                Some(BtfTarget { prefix: "", is_typedef: false })
            }
            _ => None,
        }
    }

    /// Whether programs attached there may change socket maps whatever their type: where they run no socket can be locked.
    pub const fn changes_socket_maps(self) -> bool {
        matches!(self, AttachType::TraceIter)
    }

    /// Whether programs attached there may go over the tasks of a cgroup even if they may not sleep: they are never called
    /// with the lock held that this takes.
    pub const fn iterates_css_tasks(self) -> bool {
        matches!(self, AttachType::TraceIter | AttachType::LsmMac | AttachType::LsmCgroup)
    }

    /// Whether the context holds, after the arguments of the target, what it returned (or, for `modify_return`, what it
    /// is to return).
    pub const fn gives_return_value(self) -> bool {
        matches!(self, AttachType::TraceFexit | AttachType::ModifyReturn | AttachType::LsmMac | AttachType::LsmCgroup)
    }

    /// Whether the program's result takes the place of the target's.
    pub const fn decides_for_target(self) -> bool {
        matches!(self, AttachType::LsmMac | AttachType::LsmCgroup)
    }

    /// Whether sleepable programs may be attached there, if such of the type exist.
    pub const fn may_sleep(self) -> bool {
        !matches!(self, AttachType::TraceRawTp)
    }

    /// What a program must return whose target returns nothing; `None`: its result does not count.
    pub const fn result_for_nothing(self) -> Option<ReturnRange> {
        match self {
            AttachType::LsmCgroup => Some(returns(&[], 1, 1)),
            _ => None,
        }
    }

    /// Whether the objects in the arguments live as long as the program runs.
    pub const fn trusted_arguments(self) -> bool {
        matches!(self, AttachType::TraceRawTp | AttachType::TraceIter | AttachType::LsmMac | AttachType::LsmCgroup)
    }
}
