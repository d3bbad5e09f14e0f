//! Commands on links.

use super::layout::{
    ATTR_SIZE, Addresses, Attr, AttrField, Buffers, CommandAttr, FieldKind, FieldSpec, Length, array_at, command,
    u32_at, u64_at,
};
use crate::attach_type::AttachType;
use std::ffi::CStr;

command! {
    /// `BPF_RAW_TRACEPOINT_OPEN`: attaches to a raw tracepoint, or to the BTF target the program was loaded for.
    RawTracepointOpen<'a>, len 24 {
        /// Tracepoint; none for programs that know their target from loading.
        name: Option<&'a CStr> = "raw_tracepoint.name" @ 0, Text(128);
        /// Program.
        prog_fd: i32 = "raw_tracepoint.prog_fd" @ 8, Scalar(4);
        /// What `bpf_get_attach_cookie` gives.
        cookie: u64 = "raw_tracepoint.cookie" @ 16, Scalar(8);
    }
}

command! {
    /// `BPF_LINK_UPDATE`: puts another program (or `struct_ops` map) into a link.
    LinkUpdate, len 16 {
        /// Link.
        link_fd: i32 = "link_update.link_fd" @ 0, Scalar(4);
        /// Program or map.
        new_fd: i32 = "link_update.new_prog_fd" @ 4, Scalar(4);
        /// `BPF_F_REPLACE` (4): only if the old one is `old_fd`.
        flags: u32 = "link_update.flags" @ 8, Scalar(4);
        /// What is expected to be there now.
        old_fd: i32 = "link_update.old_prog_fd" @ 12, Scalar(4);
    }
}

command! {
    /// `BPF_LINK_DETACH`: detaches although the link stays.
    LinkDetach, len 4 {
        /// Link.
        link_fd: i32 = "link_detach.link_fd" @ 0, Scalar(4);
    }
}

command! {
    /// `BPF_LINK_GET_NEXT_ID`: the smallest link id above the given one.
    LinkGetNextId, len 8 {
        /// Id to go on from.
        start_id: u32 = "start_id" @ 0, Scalar(4);
    }
    replies { "next_id" @ 4, 4; }
}

command! {
    /// `BPF_LINK_GET_FD_BY_ID`: a descriptor of the link of that id.
    LinkGetFdById, len 4 {
        /// Id.
        link_id: u32 = "link_id" @ 0, Scalar(4);
    }
}

command! {
    /// `BPF_ITER_CREATE`: a descriptor whose reading runs an iterator.
    IterCreate, len 8 {
        /// Link of the iterator program.
        link_fd: i32 = "iter_create.link_fd" @ 0, Scalar(4);
        /// None are defined.
        flags: u32 = "iter_create.flags" @ 4, Scalar(4);
    }
}

/// `BPF_LINK_CREATE`: attaches a program and gives a descriptor of the attachment.
#[derive(Debug, Default)]
pub struct LinkCreate<'a> {
    /// Program, or the map of a `struct_ops`.
    pub prog_fd: i32,
    /// Cgroup, network namespace, perf event or program; or interface index.
    pub target: u32,
    /// `enum bpf_attach_type`.
    pub attach_type: u32,
    /// Flags of the hook: `XDP_FLAGS_*`, [`super::AttachFlags`].
    pub flags: u32,
    /// What the hook wants beside.
    pub options: LinkOptions<'a>,
}

