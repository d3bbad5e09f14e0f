//! `BPF_OBJ_GET_INFO_BY_FD` with the struct that the descriptor's kind calls for.

use super::info::{BtfInfo, InfoPointer, MapInfo, ProgramInfo, TokenInfo};
use super::layout::{Addresses, Attr, FieldKind, FieldSpec, put};
use super::link_info::{LinkInfo, LinkType};

/// What a BPF descriptor stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// A program.
    Program,
    /// A map.
    Map,
    /// BTF.
    Btf,
    /// A link.
    Link,
    /// A token.
    Token,
}

/// `BPF_OBJ_GET_INFO_BY_FD`: describes an object.
#[derive(Debug)]
pub struct ObjGetInfoByFd<'a> {
    /// Program, map, BTF, link or token.
    pub bpf_fd: i32,
    /// Which struct to fill. One that does not fit the descriptor is `EINVAL`.
    pub info: InfoRequest<'a>,
}

/// The struct to fill and buffers for what it points to. A kernel writes as much as there is room for, and leaves the
/// true number in the struct.
#[derive(Debug)]
#[allow(missing_docs, reason = "`info` is the struct to fill")]
pub enum InfoRequest<'a> {
    /// A program.
    Program { info: &'a mut ProgramInfo, buffers: ProgramBuffers<'a> },
    /// A map.
    Map { info: &'a mut MapInfo, hash: &'a mut [u8] },
    /// BTF: its bytes, and its name with NUL.
    Btf { info: &'a mut BtfInfo, btf: &'a mut [u8], name: &'a mut [u8] },
    /// A link. Buffers are only for the link type that `buffers` names.
    Link { info: &'a mut LinkInfo, buffers: LinkBuffers<'a> },
    /// A token.
    Token { info: &'a mut TokenInfo },
}

/// Buffers of a program's info. Numbers in them are in the machine's byte order.
#[derive(Debug, Default)]
pub struct ProgramBuffers<'a> {
    /// Machine code.
    pub jited_prog_insns: &'a mut [u8],
    /// Instructions after rewriting.
    pub xlated_prog_insns: &'a mut [u8],
    /// Map ids, `u32`.
    pub map_ids: &'a mut [u8],
    /// Address of each function, `u64`.
    pub jited_ksyms: &'a mut [u8],
    /// Bytes of machine code of each function, `u32`.
    pub jited_func_lens: &'a mut [u8],
    /// `struct bpf_func_info`, 8 bytes.
    pub func_info: &'a mut [u8],
    /// `struct bpf_line_info`, 16 bytes.
    pub line_info: &'a mut [u8],
    /// Address of each line, `u64`.
    pub jited_line_info: &'a mut [u8],
    /// Tag of each function, 8 bytes.
    pub prog_tags: &'a mut [u8],
}

/// Buffers of a link's info.
#[derive(Debug, Default)]
pub enum LinkBuffers<'a> {
    /// None.
    #[default]
    None,
    /// The name (tracepoint, iterator target, function or file of a perf event) with NUL, of a link of this type.
    Name(LinkType, &'a mut [u8]),
    /// Of many kprobes.
    KprobeMulti {
        /// Addresses, `u64`.
        addrs: &'a mut [u8],
        /// Cookies, `u64`.
        cookies: &'a mut [u8],
    },
    /// Of many uprobes.
    UprobeMulti {
        /// Path with NUL.
        path: &'a mut [u8],
        /// Offsets, `u64`.
        offsets: &'a mut [u8],
        /// Offsets of semaphores, `u64`.
        ref_ctr_offsets: &'a mut [u8],
        /// Cookies, `u64`.
        cookies: &'a mut [u8],
    },
}

impl LinkBuffers<'_> {
    /// The type of link these are for.
    pub fn link_type(&self) -> Option<LinkType> {
        match self {
            LinkBuffers::None => None,
            LinkBuffers::Name(link_type, _) => Some(*link_type),
            LinkBuffers::KprobeMulti { .. } => Some(LinkType::KprobeMulti),
            LinkBuffers::UprobeMulti { .. } => Some(LinkType::UprobeMulti),
        }
    }
}

const fn pointer(
    name: &'static str,
    offset: usize,
    count: usize,
    record: usize,
    record_at: Option<usize>,
) -> InfoPointer {
    InfoPointer { name, offset, count, record, record_at }
}

/// Pointers of `struct bpf_prog_info`, in the order of [`ProgramBuffers`].
pub const PROGRAM_POINTERS: &[InfoPointer] = &[
    pointer("jited_prog_insns", 24, 16, 1, None),
    pointer("xlated_prog_insns", 32, 20, 1, None),
    pointer("map_ids", 56, 52, 4, None),
    pointer("jited_ksyms", 112, 104, 8, None),
    pointer("jited_func_lens", 120, 108, 4, None),
    pointer("func_info", 136, 144, 8, Some(132)),
    pointer("line_info", 152, 148, 16, Some(172)),
    pointer("jited_line_info", 160, 168, 8, Some(176)),
    pointer("prog_tags", 184, 180, 8, None),
];

/// Pointers of `struct bpf_map_info`.
pub const MAP_POINTERS: &[InfoPointer] = &[pointer("hash", 88, 96, 1, None)];

