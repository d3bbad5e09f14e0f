//! The helper table: one row per helper of Linux 6.18.
//!
//! A row is all that the verifier, the dispatcher, the disassembler, the generated headers and the documentation know
//! about a helper. Whoever must name a particular helper elsewhere lacks a column here.

mod args;
mod table;

pub use table::{HELPERS, id};

use crate::Version;
use crate::attach_type::AttachType;
use crate::program_type::ProgramType;
use bitflags::bitflags;

/// What an argument must be (Linux: `enum bpf_arg_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArgKind {
    /// A map pointer, known at load time.
    ConstMapPtr,
    /// Pointer to initialised memory of the map's key size.
    MapKey,
    /// Pointer to initialised memory of the map's value size.
    MapValue,
    /// The same or NULL: the initial value of a new storage.
    MapValueOrNull,
    /// Pointer to memory of the map's value size that the helper fills.
    MapValueUninit,
    /// Pointer to memory whose size the next argument gives (`Size` or `SizeOrZero`).
    Mem {
        /// NULL is allowed (with size zero unless `size_or_zero` semantics say otherwise).
        or_null: bool,
        /// What the helper does with it.
        access: MemAccess,
    },
    /// Pointer to memory of this fixed size in bytes.
    FixedMem {
        /// Bytes.
        size: u32,
        /// Must be aligned to its size.
        aligned: bool,
        /// What the helper does with it.
        access: MemAccess,
    },
    /// Size of the memory argument before, at least 1.
    Size,
    /// Size of the memory argument before, may be 0.
    SizeOrZero,
    /// A constant size of memory that the helper allocates and returns (`bpf_ringbuf_reserve`).
    ConstAllocSizeOrZero,
    /// The context.
    Context,
    /// The context or NULL.
    ContextOrNull,
    /// Any initialised value; pointers only for privileged programs.
    Anything,
    /// Pointer to a `struct bpf_spin_lock` in a map value or allocated object.
    SpinLock,
    /// Memory returned by a helper whose return is `AllocMemOrNull` (`bpf_ringbuf_submit`).
    AllocMem,
    /// Pointer to the stack or NULL (callback contexts).
    StackOrNull,
    /// A static function of the program used as callback; its shape is in [`HelperProto::callback`].
    Function,
    /// Pointer to a NUL-terminated constant string in a read-only map.
    ConstString,
    /// Pointer to a `struct bpf_timer` in a map value.
    Timer,
    /// Pointer to a kptr field in a map value.
    Kptr,
    /// `bpf_sock`-like pointer (`PTR_TO_SOCK_COMMON` and its kinds).
    SockCommon,
    /// Pointer to a socket of any kind, also by BTF (`struct sock`).
    BtfSockCommon,
    /// The same or NULL.
    BtfSockCommonOrNull,
    /// Pointer to a full socket.
    Socket,
    /// The same or NULL.
    SocketOrNull,
    /// A `PTR_TO_BTF_ID` of the named kernel struct.
    BtfPtr {
        /// Kernel struct name, such as `task_struct`.
        name: &'static str,
        /// NULL is allowed.
        or_null: bool,
    },
    /// A pointer that `bpf_kptr_xchg` may move into a map: an owned BTF pointer, or NULL.
    OwnedBtfPtrOrNull,
    /// Pointer to a per-CPU kernel variable (`.ksyms`).
    PerCpuBtfPtr,
    /// A dynptr on the stack.
    Dynptr {
        /// Uninitialised: the helper creates it.
        uninit: bool,
        /// Read-only access suffices.
        read_only: bool,
        /// Which kind it creates or needs; `None` is any.
        kind: Option<DynptrKind>,
    },
}

/// What a helper does with memory handed to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemAccess {
    /// Reads it: all bytes must be initialised.
    Read,
    /// Fills it: need not be initialised, becomes initialised.
    Write,
    /// Reads and writes.
    ReadWrite,
}

/// What a dynptr stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DynptrKind {
    /// Memory of the program.
    Local,
    /// A ring-buffer record.
    Ringbuf,
    /// A socket buffer.
    Skb,
    /// The metadata of a socket buffer.
    SkbMeta,
    /// An XDP packet.
    Xdp,
}

