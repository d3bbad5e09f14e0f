//! The program-type table: one file per program type, one row each.
//!
//! # The context of a running program in Skep
//!
//! In Linux the context that a program sees (`struct xdp_md`, `struct __sk_buff`) is a fiction: the verifier rewrites
//! each access. Skep has one rule for all types: the running context is the ABI struct's bytes, rounded up to eight,
//! followed by one `u64` for each field whose [`FieldKind::is_pointer`] is true and whose ABI size is 4, in table
//! order. The verifier's fix-up turns a load of such a field into a `u64` load from that slot
//! ([`ContextInfo::pointer_slot`]); every other access stays what it is.

mod context;
mod kernel_context;
mod section;
mod sk_buff;

mod cgroup_device;
mod cgroup_skb;
mod cgroup_sock;
mod cgroup_sock_addr;
mod cgroup_sockopt;
mod cgroup_sysctl;
mod ext;
mod flow_dissector;
mod kprobe;
mod lirc_mode2;
mod lsm;
mod lwt_in;
mod lwt_out;
mod lwt_seg6local;
mod lwt_xmit;
mod netfilter;
mod perf_event;
mod raw_tracepoint;
mod raw_tracepoint_writable;
mod sched_act;
mod sched_cls;
mod sk_lookup;
mod sk_msg;
mod sk_reuseport;
mod sk_skb;
mod sock_ops;
mod socket_filter;
mod struct_ops;
mod syscall;
mod tracepoint;
mod tracing;
mod xdp;

pub use context::{ContextField, ContextInfo, FieldAccess, FieldKind, Narrow};
pub use flow_dissector::FLOW_KEYS_BYTES;
pub use section::{ParsedSection, SectionName, SectionRest, by_section};

use crate::Version;
use crate::attach_type::AttachType;

/// What the files of the types are written with.
mod prelude {
    pub(super) use super::context::{ContextField, ContextInfo, FieldKind, Narrow, SOCK, SOCK_OR_NULL, field};
    pub(super) use super::section::section;
    pub(super) use super::{ProgramType, ProgramTypeInfo, returns, sk_buff};
    pub(super) use crate::Version;
    pub(super) use crate::attach_type::AttachType as A;
}

/// The values a program may return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReturnRange {
    /// Attach types it holds for; empty is all not named by another row.
    pub attach_types: &'static [AttachType],
    /// Smallest.
    pub min: i32,
    /// Largest.
    pub max: i32,
    /// Only the lower half of the result counts.
    pub lower_half: bool,
}

impl ReturnRange {
    /// That value alone.
    pub const fn only(value: i32) -> ReturnRange {
        returns(&[], value, value)
    }

    /// The same, but only the lower half of the result counts: the caller takes an `int`.
    const fn lower_half(self) -> ReturnRange {
        ReturnRange { lower_half: true, ..self }
    }
}

/// `min..=max` for those attach types; none: for all that no row before names.
pub(crate) const fn returns(attach_types: &'static [AttachType], min: i32, max: i32) -> ReturnRange {
    ReturnRange { attach_types, min, max, lower_half: false }
}

/// One program type.
#[derive(Clone, Copy, Debug)]
pub struct ProgramTypeInfo {
    /// The type.
    pub program_type: ProgramType,
    /// bpftool's name: `sched_cls`.
    pub name: &'static str,
    /// `SEC()` names.
    pub sections: &'static [SectionName],
    /// Expected attach types that loading accepts; empty when it is not checked.
    pub attach_types: &'static [AttachType],
    /// The context.
    pub context: ContextInfo,
    /// Programs may read packets directly.
    pub packet_read: bool,
    /// Programs may write packets directly.
    pub packet_write: bool,
    /// Programs may hand packet pointers to helpers that take them.
    pub packet_to_helpers: bool,
    /// Programs may use `LD_ABS` and `LD_IND`.
    pub packet_load: bool,
    /// Helpers that this type has beside the shared sets, by name.
    pub helpers: &'static [&'static str],
    /// Helpers that only these attach types of it have, by name.
    pub attach_helpers: &'static [(&'static [AttachType], &'static [&'static str])],
    /// Of the helpers that change elements, those that it may call with a socket map, by name.
    pub socket_map_helpers: &'static [&'static str],
    /// Has [`BASE_HELPERS`].
    pub base_helpers: bool,
    /// Has [`TRACING_HELPERS`].
    pub tracing_helpers: bool,
    /// Runs wherever the probed thing happens, interrupting anything: maps with spin locks or timers are refused.
    pub any_context: bool,
    /// It may use maps with spin locks, unless it runs in any context.
    pub locks: bool,
    /// It is the function that it is attached to: who calls it vouches for the objects in the arguments and takes the result.
    pub implements_target: bool,
    /// It replaces a function of another program, whose rules it obeys.
    pub extends_programs: bool,
    /// What it may return: the first row that fits the attach type. Without a row, anything.
    pub returns: &'static [ReturnRange],
    /// May be loaded without CAP_BPF where the kernel allows that at all.
    pub unprivileged: bool,
    /// Sleepable programs of this type exist.
    pub sleepable: bool,
    /// All programs of this type are sleepable, and say so.
    pub always_sleepable: bool,
    /// First Linux release that has it.
    pub since: Version,
    /// One line about what it is.
    pub doc: &'static str,
}

