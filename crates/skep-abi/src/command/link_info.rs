//! `struct bpf_link_info`: three numbers and a part that depends on the type of the link.

use super::info::InfoPointer;
use super::layout::{put, u32_at, u64_at};

/// `enum bpf_link_type`; the discriminants are the ABI's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
#[non_exhaustive]
pub enum LinkType {
    /// Raw tracepoint.
    RawTracepoint = 1,
    /// fentry, fexit, fmod_ret, LSM, tp_btf, freplace.
    Tracing = 2,
    /// Cgroup.
    Cgroup = 3,
    /// Iterator.
    Iter = 4,
    /// Network namespace.
    Netns = 5,
    /// XDP.
    Xdp = 6,
    /// Perf event.
    PerfEvent = 7,
    /// Many kprobes.
    KprobeMulti = 8,
    /// `struct_ops`.
    StructOps = 9,
    /// Netfilter.
    Netfilter = 10,
    /// tcx.
    Tcx = 11,
    /// Many uprobes.
    UprobeMulti = 12,
    /// netkit.
    Netkit = 13,
    /// Socket map.
    Sockmap = 14,
}

impl LinkType {
    /// All of them, in order.
    pub const ALL: &[LinkType] = &[
        LinkType::RawTracepoint,
        LinkType::Tracing,
        LinkType::Cgroup,
        LinkType::Iter,
        LinkType::Netns,
        LinkType::Xdp,
        LinkType::PerfEvent,
        LinkType::KprobeMulti,
        LinkType::StructOps,
        LinkType::Netfilter,
        LinkType::Tcx,
        LinkType::UprobeMulti,
        LinkType::Netkit,
        LinkType::Sockmap,
    ];

    /// The type of that number.
    pub fn from_number(number: u32) -> Option<LinkType> {
        LinkType::ALL.iter().copied().find(|t| t.number() == number)
    }

    /// Its number.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// bpftool's name.
    pub const fn name(self) -> &'static str {
        match self {
            LinkType::RawTracepoint => "raw_tracepoint",
            LinkType::Tracing => "tracing",
            LinkType::Cgroup => "cgroup",
            LinkType::Iter => "iter",
            LinkType::Netns => "netns",
            LinkType::Xdp => "xdp",
            LinkType::PerfEvent => "perf_event",
            LinkType::KprobeMulti => "kprobe_multi",
            LinkType::StructOps => "struct_ops",
            LinkType::Netfilter => "netfilter",
            LinkType::Tcx => "tcx",
            LinkType::UprobeMulti => "uprobe_multi",
            LinkType::Netkit => "netkit",
            LinkType::Sockmap => "sockmap",
        }
    }

    /// Pointers in the part of this type.
    pub const fn pointers(self) -> &'static [InfoPointer] {
        match self {
            LinkType::RawTracepoint => const { &[bytes("raw_tracepoint.tp_name", 16, 24)] },
            LinkType::Iter => const { &[bytes("iter.target_name", 16, 24)] },
            LinkType::PerfEvent => const { &[bytes("perf_event.uprobe.file_name", 24, 32)] },
            LinkType::KprobeMulti => {
                const { &[u64s("kprobe_multi.addrs", 16, 24), u64s("kprobe_multi.cookies", 40, 24)] }
            }
            LinkType::UprobeMulti => {
                const {
                    &[
                        bytes("uprobe_multi.path", 16, 48),
                        u64s("uprobe_multi.offsets", 24, 52),
                        u64s("uprobe_multi.ref_ctr_offsets", 32, 52),
                        u64s("uprobe_multi.cookies", 40, 52),
                    ]
                }
            }
            _ => &[],
        }
    }
}

const fn bytes(name: &'static str, offset: usize, count: usize) -> InfoPointer {
    InfoPointer { name, offset, count, record: 1, record_at: None }
}

const fn u64s(name: &'static str, offset: usize, count: usize) -> InfoPointer {
    InfoPointer { name, offset, count, record: 8, record_at: None }
}

/// `struct bpf_link_info`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkInfo {
    /// `enum bpf_link_type`.
    pub link_type: u32,
    /// Id.
    pub id: u32,
    /// Id of its program.
    pub prog_id: u32,
    /// What the type adds.
    pub detail: LinkDetail,
}

