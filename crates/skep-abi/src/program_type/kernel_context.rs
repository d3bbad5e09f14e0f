//! What the kernel itself has where a program sees its context. Source: `include/linux/bpf_types.h` of Linux 6.18.

use super::{ContextInfo, ProgramType};

impl ProgramType {
    /// The kernel's struct behind the context of programs of this type; `None` where the context is no struct.
    pub const fn kernel_context(self) -> Option<&'static str> {
        Some(match self {
            ProgramType::SocketFilter
            | ProgramType::SchedCls
            | ProgramType::SchedAct
            | ProgramType::CgroupSkb
            | ProgramType::LwtIn
            | ProgramType::LwtOut
            | ProgramType::LwtXmit
            | ProgramType::LwtSeg6local
            | ProgramType::SkSkb => "sk_buff",
            ProgramType::Xdp => "xdp_buff",
            ProgramType::CgroupSock => "sock",
            ProgramType::CgroupSockAddr => "bpf_sock_addr_kern",
            ProgramType::SockOps => "bpf_sock_ops_kern",
            ProgramType::SkMsg => "sk_msg",
            ProgramType::FlowDissector => "bpf_flow_dissector",
            ProgramType::Kprobe => "pt_regs",
            ProgramType::PerfEvent => "bpf_perf_event_data_kern",
            ProgramType::CgroupDevice => "bpf_cgroup_dev_ctx",
            ProgramType::CgroupSysctl => "bpf_sysctl_kern",
            ProgramType::CgroupSockopt => "bpf_sockopt_kern",
            ProgramType::SkReuseport => "sk_reuseport_kern",
            ProgramType::SkLookup => "bpf_sk_lookup_kern",
            ProgramType::Netfilter => "bpf_nf_ctx",
            _ => return None,
        })
    }

    /// Types of which a pointer in a function's signature stands for the context.
    pub fn context_names(self) -> &'static [&'static str] {
        match (self, &self.info().context) {
            (ProgramType::Kprobe, _) => &["bpf_user_pt_regs_t", "pt_regs"],
            (ProgramType::RawTracepoint | ProgramType::RawTracepointWritable, _) => &["bpf_raw_tracepoint_args"],
            (_, ContextInfo::Struct { name, .. } | ContextInfo::Bytes { name, .. }) => std::slice::from_ref(name),
            _ => &[],
        }
    }
}