/// Helpers of (nearly) every program type in Linux 6.18, for a loader with all capabilities.
pub const BASE_HELPERS: &[&str] = &[
    "map_lookup_elem",
    "map_update_elem",
    "map_delete_elem",
    "ktime_get_ns",
    "trace_printk",
    "get_prandom_u32",
    "get_smp_processor_id",
    "tail_call",
    "get_current_pid_tgid",
    "get_current_uid_gid",
    "get_current_comm",
    "get_cgroup_classid",
    "perf_event_read",
    "get_current_task",
    "current_task_under_cgroup",
    "get_numa_node_id",
    "perf_event_read_value",
    "get_current_cgroup_id",
    "map_push_elem",
    "map_pop_elem",
    "map_peek_elem",
    "spin_lock",
    "spin_unlock",
    "strtol",
    "strtoul",
    "send_signal",
    "probe_read_user",
    "probe_read_kernel",
    "probe_read_user_str",
    "probe_read_kernel_str",
    "send_signal_thread",
    "jiffies64",
    "get_ns_current_pid_tgid",
    "get_current_ancestor_cgroup_id",
    "ktime_get_boot_ns",
    "ringbuf_output",
    "ringbuf_reserve",
    "ringbuf_submit",
    "ringbuf_discard",
    "ringbuf_query",
    "get_task_stack",
    "copy_from_user",
    "snprintf_btf",
    "per_cpu_ptr",
    "this_cpu_ptr",
    "task_storage_get",
    "task_storage_delete",
    "get_current_task_btf",
    "for_each_map_elem",
    "snprintf",
    "timer_init",
    "timer_set_callback",
    "timer_start",
    "timer_cancel",
    "task_pt_regs",
    "get_branch_snapshot",
    "trace_vprintk",
    "find_vma",
    "loop",
    "strncmp",
    "copy_from_user_task",
    "kptr_xchg",
    "map_lookup_percpu_elem",
    "dynptr_from_mem",
    "ringbuf_reserve_dynptr",
    "ringbuf_submit_dynptr",
    "ringbuf_discard_dynptr",
    "dynptr_read",
    "dynptr_write",
    "dynptr_data",
    "ktime_get_tai_ns",
    "user_ringbuf_drain",
    "cgrp_storage_get",
    "cgrp_storage_delete",
];

/// Helpers of the program types that trace, beside [`BASE_HELPERS`].
pub const TRACING_HELPERS: &[&str] = &[
    "probe_read",
    "probe_write_user",
    "perf_event_output",
    "get_stackid",
    "probe_read_str",
    "get_stack",
    "get_func_ip",
];

impl ProgramTypeInfo {
    /// A type with the base helpers, no context, and nothing special.
    const fn new(program_type: ProgramType, name: &'static str, since: Version, doc: &'static str) -> ProgramTypeInfo {
        ProgramTypeInfo {
            program_type,
            name,
            sections: &[],
            attach_types: &[],
            context: ContextInfo::Buffer,
            packet_read: false,
            packet_write: false,
            packet_to_helpers: false,
            packet_load: false,
            helpers: &[],
            attach_helpers: &[],
            socket_map_helpers: &[],
            base_helpers: true,
            tracing_helpers: false,
            any_context: false,
            locks: true,
            implements_target: false,
            extends_programs: false,
            returns: &[],
            unprivileged: false,
            sleepable: false,
            always_sleepable: false,
            since,
            doc,
        }
    }

    /// Whether its programs may call the helper of that name (without `bpf_`), loaded with all capabilities for that
    /// expected attach type.
    pub fn has_helper(&self, attach_type: Option<AttachType>, name: &str) -> bool {
        self.helpers_for(attach_type).any(|helper| helper == name)
    }

    /// Names of all its helpers for that expected attach type.
    pub fn helpers_for(&self, attach_type: Option<AttachType>) -> impl Iterator<Item = &'static str> {
        let set = |has: bool, names: &'static [&'static str]| if has { names } else { &[] };
        let attached =
            self.attach_helpers.iter().filter(move |(types, _)| attach_type.is_some_and(|t| types.contains(&t)));
        set(self.base_helpers, BASE_HELPERS)
            .iter()
            .chain(set(self.tracing_helpers, TRACING_HELPERS))
            .chain(self.helpers)
            .chain(attached.flat_map(|(_, names)| names.iter()))
            .copied()
    }

    /// What a program may return, if that is limited.
    pub fn return_range(&self, attach_type: Option<AttachType>) -> Option<ReturnRange> {
        let fits = |row: &&ReturnRange| {
            row.attach_types.is_empty() || attach_type.is_some_and(|t| row.attach_types.contains(&t))
        };
        self.returns.iter().find(fits).copied()
    }
}