/// The part of [`LinkInfo`] that depends on the type. Names come in the request's buffers; lengths and counts here are
/// what there is, not what fitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the ABI's, named as in struct bpf_link_info")]
pub enum LinkDetail {
    /// Nothing, or a type that is not known here.
    #[default]
    None,
    RawTracepoint {
        tp_name_len: u32,
        cookie: u64,
    },
    Tracing {
        attach_type: u32,
        target_obj_id: u32,
        target_btf_id: u32,
        cookie: u64,
    },
    Cgroup {
        cgroup_id: u64,
        attach_type: u32,
    },
    /// A task iterator has its `tid` and `pid` in the low and high half of `cgroup_id`.
    Iter {
        target_name_len: u32,
        map_id: u32,
        cgroup_id: u64,
        order: u32,
    },
    Netns {
        netns_ino: u32,
        attach_type: u32,
    },
    Xdp {
        ifindex: u32,
    },
    StructOps {
        map_id: u32,
    },
    Netfilter {
        pf: u32,
        hooknum: u32,
        priority: i32,
        flags: u32,
    },
    KprobeMulti {
        count: u32,
        flags: u32,
        missed: u64,
    },
    UprobeMulti {
        path_size: u32,
        count: u32,
        flags: u32,
        pid: u32,
    },
    PerfEvent(PerfEventDetail),
    Tcx {
        ifindex: u32,
        attach_type: u32,
    },
    Netkit {
        ifindex: u32,
        attach_type: u32,
    },
    Sockmap {
        map_id: u32,
        attach_type: u32,
    },
}

/// What a perf-event link is attached to (`enum bpf_perf_event_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the ABI's, named as in struct bpf_link_info")]
pub enum PerfEventDetail {
    /// A kind that is not known here.
    Other { event_type: u32 },
    /// 1 uprobe, 2 uretprobe.
    Uprobe { returns: bool, name_len: u32, offset: u32, cookie: u64, ref_ctr_offset: u64 },
    /// 3 kprobe, 4 kretprobe.
    Kprobe { returns: bool, name_len: u32, offset: u32, addr: u64, missed: u64, cookie: u64 },
    /// 5 tracepoint.
    Tracepoint { name_len: u32, cookie: u64 },
    /// 6 hardware or software event.
    Event { config: u64, event_type: u32, cookie: u64 },
}

impl LinkInfo {
    /// Bytes of the ABI struct in Linux 6.18.
    pub const SIZE: usize = 64;

    /// Reads the struct; bytes beyond the end of a shorter (older) one are zero.
    pub fn from_bytes(bytes: &[u8]) -> LinkInfo {
        let link_type = u32_at(bytes, 0);
        LinkInfo {
            link_type,
            id: u32_at(bytes, 4),
            prog_id: u32_at(bytes, 8),
            detail: LinkType::from_number(link_type).map_or(LinkDetail::None, |t| read_detail(t, bytes)),
        }
    }

    /// Writes the struct with null pointers.
    pub fn to_bytes(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        put(&mut bytes, 0, &self.link_type.to_ne_bytes());
        put(&mut bytes, 4, &self.id.to_ne_bytes());
        put(&mut bytes, 8, &self.prog_id.to_ne_bytes());
        write_detail(&self.detail, &mut bytes);
        bytes
    }
}

fn read_detail(link_type: LinkType, bytes: &[u8]) -> LinkDetail {
    let n = |offset| u32_at(bytes, offset);
    let w = |offset| u64_at(bytes, offset);
    match link_type {
        LinkType::RawTracepoint => LinkDetail::RawTracepoint { tp_name_len: n(24), cookie: w(32) },
        LinkType::Tracing => {
            LinkDetail::Tracing { attach_type: n(16), target_obj_id: n(20), target_btf_id: n(24), cookie: w(32) }
        }
        LinkType::Cgroup => LinkDetail::Cgroup { cgroup_id: w(16), attach_type: n(24) },
        LinkType::Iter => LinkDetail::Iter { target_name_len: n(24), map_id: n(28), cgroup_id: w(32), order: n(40) },
        LinkType::Netns => LinkDetail::Netns { netns_ino: n(16), attach_type: n(20) },
        LinkType::Xdp => LinkDetail::Xdp { ifindex: n(16) },
        LinkType::StructOps => LinkDetail::StructOps { map_id: n(16) },
        LinkType::Netfilter => {
            LinkDetail::Netfilter { pf: n(16), hooknum: n(20), priority: n(24).cast_signed(), flags: n(28) }
        }
        LinkType::KprobeMulti => LinkDetail::KprobeMulti { count: n(24), flags: n(28), missed: w(32) },
        LinkType::UprobeMulti => LinkDetail::UprobeMulti { path_size: n(48), count: n(52), flags: n(56), pid: n(60) },
        LinkType::PerfEvent => LinkDetail::PerfEvent(read_perf_event(bytes)),
        LinkType::Tcx => LinkDetail::Tcx { ifindex: n(16), attach_type: n(20) },
        LinkType::Netkit => LinkDetail::Netkit { ifindex: n(16), attach_type: n(20) },
        LinkType::Sockmap => LinkDetail::Sockmap { map_id: n(16), attach_type: n(20) },
    }
}

