//! The program-type table: one file per program type under `program_type/`, one row each.
//!
//! # The context of a running program in Skep
//!
//! In Linux the context that a program sees (`struct xdp_md`, `struct __sk_buff`) is a fiction: the verifier rewrites
//! each access. Skep has one rule for all types: the running context is the ABI struct's bytes, rounded up to eight,
//! followed by one `u64` for each field whose [`FieldKind::is_pointer`] is true and whose ABI size is 4, in table
//! order. The verifier's fix-up turns a load of such a field into a `u64` load from that slot
//! ([`ContextInfo::pointer_slot`]); every other access stays what it is.

use crate::Version;
use crate::attach_type::AttachType;

/// What loading a context field gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldKind {
    /// A number.
    Scalar,
    /// Start of the packet.
    PacketData,
    /// Start of the packet's metadata.
    PacketMeta,
    /// End of the packet.
    PacketEnd,
    /// `struct bpf_sock *`; NULL is possible where `or_null`.
    Socket {
        /// May be NULL.
        or_null: bool,
    },
    /// `struct bpf_sock_common *` or NULL.
    SockCommonOrNull,
    /// Flow keys.
    FlowKeys,
    /// Start of an option value buffer (`bpf_sockopt`), treated as a packet start.
    OptvalData,
    /// Its end.
    OptvalEnd,
    /// BTF pointer to the named kernel struct, or NULL where `or_null`.
    BtfPtr {
        /// Kernel struct.
        name: &'static str,
        /// May be NULL.
        or_null: bool,
    },
    /// May not be touched at all.
    Hole,
}

impl FieldKind {
    /// Whether the loaded value is a pointer.
    pub const fn is_pointer(self) -> bool {
        !matches!(self, FieldKind::Scalar | FieldKind::Hole)
    }
}

/// How a field may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldAccess {
    /// Only read.
    Read,
    /// Read and write.
    ReadWrite,
    /// Only written.
    Write,
}

/// One field of a context.
#[derive(Clone, Copy, Debug)]
pub struct ContextField {
    /// Name in the UAPI header.
    pub name: &'static str,
    /// Byte offset in the ABI struct.
    pub offset: u16,
    /// Size in bytes, whole arrays included (`cb`: 20).
    pub size: u16,
    /// Natural access size: element size of arrays.
    pub element: u8,
    /// What it holds.
    pub kind: FieldKind,
    /// Read, write.
    pub access: FieldAccess,
    /// Loads narrower than `element` are allowed.
    pub narrow: bool,
    /// Stores narrower than `element` are allowed.
    pub narrow_store: bool,
    /// Loads of 8 bytes over an array of 4-byte elements are allowed.
    pub wide: bool,
    /// Only for these attach types; empty is all.
    pub attach_types: &'static [AttachType],
    /// Only for privileged programs.
    pub privileged: bool,
}

/// How the context of a type is given.
#[derive(Clone, Copy, Debug)]
pub enum ContextInfo {
    /// A fixed struct of the UAPI.
    Struct {
        /// C name: `xdp_md`.
        name: &'static str,
        /// Size in bytes.
        size: u16,
        /// Fields in order of offset.
        fields: &'static [ContextField],
    },
    /// `u64` arguments; count known only from BTF or not at all (raw tracepoint: 0 to `max` are readable as numbers).
    Arguments {
        /// How many 8-byte slots may be read.
        max: u16,
        /// Slots may be written (`raw_tracepoint.w` buffers are another thing: this is for the slots).
        writable: bool,
    },
    /// Any byte below the limit may be read as a number (`tracepoint`: 8192, kprobe's `pt_regs`).
    Bytes {
        /// C name: `pt_regs`.
        name: &'static str,
        /// Readable bytes.
        limit: u16,
        /// Accesses must be aligned to their size.
        aligned: bool,
    },
    /// Arguments typed by the BTF of the attach target (fentry, LSM, tp_btf, struct_ops, iterators).
    Btf,
    /// A buffer of the caller's, read and written freely (`syscall`).
    Buffer,
}

impl ContextInfo {
    /// Bytes of the ABI struct, rounded up to eight: where the pointer slots begin.
    pub const fn pointer_slots_offset(&self) -> usize {
        match self {
            ContextInfo::Struct { size, .. } => (*size as usize).next_multiple_of(8),
            _ => 0,
        }
    }

    /// Byte offset, in the running context, of the `u64` that stands for the 4-byte pointer field at ABI offset
    /// `offset`; `None` when that field is not such a pointer.
    pub fn pointer_slot(&self, offset: u16) -> Option<usize> {
        let ContextInfo::Struct { fields, .. } = self else { return None };
        fields
            .iter()
            .filter(|f| f.kind.is_pointer() && f.size == 4)
            .position(|f| f.offset == offset)
            .map(|i| self.pointer_slots_offset() + 8 * i)
    }

    /// Bytes of the running context.
    pub fn running_size(&self) -> usize {
        let ContextInfo::Struct { fields, .. } = self else { return 0 };
        self.pointer_slots_offset() + 8 * fields.iter().filter(|f| f.kind.is_pointer() && f.size == 4).count()
    }
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
}

/// One `SEC()` name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionName {
    /// The part before the first `/` (or `.s` …): `kprobe`, `cgroup/connect4`, `xdp.frags`.
    pub prefix: &'static str,
    /// What may follow.
    pub rest: SectionRest,
    /// Expected attach type it sets.
    pub attach_type: Option<AttachType>,
    /// libbpf sends the expected attach type only if the kernel knows it.
    pub attach_optional: bool,
    /// Sleepable (`.s`).
    pub sleepable: bool,
    /// `BPF_F_XDP_HAS_FRAGS` (`.frags`).
    pub frags: bool,
    /// The attach target is a BTF id of the kernel (fentry, lsm, tp_btf, iter).
    pub attach_btf: bool,
}

/// What follows the prefix of a section name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionRest {
    /// Nothing.
    Exact,
    /// Nothing, or `/` and anything.
    Optional,
    /// `/` and anything.
    Required,
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
    /// Programs may use `LD_ABS` and `LD_IND`.
    pub packet_load: bool,
    /// Helpers that only this kind of program has, by name; with `base_helpers` those of every type.
    pub helpers: &'static [&'static str],
    /// Has `bpf_base_func_proto`'s helpers ([`BASE_HELPERS`]).
    pub base_helpers: bool,
    /// Has the tracing helpers.
    pub tracing_helpers: bool,
    /// What it may return; empty: anything.
    pub returns: &'static [ReturnRange],
    /// May be loaded without CAP_BPF where the kernel allows that at all.
    pub unprivileged: bool,
    /// Sleepable programs of this type exist.
    pub sleepable: bool,
    /// First Linux release that has it.
    pub since: Version,
    /// One line about what it is.
    pub doc: &'static str,
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