impl DynptrKind {
    /// Linux's name in logs.
    pub const fn name(self) -> &'static str {
        match self {
            DynptrKind::Local => "local",
            DynptrKind::Ringbuf => "ringbuf",
            DynptrKind::Skb => "skb",
            DynptrKind::SkbMeta => "skb_meta",
            DynptrKind::Xdp => "xdp",
        }
    }

    /// Whether it must be given back.
    pub const fn is_referenced(self) -> bool {
        matches!(self, DynptrKind::Ringbuf)
    }

    /// Whether it stands on a packet, whose bytes may move.
    pub const fn is_packet(self) -> bool {
        matches!(self, DynptrKind::Skb | DynptrKind::SkbMeta | DynptrKind::Xdp)
    }

    /// Whether writing through it may move the packet: a socket buffer that is shared is copied first.
    pub const fn moves_when_written(self) -> bool {
        matches!(self, DynptrKind::Skb | DynptrKind::SkbMeta)
    }
}

/// What a helper leaves in r0 (Linux: `enum bpf_return_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReturnKind {
    /// Any number.
    Integer,
    /// Nothing: r0 is unreadable.
    Void,
    /// Pointer to the value of the map argument, or NULL. Of an inner map where the map is a map of maps.
    MapValueOrNull,
    /// Pointer to the value of the map argument, never NULL (`bpf_get_local_storage`).
    MapValue,
    /// `struct bpf_sock` or NULL.
    SocketOrNull,
    /// `struct bpf_tcp_sock` or NULL.
    TcpSockOrNull,
    /// `struct bpf_sock_common` or NULL.
    SockCommonOrNull,
    /// Memory of the `ConstAllocSizeOrZero` argument, or NULL, to be released.
    AllocMemOrNull,
    /// Memory of the size of a constant argument, or NULL, not owned (`bpf_dynptr_data`).
    DynptrMemOrNull,
    /// BTF pointer to the named kernel struct.
    BtfPtr {
        /// Kernel struct name.
        name: &'static str,
        /// May be NULL.
        or_null: bool,
        /// Trusted (`bpf_get_current_task_btf`).
        trusted: bool,
    },
    /// What was in a kptr field: BTF pointer of the field's type or NULL.
    KptrOrNull,
    /// Memory of the type of the per-CPU variable argument; or NULL where `or_null`.
    PerCpuMem {
        /// May be NULL.
        or_null: bool,
    },
}

bitflags! {
    /// Effects and requirements that are not visible in the arguments.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct HelperFlags: u32 {
        /// Only programs under a GPL-compatible licence may call it.
        const GPL_ONLY = 1 << 0;
        /// May sleep: only in sleepable programs, outside of RCU read sections and locks.
        const MIGHT_SLEEP = 1 << 1;
        /// May move packet data: packet pointers become invalid.
        const CHANGES_PACKET = 1 << 2;
        /// Returns a reference that must be released.
        const ACQUIRES = 1 << 3;
        /// Releases the reference in the argument of `release_arg`.
        const RELEASES = 1 << 4;
        /// Packet pointers may be passed as memory.
        const PACKET_ACCESS = 1 << 5;
        /// Its call is a tail call: it does not return when it succeeds.
        const TAIL_CALL = 1 << 6;
        /// Takes a spin lock.
        const LOCKS = 1 << 7;
        /// Releases a spin lock.
        const UNLOCKS = 1 << 8;
        /// Allowed while a spin lock is held.
        const ALLOWED_IN_LOCK = 1 << 9;
        /// Its callback runs later, in another context (timers).
        const ASYNC_CALLBACK = 1 << 10;
        /// The callback may run many times: explored until its state converges.
        const CALLBACK_LOOPS = 1 << 11;
        /// Only programs loaded with CAP_BPF (`bpf_base_func_proto` after the capability check).
        const NEEDS_CAP_BPF = 1 << 12;
        /// Only programs loaded with CAP_PERFMON.
        const NEEDS_CAP_PERFMON = 1 << 13;
        /// The result is a length or index bounded by the `Size` argument, or a negative errno (`bpf_get_stack`, probe_read_str).
        const RETURN_BOUNDED_BY_SIZE = 1 << 14;
        /// Reads or writes map elements: counts as a map access for map-compatibility checks.
        const MAP_ACCESS = 1 << 15;
        /// The engine may inline it, the verifier may replace it.
        const INLINE = 1 << 16;
        /// Leaves r1 to r5 alone where the program follows the `bpf_fastcall` convention.
        const FASTCALL = 1 << 17;
        /// Its second argument is reserved and must be the constant 0 (`bpf_get_local_storage`).
        const FLAGS_MUST_BE_ZERO = 1 << 18;
        /// Its first argument limits how often the callback runs (`bpf_loop`).
        const CALLBACK_COUNT_IN_R1 = 1 << 19;
        /// The result is the object of the first argument as another type, and lives as long.
        const CASTS = 1 << 20;
        /// Writes through its dynptr: packet pointers become invalid if that moves the packet.
        const WRITES_DYNPTR = 1 << 21;
        /// Its memory argument must be in a map value, which outlives the program's run (`bpf_dynptr_from_mem`).
        const MEMORY_OF_MAP = 1 << 22;
        /// The result is the number of a CPU.
        const RETURNS_CPU = 1 << 23;
        /// Its constant string is a format for the values whose size is the last argument, checked at load.
        const CHECKS_FORMAT = 1 << 24;
    }
}

