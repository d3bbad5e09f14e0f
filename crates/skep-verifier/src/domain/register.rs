//! What a register or a spilled stack slot holds.

use super::precision::ValueId;
use super::scalar::Scalar;
use super::sections::FlagOwner;
use bitflags::bitflags;
use skep_abi::helper::DynptrKind;
use skep_abi::socket::SocketKind;
use skep_btf::TypeId;

/// A map of the program, or the inner map of one: an index into the verifier's list of maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MapRef(pub u16);

/// A type of objects that the program allocates: an index into the verifier's list of such types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef(pub u16);
/// What a buffer of a size known only later is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BufferKind {
    /// The key or value of an iterator's element.
    Element,
    /// What a writable tracepoint gives.
    Tracepoint,
}

/// What kind of thing a register holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Nothing that may be read.
    Uninitialised,
    /// A number.
    Scalar,
    /// The program's context.
    Context,
    /// A map itself.
    Map(MapRef),
    /// A value of a map.
    MapValue(MapRef),
    /// A key of a map, in a callback.
    MapKey(MapRef),
    /// The stack of the frame of that index.
    Stack(u8),
    /// Packet bytes, of which `range` from the pointer's fixed offset 0 are known to exist.
    Packet {
        /// Bytes known to be there.
        range: u32,
    },
    /// Packet metadata, before the packet.
    PacketMeta {
        /// Bytes known to be there.
        range: u32,
    },
    /// The end of the packet.
    PacketEnd,
    /// The flow dissector's keys.
    FlowKeys,
    /// A socket.
    Socket(SocketKind),
    /// A kernel object described by the kernel's BTF.
    Btf(TypeId),
    /// An object of a type of the program's own.
    Object(ObjectRef),
    /// Memory whose size is checked when the program is attached.
    Buffer(BufferKind),
    /// Memory of that many bytes.
    Memory(u32),
    /// An address in the program's arena: 32 bits that lead nowhere else, whatever they are.
    Arena,
    /// A function of the program.
    Function(u16),
    /// Not in a register: an iterator on the stack, of that type in the kernel's BTF.
    Iterator {
        /// The struct.
        ty: TypeId,
        /// It may have another element.
        active: bool,
    },
    /// Not in a register: a saved interrupt flag on the stack.
    InterruptFlag(FlagOwner),
    /// A dynptr that the kernel or a caller hands in: it may be used, not changed or given back.
    ConstantDynptr(DynptrKind),
    /// Not in a register: half of a dynptr on the stack.
    Dynptr {
        /// What it stands on.
        kind: DynptrKind,
        /// It is the half of lower address.
        first: bool,
    },
}

bitflags! {
    /// What else is known of a pointer.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct PointerFlags: u16 {
        /// May be NULL.
        const NULLABLE = 1 << 0;
        /// May only be read.
        const READ_ONLY = 1 << 1;
        /// A ring-buffer record.
        const RINGBUF = 1 << 2;
        /// Points to a live kernel object.
        const TRUSTED = 1 << 3;
        /// Was reached by walking from another object: may be read, not passed on.
        const UNTRUSTED = 1 << 4;
        /// Lives as long as the RCU read section.
        const RCU = 1 << 5;
        /// Points to user memory.
        const USER = 1 << 6;
        /// A slice of a packet through a dynptr: invalid when the packet moves.
        const PACKET_SLICE = 1 << 7;
        /// Each CPU has one: only helpers turn it into the address of one of them.
        const PER_CPU = 1 << 8;
        /// An object that a list or tree owns: usable while the lock is held.
        const NON_OWNING = 1 << 9;
    }
}

/// How far a number is from the one that its id was given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Distance {
    /// What was added.
    pub added: i32,
    /// It was added to the low half, and the upper half is zero.
    pub narrow: bool,
}

/// A constant distance between linked numbers: two registers of one id differ by the difference of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Link(pub Option<Distance>);

impl Link {
    /// What was added, if something was.
    pub fn added(self) -> i64 {
        self.0.map_or(0, |distance| distance.added.into())
    }

    /// The number that the id was given to, if this one is `value`.
    pub fn first(self, value: u64) -> u64 {
        let first = value.wrapping_sub(self.added().cast_unsigned());
        if self.is_narrow() { u64::from(first as u32) } else { first }
    }

    /// Whether the difference of two links is one between their numbers: what was added to the low half does not add up
    /// with what was added to the whole.
    pub fn comparable(self, other: Link) -> bool {
        !matches!((self.0, other.0), (Some(a), Some(b)) if a.narrow != b.narrow)
    }

    /// Whether it is about the low half.
    pub fn is_narrow(self) -> bool {
        self.0.is_some_and(|distance| distance.narrow)
    }
}

/// A register or spilled slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register {
    /// What it is.
    pub kind: Kind,
    /// More about a pointer.
    pub flags: PointerFlags,
    /// The fixed part of a pointer's offset.
    pub offset: i32,
    /// The number; of a pointer, the variable part of its offset.
    pub value: Scalar,
    /// Identity: equal where two registers hold the same number, or pointers of one origin. 0: none.
    pub id: u32,
    /// For linked numbers, how far this one is from the one the id was given to.
    pub link: Link,
    /// The reference that keeps what it points to alive. 0: none.
    pub reference: u32,
    /// Of a map value or map: which result of an inner-map lookup it belongs to. 0: the map itself. Of memory: the
    /// dynptr it is a slice of. 0: none.
    pub map_identity: u32,
    /// Where its number came from.
    pub origin: ValueId,
}