/// The part of `LINK_CREATE` that depends on the hook.
#[derive(Debug, Default)]
pub enum LinkOptions<'a> {
    /// Nothing (all zero).
    #[default]
    None,
    /// Place in a list of programs (tcx, netkit, cgroups). Also what a `freplace` attachment decodes to, since its
    /// attach type is 0 like that of a cgroup: see [`LinkOptions::tracing`].
    Anchor {
        /// Program or link to stand beside: descriptor or id.
        relative: u32,
        /// Fail unless the hook's revision is this one; 0 for any.
        expected_revision: u64,
    },
    /// fentry, fexit, fmod_ret, LSM, tp_btf, freplace.
    Tracing {
        /// Function in the target program's BTF; 0 as loaded.
        target_btf_id: u32,
        /// What `bpf_get_attach_cookie` gives.
        cookie: u64,
    },
    /// What an iterator goes over.
    Iter {
        /// A `union bpf_iter_link_info`.
        info: &'a [u8],
    },
    /// Perf event: kprobe, uprobe, tracepoint, sample.
    PerfEvent {
        /// What `bpf_get_attach_cookie` gives.
        cookie: u64,
    },
    /// Many kernel functions at once.
    KprobeMulti {
        /// 1: at the return.
        flags: u32,
        /// How many functions.
        count: u32,
        /// Names; or none, with `addrs`.
        symbols: Symbols<'a>,
        /// Addresses (`u64`).
        addrs: &'a [u8],
        /// A cookie (`u64`) for each, or none.
        cookies: &'a [u8],
    },
    /// Many places of one binary at once.
    UprobeMulti {
        /// The binary.
        path: Option<&'a CStr>,
        /// File offsets (`u64`).
        offsets: &'a [u8],
        /// Offsets of the semaphores (`u64`), or none.
        ref_ctr_offsets: &'a [u8],
        /// A cookie (`u64`) for each, or none.
        cookies: &'a [u8],
        /// How many.
        count: u32,
        /// 1: at the return.
        flags: u32,
        /// Only in this process; 0 for all.
        pid: u32,
    },
    /// Netfilter hook.
    Netfilter {
        /// Protocol family (`NFPROTO_*`).
        pf: u32,
        /// Hook number.
        hooknum: u32,
        /// Order among the hooks.
        priority: i32,
        /// 1: defragment before.
        flags: u32,
    },
}

/// Names of kernel functions, which the ABI wants as an array of pointers.
#[derive(Debug, Default)]
pub enum Symbols<'a> {
    /// None.
    #[default]
    None,
    /// A caller's.
    Given(&'a [&'a CStr]),
    /// Decoded from a client: NUL-terminated, one after the other.
    Packed(&'a [u8]),
}

impl<'a> Symbols<'a> {
    /// The names in order.
    pub fn iter(&self) -> Box<dyn Iterator<Item = &'a CStr> + 'a> {
        match *self {
            Symbols::None => Box::new(std::iter::empty()),
            Symbols::Given(names) => Box::new(names.iter().copied()),
            Symbols::Packed(bytes) => {
                Box::new(bytes.split_inclusive(|b| *b == 0).filter_map(|n| CStr::from_bytes_with_nul(n).ok()))
            }
        }
    }
}

impl LinkOptions<'_> {
    /// Target function and cookie, whichever of the two shapes they were decoded to.
    pub fn tracing(&self) -> Option<(u32, u64)> {
        match *self {
            LinkOptions::None => Some((0, 0)),
            LinkOptions::Tracing { target_btf_id: a, cookie: b }
            | LinkOptions::Anchor { relative: a, expected_revision: b } => Some((a, b)),
            _ => None,
        }
    }
}

/// Shape of the options, which the attach type decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Anchor,
    Tracing,
    Iter,
    PerfEvent,
    KprobeMulti,
    UprobeMulti,
    Netfilter,
}

impl Shape {
    pub(super) const ALL: [Shape; 7] = [
        Shape::Anchor,
        Shape::Tracing,
        Shape::Iter,
        Shape::PerfEvent,
        Shape::KprobeMulti,
        Shape::UprobeMulti,
        Shape::Netfilter,
    ];

    pub(super) fn of(attach_type: u32) -> Shape {
        match AttachType::from_number(attach_type) {
            Some(AttachType::TraceIter) => Shape::Iter,
            Some(AttachType::PerfEvent) => Shape::PerfEvent,
            Some(AttachType::TraceKprobeMulti | AttachType::TraceKprobeSession) => Shape::KprobeMulti,
            Some(AttachType::TraceUprobeMulti | AttachType::TraceUprobeSession) => Shape::UprobeMulti,
            Some(AttachType::Netfilter) => Shape::Netfilter,
            Some(
                AttachType::TraceRawTp
                | AttachType::TraceFentry
                | AttachType::TraceFexit
                | AttachType::ModifyReturn
                | AttachType::LsmMac
                | AttachType::LsmCgroup
                | AttachType::StructOps,
            ) => Shape::Tracing,
            _ => Shape::Anchor,
        }
    }

    pub(super) fn fields(self) -> &'static [FieldSpec] {
        match self {
            Shape::Anchor => ANCHOR,
            Shape::Tracing => TRACING,
            Shape::Iter => ITER,
            Shape::PerfEvent => PERF_EVENT,
            Shape::KprobeMulti => KPROBE_MULTI,
            Shape::UprobeMulti => UPROBE_MULTI,
            Shape::Netfilter => NETFILTER,
        }
    }
}