/// The kernel's set of CPUs, with a bit for each that it was built for.
pub const CPU_SET_STRUCT: &str = "cpumask";

/// What a callback argument of a helper is called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Callback {
    /// Arguments r1 to r5 as seen by the callback.
    pub args: &'static [CallbackArg],
    /// Range of values it may return.
    pub returns: (i64, i64),
}

/// One argument of a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallbackArg {
    /// The map pointer given to the helper.
    MapPtr,
    /// Pointer to the key of the current element.
    MapKey,
    /// Pointer to the value of the current element.
    MapValue,
    /// What was passed to the helper in that argument (1 to 5).
    HelperArg(u8),
    /// An unknown number.
    Number,
    /// BTF pointer to the named kernel struct.
    BtfPtr(&'static str),
    /// A local dynptr handed in by the kernel (`bpf_user_ringbuf_drain`).
    Dynptr,
}

/// Arguments that a helper has in some program types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HelperVariant {
    /// Those types.
    pub program_types: &'static [ProgramType],
    /// Arguments there.
    pub args: &'static [ArgKind],
}

/// One helper.
#[derive(Clone, Copy, Debug)]
pub struct HelperProto {
    /// Number in the `call` instruction (`BPF_FUNC_*`).
    pub id: u32,
    /// Name without `BPF_FUNC_` and without `bpf_`: `map_lookup_elem`.
    pub name: &'static str,
    /// C prototype of the generated header, with the name as `bpf_…`: `void *bpf_map_lookup_elem(void *map, const void *key)`.
    pub prototype: &'static str,
    /// Arguments r1 … in order.
    pub args: &'static [ArgKind],
    /// r0 afterwards.
    pub ret: ReturnKind,
    /// Effects and requirements.
    pub flags: HelperFlags,
    /// Argument (1 to 5) whose reference is released, 0 for none.
    pub release_arg: u8,
    /// Shape of the callback argument, if it has one.
    pub callback: Option<Callback>,
    /// Program types in which its arguments are others.
    pub variants: &'static [HelperVariant],
    /// First Linux release that has it.
    pub since: Version,
    /// One line about what it does.
    pub doc: &'static str,
}

impl HelperProto {
    /// Its arguments in programs of that type.
    pub fn args_in(&self, program_type: ProgramType) -> &'static [ArgKind] {
        self.variants.iter().find(|v| v.program_types.contains(&program_type)).map_or(self.args, |v| v.args)
    }
}

/// The helper of that number.
pub fn by_id(id: u32) -> Option<&'static HelperProto> {
    HELPERS.get((id as usize).checked_sub(1)?)
}

/// The helper of that name, with or without `bpf_`.
pub fn by_name(name: &str) -> Option<&'static HelperProto> {
    let name = name.strip_prefix("bpf_").unwrap_or(name);
    HELPERS.iter().find(|h| h.name == name)
}

/// Whether programs of that type may call the helper of that number, when loaded with all capabilities. `attach_type`
/// is the expected attach type of loading; `None` is none.
pub fn helper_available(program_type: ProgramType, attach_type: Option<AttachType>, id: u32) -> bool {
    by_id(id).is_some_and(|helper| program_type.info().has_helper(attach_type, helper.name))
}