impl Register {
    /// Nothing.
    pub const UNINITIALISED: Register = Register {
        kind: Kind::Uninitialised,
        flags: PointerFlags::empty(),
        offset: 0,
        value: Scalar::UNKNOWN,
        id: 0,
        link: Link(None),
        reference: 0,
        map_identity: 0,
        origin: ValueId::ROOT,
    };

    /// Any number.
    pub const UNKNOWN: Register = Register { kind: Kind::Scalar, ..Register::UNINITIALISED };

    /// A number.
    pub const fn scalar(value: Scalar) -> Register {
        Register { value, ..Register::UNKNOWN }
    }

    /// A constant.
    pub const fn constant(value: u64) -> Register {
        Register::scalar(Scalar::constant(value))
    }

    /// A pointer at offset zero.
    pub const fn pointer(kind: Kind) -> Register {
        Register { kind, value: Scalar::constant(0), ..Register::UNINITIALISED }
    }

    /// The same with more flags.
    pub const fn with_flags(self, flags: PointerFlags) -> Register {
        Register { flags: self.flags.union(flags), ..self }
    }

    /// Whether it may be read at all.
    pub fn is_initialised(&self) -> bool {
        self.kind != Kind::Uninitialised
    }

    /// Whether it is a number.
    pub fn is_scalar(&self) -> bool {
        self.kind == Kind::Scalar
    }

    /// Whether it is an address.
    pub fn is_pointer(&self) -> bool {
        !matches!(self.kind, Kind::Uninitialised | Kind::Scalar)
    }

    /// Whether it may be NULL.
    pub fn is_nullable(&self) -> bool {
        self.flags.contains(PointerFlags::NULLABLE)
    }

    /// Whether it is the number 0, which serves as NULL.
    pub fn is_null(&self) -> bool {
        self.is_scalar() && self.value.as_constant() == Some(0)
    }

    /// Whether it is a pointer into a packet or its metadata.
    pub fn is_packet(&self) -> bool {
        matches!(self.kind, Kind::Packet { .. } | Kind::PacketMeta { .. })
    }

    /// The map it is, or points into.
    pub fn map(&self) -> Option<MapRef> {
        match self.kind {
            Kind::Map(map) | Kind::MapValue(map) | Kind::MapKey(map) => Some(map),
            _ => None,
        }
    }

    /// Whether it points into an object of the program's own that is there: owned, lent by a list or tree, or kept by
    /// RCU. What was read from a field outside of a read section is only an address.
    pub fn is_allocated(&self) -> bool {
        let kept_for_each_cpu = self.flags.contains(PointerFlags::PER_CPU | PointerFlags::RCU);
        matches!(self.kind, Kind::Object(_)) && !self.flags.contains(PointerFlags::UNTRUSTED) && !kept_for_each_cpu
    }

    /// Whether what it points to certainly is there: owned, vouched for by the kernel, or lent by a list or tree.
    pub fn is_trusted(&self) -> bool {
        let vouched = match self.kind {
            Kind::Object(_) => self.is_allocated() && PointerFlags::NON_OWNING.contains(self.flags),
            Kind::Map(_) | Kind::Socket(_) => self.flags.is_empty(),
            _ => self.flags == PointerFlags::TRUSTED,
        };
        self.reference != 0 || vouched
    }

    /// Turns it into a number nobody knows.
    pub fn forget(&mut self) {
        *self = Register::UNKNOWN;
    }

    /// Linux's name of the kind: `map_value_or_null`.
    pub fn type_name(&self) -> String {
        type_name(self.kind, self.flags)
    }
}

/// Linux's name of a pointer kind with its flags.
pub fn type_name(kind: Kind, flags: PointerFlags) -> String {
    let name = match kind {
        Kind::Uninitialised => "?",
        Kind::Scalar => "scalar",
        Kind::Context => "ctx",
        // Until it is compared with NULL, Linux takes it for a value.
        Kind::Map(_) if flags.contains(PointerFlags::NULLABLE) => "map_value",
        Kind::Map(_) => "map_ptr",
        Kind::MapValue(_) => "map_value",
        Kind::MapKey(_) => "map_key",
        Kind::Stack(_) => "fp",
        Kind::Packet { .. } => "pkt",
        Kind::PacketMeta { .. } => "pkt_meta",
        Kind::PacketEnd => "pkt_end",
        Kind::FlowKeys => "flow_keys",
        Kind::Socket(kind) => kind.log_name(),
        Kind::Btf(_) | Kind::Object(_) => "ptr_",
        Kind::Buffer(BufferKind::Element) => "buf",
        Kind::Buffer(BufferKind::Tracepoint) => "tp_buffer",
        Kind::Memory(_) => "mem",
        Kind::Arena => "arena",
        Kind::Function(_) => "func",
        Kind::Iterator { .. } => "iter",
        Kind::InterruptFlag(_) => "irq_flag",
        Kind::ConstantDynptr(_) | Kind::Dynptr { .. } => "dynptr_ptr",
    };
    let mut out = String::new();
    let prefixes = [
        (PointerFlags::READ_ONLY, "rdonly_"),
        (PointerFlags::RINGBUF, "ringbuf_"),
        (PointerFlags::USER, "user_"),
        (PointerFlags::PER_CPU, "percpu_"),
        (PointerFlags::RCU, "rcu_"),
        (PointerFlags::UNTRUSTED, "untrusted_"),
        (PointerFlags::TRUSTED, "trusted_"),
    ];
    for (flag, prefix) in prefixes {
        if flags.contains(flag) {
            out.push_str(prefix);
        }
    }
    out.push_str(name);
    if flags.contains(PointerFlags::NULLABLE) {
        out.push_str(if matches!(kind, Kind::Btf(_) | Kind::Object(_)) { "or_null_" } else { "_or_null" });
    }
    out
}