const fn field(name: &'static str, offset: usize, kind: FieldKind) -> FieldSpec {
    FieldSpec { name, offset, kind }
}

const fn u64s(count: usize) -> FieldKind {
    FieldKind::Input(Length::SameCount { count, record: 8 })
}

const ANCHOR: &[FieldSpec] = &[
    field("link_create.tcx.relative_fd", 16, FieldKind::Scalar(4)),
    field("link_create.tcx.expected_revision", 24, FieldKind::Scalar(8)),
];
const TRACING: &[FieldSpec] = &[
    field("link_create.tracing.target_btf_id", 16, FieldKind::Scalar(4)),
    field("link_create.tracing.cookie", 24, FieldKind::Scalar(8)),
];
const ITER: &[FieldSpec] =
    &[field("link_create.iter_info", 16, FieldKind::Input(Length::Records { count: 24, record: 1 }))];
const PERF_EVENT: &[FieldSpec] = &[field("link_create.perf_event.bpf_cookie", 16, FieldKind::Scalar(8))];
const KPROBE_MULTI: &[FieldSpec] = &[
    field("link_create.kprobe_multi.flags", 16, FieldKind::Scalar(4)),
    field("link_create.kprobe_multi.cnt", 20, FieldKind::Scalar(4)),
    field("link_create.kprobe_multi.syms", 24, FieldKind::Input(Length::Symbols { count: 20 })),
    field("link_create.kprobe_multi.addrs", 32, u64s(20)),
    field("link_create.kprobe_multi.cookies", 40, u64s(20)),
];
const UPROBE_MULTI: &[FieldSpec] = &[
    field("link_create.uprobe_multi.path", 16, FieldKind::Text(4096)),
    field("link_create.uprobe_multi.offsets", 24, u64s(48)),
    field("link_create.uprobe_multi.ref_ctr_offsets", 32, u64s(48)),
    field("link_create.uprobe_multi.cookies", 40, u64s(48)),
    field("link_create.uprobe_multi.cnt", 48, FieldKind::Scalar(4)),
    field("link_create.uprobe_multi.flags", 52, FieldKind::Scalar(4)),
    field("link_create.uprobe_multi.pid", 56, FieldKind::Scalar(4)),
];
const NETFILTER: &[FieldSpec] = &[
    field("link_create.netfilter.pf", 16, FieldKind::Scalar(4)),
    field("link_create.netfilter.hooknum", 20, FieldKind::Scalar(4)),
    field("link_create.netfilter.priority", 24, FieldKind::Scalar(4)),
    field("link_create.netfilter.flags", 28, FieldKind::Scalar(4)),
];

impl<'a> CommandAttr<'a> for LinkCreate<'a> {
    const FIELDS: &'static [FieldSpec] = &[
        field("link_create.prog_fd", 0, FieldKind::Scalar(4)),
        field("link_create.target_fd", 4, FieldKind::Scalar(4)),
        field("link_create.attach_type", 8, FieldKind::Scalar(4)),
        field("link_create.flags", 12, FieldKind::Scalar(4)),
    ];
    const LEN: usize = 60;

    fn encode(&mut self, attr: &mut Attr, addresses: &mut dyn Addresses) {
        attr.put(0, &self.prog_fd.to_ne_bytes());
        attr.put(4, &self.target.to_ne_bytes());
        attr.put(8, &self.attach_type.to_ne_bytes());
        attr.put(12, &self.flags.to_ne_bytes());
        encode_options(&mut self.options, attr, addresses);
    }

    fn decode(attr: &[u8; ATTR_SIZE], buffers: &mut Buffers<'a>) -> Self {
        LinkCreate {
            prog_fd: u32_at(attr, 0).cast_signed(),
            target: u32_at(attr, 4),
            attach_type: u32_at(attr, 8),
            flags: u32_at(attr, 12),
            options: decode_options(attr, buffers),
        }
    }
}

/// Writes the fields of one shape; the slice patterns of the callers pair rows and values.
fn put_all(specs: &[FieldSpec], values: &mut [&mut dyn Put], attr: &mut Attr, addresses: &mut dyn Addresses) {
    for (spec, value) in specs.iter().zip(values) {
        value.put(spec, attr, addresses);
    }
}

/// [`AttrField::encode`] without the lifetime, so that fields can stand in a list.
trait Put {
    fn put(&mut self, spec: &FieldSpec, attr: &mut Attr, addresses: &mut dyn Addresses);
}