fn read_perf_event(bytes: &[u8]) -> PerfEventDetail {
    let n = |offset| u32_at(bytes, offset);
    let w = |offset| u64_at(bytes, offset);
    match n(16) {
        kind @ (1 | 2) => PerfEventDetail::Uprobe {
            returns: kind == 2,
            name_len: n(32),
            offset: n(36),
            cookie: w(40),
            ref_ctr_offset: w(48),
        },
        kind @ (3 | 4) => PerfEventDetail::Kprobe {
            returns: kind == 4,
            name_len: n(32),
            offset: n(36),
            addr: w(40),
            missed: w(48),
            cookie: w(56),
        },
        5 => PerfEventDetail::Tracepoint { name_len: n(32), cookie: w(40) },
        6 => PerfEventDetail::Event { config: w(24), event_type: n(32), cookie: w(40) },
        event_type => PerfEventDetail::Other { event_type },
    }
}

/// Writes numbers, each with its offset.
macro_rules! put_numbers {
    ($bytes:ident, $($value:expr => $offset:literal),*) => {{ $(put($bytes, $offset, &$value.to_ne_bytes());)* }};
}

fn write_detail(detail: &LinkDetail, b: &mut [u8]) {
    match *detail {
        LinkDetail::None => {}
        LinkDetail::RawTracepoint { tp_name_len, cookie } => put_numbers!(b, tp_name_len => 24, cookie => 32),
        LinkDetail::Tracing { attach_type, target_obj_id, target_btf_id, cookie } => {
            put_numbers!(b, attach_type => 16, target_obj_id => 20, target_btf_id => 24, cookie => 32);
        }
        LinkDetail::Cgroup { cgroup_id, attach_type } => put_numbers!(b, cgroup_id => 16, attach_type => 24),
        LinkDetail::Iter { target_name_len, map_id, cgroup_id, order } => {
            put_numbers!(b, target_name_len => 24, map_id => 28, cgroup_id => 32, order => 40);
        }
        LinkDetail::Netns { netns_ino: first, attach_type }
        | LinkDetail::Tcx { ifindex: first, attach_type }
        | LinkDetail::Netkit { ifindex: first, attach_type }
        | LinkDetail::Sockmap { map_id: first, attach_type } => put_numbers!(b, first => 16, attach_type => 20),
        LinkDetail::Xdp { ifindex: only } | LinkDetail::StructOps { map_id: only } => put_numbers!(b, only => 16),
        LinkDetail::Netfilter { pf, hooknum, priority, flags } => {
            put_numbers!(b, pf => 16, hooknum => 20, priority => 24, flags => 28);
        }
        LinkDetail::KprobeMulti { count, flags, missed } => put_numbers!(b, count => 24, flags => 28, missed => 32),
        LinkDetail::UprobeMulti { path_size, count, flags, pid } => {
            put_numbers!(b, path_size => 48, count => 52, flags => 56, pid => 60);
        }
        LinkDetail::PerfEvent(event) => write_perf_event(event, b),
    }
}

fn write_perf_event(event: PerfEventDetail, b: &mut [u8]) {
    match event {
        PerfEventDetail::Other { event_type } => put_numbers!(b, event_type => 16),
        PerfEventDetail::Uprobe { returns, name_len, offset, cookie, ref_ctr_offset } => {
            let kind = 1 + u32::from(returns);
            put_numbers!(b, kind => 16, name_len => 32, offset => 36, cookie => 40, ref_ctr_offset => 48);
        }
        PerfEventDetail::Kprobe { returns, name_len, offset, addr, missed, cookie } => {
            let kind = 3 + u32::from(returns);
            put_numbers!(b, kind => 16, name_len => 32, offset => 36, addr => 40, missed => 48, cookie => 56);
        }
        PerfEventDetail::Tracepoint { name_len, cookie } => {
            put_numbers!(b, 5u32 => 16, name_len => 32, cookie => 40);
        }
        PerfEventDetail::Event { config, event_type, cookie } => {
            put_numbers!(b, 6u32 => 16, config => 24, event_type => 32, cookie => 40);
        }
    }
}