macro_rules! program_types {
    ($($(#[$doc:meta])* $name:ident = $value:literal,)*) => {
        /// `enum bpf_prog_type`; the discriminants are the ABI's.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u32)]
        #[non_exhaustive]
        pub enum ProgramType { $($(#[$doc])* $name = $value,)* }

        impl ProgramType {
            /// All of them, in order.
            pub const ALL: &[ProgramType] = &[$(ProgramType::$name,)*];

            /// The type of that number.
            pub const fn from_number(number: u32) -> Option<ProgramType> {
                match number { $($value => Some(ProgramType::$name),)* _ => None }
            }

            /// Its number.
            pub const fn number(self) -> u32 { self as u32 }
        }
    };
}

program_types! {
    /// Filter on a socket.
    SocketFilter = 1,
    /// Kernel or user function entry or return.
    Kprobe = 2,
    /// tc classifier.
    SchedCls = 3,
    /// tc action.
    SchedAct = 4,
    /// Kernel tracepoint.
    Tracepoint = 5,
    /// Packet at the driver.
    Xdp = 6,
    /// Perf event.
    PerfEvent = 7,
    /// Packet of a cgroup's sockets.
    CgroupSkb = 8,
    /// Socket creation in a cgroup.
    CgroupSock = 9,
    /// Lightweight tunnel, input.
    LwtIn = 10,
    /// Lightweight tunnel, output.
    LwtOut = 11,
    /// Lightweight tunnel, transmit.
    LwtXmit = 12,
    /// TCP events of a cgroup.
    SockOps = 13,
    /// Stream parser or verdict of a sockmap.
    SkSkb = 14,
    /// Device access of a cgroup.
    CgroupDevice = 15,
    /// Message sent on a sockmap socket.
    SkMsg = 16,
    /// Tracepoint with raw arguments.
    RawTracepoint = 17,
    /// Addresses of a cgroup's sockets.
    CgroupSockAddr = 18,
    /// Lightweight tunnel, segment routing.
    LwtSeg6local = 19,
    /// Infrared decoder.
    LircMode2 = 20,
    /// Choice of a listening socket.
    SkReuseport = 21,
    /// Flow dissector.
    FlowDissector = 22,
    /// Sysctl access of a cgroup.
    CgroupSysctl = 23,
    /// Raw tracepoint with a writable buffer.
    RawTracepointWritable = 24,
    /// Socket options of a cgroup.
    CgroupSockopt = 25,
    /// fentry, fexit, tp_btf, iterators.
    Tracing = 26,
    /// Implementation of a kernel interface.
    StructOps = 27,
    /// Replacement of a program's function.
    Ext = 28,
    /// Security hook.
    Lsm = 29,
    /// Socket lookup.
    SkLookup = 30,
    /// A program that makes system calls.
    Syscall = 31,
    /// Netfilter hook.
    Netfilter = 32,
}

impl ProgramType {
    /// Its row in the table.
    pub const fn info(self) -> &'static ProgramTypeInfo {
        match self {
            ProgramType::SocketFilter => &socket_filter::INFO,
            ProgramType::SchedCls => &sched_cls::INFO,
            ProgramType::SchedAct => &sched_act::INFO,
            ProgramType::CgroupSkb => &cgroup_skb::INFO,
            ProgramType::LwtIn => &lwt_in::INFO,
            ProgramType::LwtOut => &lwt_out::INFO,
            ProgramType::LwtXmit => &lwt_xmit::INFO,
            ProgramType::LwtSeg6local => &lwt_seg6local::INFO,
            ProgramType::SkSkb => &sk_skb::INFO,
            ProgramType::FlowDissector => &flow_dissector::INFO,
            ProgramType::Xdp => &xdp::INFO,
            ProgramType::SockOps => &sock_ops::INFO,
            ProgramType::CgroupDevice => &cgroup_device::INFO,
            ProgramType::SkMsg => &sk_msg::INFO,
            ProgramType::CgroupSockAddr => &cgroup_sock_addr::INFO,
            ProgramType::SkReuseport => &sk_reuseport::INFO,
            ProgramType::CgroupSysctl => &cgroup_sysctl::INFO,
            ProgramType::CgroupSock => &cgroup_sock::INFO,
            ProgramType::CgroupSockopt => &cgroup_sockopt::INFO,
            ProgramType::SkLookup => &sk_lookup::INFO,
            ProgramType::Netfilter => &netfilter::INFO,
            ProgramType::LircMode2 => &lirc_mode2::INFO,
            ProgramType::Kprobe => &kprobe::INFO,
            ProgramType::Tracepoint => &tracepoint::INFO,
            ProgramType::PerfEvent => &perf_event::INFO,
            ProgramType::RawTracepoint => &raw_tracepoint::INFO,
            ProgramType::RawTracepointWritable => &raw_tracepoint_writable::INFO,
            ProgramType::Tracing => &tracing::INFO,
            ProgramType::Lsm => &lsm::INFO,
            ProgramType::StructOps => &struct_ops::INFO,
            ProgramType::Ext => &ext::INFO,
            ProgramType::Syscall => &syscall::INFO,
        }
    }

    /// The type of that name (bpftool's: `sched_cls`).
    pub fn from_name(name: &str) -> Option<ProgramType> {
        ProgramType::ALL.iter().copied().find(|t| t.info().name == name)
    }
}