/// Pointers of `struct bpf_btf_info`.
pub const BTF_POINTERS: &[InfoPointer] = &[pointer("btf", 0, 8, 1, None), pointer("name", 16, 24, 1, None)];

impl InfoRequest<'_> {
    /// Which kind of object it is for.
    pub fn kind(&self) -> ObjectKind {
        match self {
            InfoRequest::Program { .. } => ObjectKind::Program,
            InfoRequest::Map { .. } => ObjectKind::Map,
            InfoRequest::Btf { .. } => ObjectKind::Btf,
            InfoRequest::Link { .. } => ObjectKind::Link,
            InfoRequest::Token { .. } => ObjectKind::Token,
        }
    }

    /// Size of its struct.
    fn size(&self) -> usize {
        match self {
            InfoRequest::Program { .. } => ProgramInfo::SIZE,
            InfoRequest::Map { .. } => MapInfo::SIZE,
            InfoRequest::Btf { .. } => BtfInfo::SIZE,
            InfoRequest::Link { .. } => LinkInfo::SIZE,
            InfoRequest::Token { .. } => TokenInfo::SIZE,
        }
    }

    /// Its buffers beside the rows that say where their addresses stand.
    fn pointers(&mut self) -> Vec<(&'static InfoPointer, &mut [u8])> {
        match self {
            InfoRequest::Program { buffers: b, .. } => {
                let buffers = [
                    &mut *b.jited_prog_insns,
                    b.xlated_prog_insns,
                    b.map_ids,
                    b.jited_ksyms,
                    b.jited_func_lens,
                    b.func_info,
                    b.line_info,
                    b.jited_line_info,
                    b.prog_tags,
                ];
                PROGRAM_POINTERS.iter().zip(buffers).collect()
            }
            InfoRequest::Map { hash, .. } => MAP_POINTERS.iter().zip([&mut **hash]).collect(),
            InfoRequest::Btf { btf, name, .. } => BTF_POINTERS.iter().zip([&mut **btf, name]).collect(),
            InfoRequest::Link { buffers, .. } => {
                let rows = buffers.link_type().map_or(&[][..], LinkType::pointers);
                let buffers: Vec<&mut [u8]> = match buffers {
                    LinkBuffers::None => Vec::new(),
                    LinkBuffers::Name(_, name) => vec![name],
                    LinkBuffers::KprobeMulti { addrs, cookies } => vec![addrs, cookies],
                    LinkBuffers::UprobeMulti { path, offsets, ref_ctr_offsets, cookies } => {
                        vec![path, offsets, ref_ctr_offsets, cookies]
                    }
                };
                rows.iter().zip(buffers).collect()
            }
            InfoRequest::Token { .. } => Vec::new(),
        }
    }

    /// Takes over what the kernel wrote.
    fn read(&mut self, bytes: &[u8]) {
        match self {
            InfoRequest::Program { info, .. } => **info = ProgramInfo::from_bytes(bytes),
            InfoRequest::Map { info, .. } => **info = MapInfo::from_bytes(bytes),
            InfoRequest::Btf { info, .. } => **info = BtfInfo::from_bytes(bytes),
            InfoRequest::Link { info, .. } => **info = LinkInfo::from_bytes(bytes),
            InfoRequest::Token { info } => **info = TokenInfo::from_bytes(bytes),
        }
    }

    /// The struct as the kernel would write it, with null pointers.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            InfoRequest::Program { info, .. } => info.to_bytes().to_vec(),
            InfoRequest::Map { info, .. } => info.to_bytes().to_vec(),
            InfoRequest::Btf { info, .. } => info.to_bytes().to_vec(),
            InfoRequest::Link { info, .. } => info.to_bytes().to_vec(),
            InfoRequest::Token { info } => info.to_bytes().to_vec(),
        }
    }
}

impl ObjGetInfoByFd<'_> {
    pub(super) const FIELDS: &'static [FieldSpec] = &[
        FieldSpec { name: "info.bpf_fd", offset: 0, kind: FieldKind::Scalar(4) },
        FieldSpec { name: "info.info_len", offset: 4, kind: FieldKind::Scalar(4) },
        FieldSpec { name: "info.info", offset: 8, kind: FieldKind::Scalar(8) },
    ];
    pub(super) const LEN: usize = 16;

    pub(super) fn encode(&mut self, attr: &mut Attr, addresses: &mut dyn Addresses) {
        let mut bytes = vec![0; self.info.size()];
        for (row, buffer) in self.info.pointers() {
            if buffer.is_empty() {
                continue;
            }
            let count = u32::try_from(buffer.len() / row.record).unwrap_or(u32::MAX);
            put(&mut bytes, row.count, &count.to_ne_bytes());
            put(&mut bytes, row.offset, &addresses.output(buffer).to_ne_bytes());
            if let Some(at) = row.record_at {
                put(&mut bytes, at, &u32::try_from(row.record).unwrap_or(0).to_ne_bytes());
            }
        }
        attr.second = bytes;
        let len = u32::try_from(attr.second.len()).unwrap_or(0);
        let address = addresses.output(&mut attr.second);
        attr.put(0, &self.bpf_fd.to_ne_bytes());
        attr.put(4, &len.to_ne_bytes());
        attr.put(8, &address.to_ne_bytes());
    }

    pub(super) fn finish(&mut self, attr: &Attr) {
        self.info.read(&attr.second);
    }
}