impl<'a, T: AttrField<'a>> Put for T {
    fn put(&mut self, spec: &FieldSpec, attr: &mut Attr, addresses: &mut dyn Addresses) {
        self.encode(spec, attr, addresses);
    }
}

fn encode_options(options: &mut LinkOptions<'_>, attr: &mut Attr, addresses: &mut dyn Addresses) {
    match options {
        LinkOptions::None => {}
        LinkOptions::Anchor { relative, expected_revision } => {
            put_all(ANCHOR, &mut [relative, expected_revision], attr, addresses);
        }
        LinkOptions::Tracing { target_btf_id, cookie } => {
            put_all(TRACING, &mut [target_btf_id, cookie], attr, addresses);
        }
        LinkOptions::Iter { info } => put_all(ITER, &mut [info], attr, addresses),
        LinkOptions::PerfEvent { cookie } => put_all(PERF_EVENT, &mut [cookie], attr, addresses),
        LinkOptions::KprobeMulti { flags, count, symbols, addrs, cookies } => {
            put_all(KPROBE_MULTI, &mut [flags, count, symbols, addrs, cookies], attr, addresses);
        }
        LinkOptions::UprobeMulti { path, offsets, ref_ctr_offsets, cookies, count, flags, pid } => {
            let values: &mut [&mut dyn Put] = &mut [path, offsets, ref_ctr_offsets, cookies, count, flags, pid];
            put_all(UPROBE_MULTI, values, attr, addresses);
        }
        LinkOptions::Netfilter { pf, hooknum, priority, flags } => {
            put_all(NETFILTER, &mut [pf, hooknum, priority, flags], attr, addresses);
        }
    }
}

impl<'a> AttrField<'a> for Symbols<'a> {
    fn encode(&mut self, spec: &FieldSpec, attr: &mut Attr, addresses: &mut dyn Addresses) {
        let pointers: Vec<u8> =
            self.iter().flat_map(|name| addresses.input(name.to_bytes_with_nul()).to_ne_bytes()).collect();
        if !pointers.is_empty() {
            attr.second = pointers;
            let address = addresses.input(&attr.second);
            attr.put(spec.offset, &address.to_ne_bytes());
        }
    }

    fn decode(_: &FieldSpec, _: &[u8; ATTR_SIZE], buffers: &mut Buffers<'a>) -> Self {
        match buffers.next() {
            Some(buffer) if buffer.address != 0 => Symbols::Packed(&buffer.bytes),
            _ => Symbols::None,
        }
    }
}

fn decode_options<'a>(attr: &[u8; ATTR_SIZE], buffers: &mut Buffers<'a>) -> LinkOptions<'a> {
    let number = |offset| u32_at(attr, offset);
    let mut bytes = || buffers.next().map_or(&[][..], |b| b.bytes.as_slice());
    match Shape::of(number(8)) {
        Shape::Anchor => LinkOptions::Anchor { relative: number(16), expected_revision: u64_at(attr, 24) },
        Shape::Tracing => LinkOptions::Tracing { target_btf_id: number(16), cookie: u64_at(attr, 24) },
        Shape::Iter => LinkOptions::Iter { info: bytes() },
        Shape::PerfEvent => LinkOptions::PerfEvent { cookie: u64_at(attr, 16) },
        Shape::KprobeMulti => LinkOptions::KprobeMulti {
            flags: number(16),
            count: number(20),
            symbols: AttrField::decode(&KPROBE_MULTI[2], attr, buffers),
            addrs: AttrField::decode(&KPROBE_MULTI[3], attr, buffers),
            cookies: AttrField::decode(&KPROBE_MULTI[4], attr, buffers),
        },
        Shape::UprobeMulti => LinkOptions::UprobeMulti {
            path: AttrField::decode(&UPROBE_MULTI[0], attr, buffers),
            offsets: AttrField::decode(&UPROBE_MULTI[1], attr, buffers),
            ref_ctr_offsets: AttrField::decode(&UPROBE_MULTI[2], attr, buffers),
            cookies: AttrField::decode(&UPROBE_MULTI[3], attr, buffers),
            count: number(48),
            flags: number(52),
            pid: number(56),
        },
        Shape::Netfilter => LinkOptions::Netfilter {
            pf: number(16),
            hooknum: number(20),
            priority: i32::from_ne_bytes(array_at(attr, 24)),
            flags: number(28),
        },
    }
}
