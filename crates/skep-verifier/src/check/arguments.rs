//! Arguments of helpers, by the kind the helper table gives them.

use super::dynptr::DynptrUse;
use super::kernel_pointer::Exchange;
use super::later::belongs_to_other;
use super::memory::{MAX_OFFSET, Region};
use super::stack::StackRange;
use super::type_match::has_at;
use crate::domain::dynptr::Dynptr;
use crate::domain::register::{BufferKind, Kind, MapRef, ObjectRef, PointerFlags, Register, type_name};
use crate::domain::stack::{StackSlot, position};
use crate::domain::state::State;
use crate::planted::{Fault, is_planted};
use crate::reason::Reason;
use crate::refusal::{Check, EACCES, EINVAL, Refusal, denied, invalid};
use crate::verifier::Verifier;
use skep_abi::helper::{ArgKind, DynptrKind, HelperFlags, HelperProto, MemAccess};
use skep_abi::map_type::MapFlags;
use skep_abi::socket::SocketKind;
use skep_abi::special_field::SpecialKind;
use skep_isa::Reg;

/// What the arguments of a call have told so far.
#[derive(Debug, Default)]
pub(crate) struct CallFacts {
    /// The map argument and, of an inner map, its identity.
    pub(crate) map: Option<(MapRef, u32)>,
    /// The constant size of memory to be allocated.
    pub(crate) allocation: Option<u32>,
    /// The largest size argument.
    pub(crate) size_limit: Option<u64>,
    /// The map whose timer was given.
    pub(crate) timer_map: Option<(MapRef, u32)>,
    /// The field whose content is exchanged.
    pub(crate) exchange: Option<Exchange>,
    /// What each CPU has one of.
    pub(crate) per_cpu: Option<Register>,
    /// The reference given back.
    pub(crate) released: Option<u32>,
    /// A reference that an argument carries: a result derived from it lives as long.
    pub(crate) reference: u32,
    /// The callback.
    pub(crate) callback: Option<u16>,
    /// The key, where it is constant.
    pub(crate) constant_key: Option<u64>,
    /// A lock to take or release, done once all arguments are checked.
    pub(crate) lock: Option<Reg>,
    /// Stack that the helper fills, done once all arguments are checked.
    pub(crate) fills: Vec<StackRange>,
    /// The dynptr it works on.
    pub(crate) dynptr: Option<Dynptr>,
}

/// A kind of pointer an argument accepts.
type Accepted = (Kind, PointerFlags);

const NONE: PointerFlags = PointerFlags::empty();
const ANY_MAP: MapRef = MapRef(0);
const BTF: Kind = Kind::Btf(skep_btf::TypeId::VOID);
const PER_CPU_RCU: PointerFlags = PointerFlags::PER_CPU.union(PointerFlags::RCU);
const PER_CPU_TRUSTED: PointerFlags = PointerFlags::PER_CPU.union(PointerFlags::TRUSTED);
const OBJECT: Kind = Kind::Object(ObjectRef(0));

/// Memory that helpers may be given.
const MEMORY: &[Accepted] = &[
    (Kind::Stack(0), NONE),
    (Kind::Packet { range: 0 }, NONE),
    (Kind::PacketMeta { range: 0 }, NONE),
    (Kind::MapKey(ANY_MAP), NONE),
    (Kind::MapValue(ANY_MAP), NONE),
    (Kind::Memory(0), NONE),
    (Kind::Memory(0), PointerFlags::RINGBUF),
    (Kind::Memory(0), PointerFlags::READ_ONLY),
    (Kind::Buffer(BufferKind::Element), NONE),
    (Kind::Buffer(BufferKind::Element), PointerFlags::READ_ONLY),
    (BTF, PointerFlags::TRUSTED),
];

const SOCKETS: &[Accepted] = &[
    (Kind::Socket(SocketKind::Common), NONE),
    (Kind::Socket(SocketKind::Full), NONE),
    (Kind::Socket(SocketKind::Tcp), NONE),
    (Kind::Socket(SocketKind::Xdp), NONE),
];

/// The kinds that an argument accepts, and how Linux lists them.
fn accepted(kind: &ArgKind) -> (&'static [Accepted], &'static str) {
    const INT_POINTERS: &str = "fp, pkt, pkt_meta, map_key, map_value, mem, ringbuf_mem, buf, trusted_ptr_";
    const SOCKET_LIST: &str = "sock_common, sock, tcp_sock, xdp_sock";
    const BTF_SOCKET_LIST: &str = "sock_common, sock, tcp_sock, xdp_sock, ptr_, trusted_ptr_";
    const BTF_LIST: &str = "ptr_, trusted_ptr_, rcu_ptr_";
    match kind {
        ArgKind::ConstMapPtr => (&[(Kind::Map(ANY_MAP), NONE)], "map_ptr"),
        ArgKind::MapKey
        | ArgKind::MapValue
        | ArgKind::MapValueOrNull
        | ArgKind::MapValueUninit
        | ArgKind::Mem { .. }
        | ArgKind::FixedMem { .. } => (MEMORY, INT_POINTERS),
        ArgKind::Context | ArgKind::ContextOrNull => (&[(Kind::Context, NONE)], "ctx"),
        ArgKind::SpinLock => {
            (&[(Kind::MapValue(ANY_MAP), NONE), (OBJECT, NONE), (OBJECT, PointerFlags::NON_OWNING)], "map_value, ptr_")
        }
        ArgKind::Timer | ArgKind::ConstString => (&[(Kind::MapValue(ANY_MAP), NONE)], "map_value"),
        ArgKind::Kptr => (&[(Kind::MapValue(ANY_MAP), NONE), (OBJECT, NONE)], "map_value, ptr_"),
        ArgKind::AllocMem => (&[(Kind::Memory(0), PointerFlags::RINGBUF)], "ringbuf_mem"),
        ArgKind::StackOrNull => (&[(Kind::Stack(0), NONE)], "fp"),
        ArgKind::Function => (&[(Kind::Function(0), NONE)], "func"),
        ArgKind::SockCommon => (SOCKETS, SOCKET_LIST),
        ArgKind::BtfSockCommon | ArgKind::BtfSockCommonOrNull => (
            &[
                (Kind::Socket(SocketKind::Common), NONE),
                (Kind::Socket(SocketKind::Full), NONE),
                (Kind::Socket(SocketKind::Tcp), NONE),
                (Kind::Socket(SocketKind::Xdp), NONE),
                (BTF, NONE),
                (BTF, PointerFlags::TRUSTED),
            ],
            BTF_SOCKET_LIST,
        ),
        ArgKind::Socket | ArgKind::SocketOrNull => (&[(Kind::Socket(SocketKind::Full), NONE)], "sock"),
        ArgKind::BtfPtr { .. } => (&[(BTF, NONE), (BTF, PointerFlags::TRUSTED), (BTF, PointerFlags::RCU)], BTF_LIST),
        ArgKind::OwnedBtfPtrOrNull => (
            &[
                (BTF, NONE),
                (BTF, PointerFlags::TRUSTED),
                (BTF, PointerFlags::RCU),
                (OBJECT, NONE),
                (OBJECT, PointerFlags::PER_CPU),
                (OBJECT, PointerFlags::RCU),
            ],
            BTF_LIST,
        ),
        ArgKind::PerCpuBtfPtr => (
            &[(BTF, PointerFlags::PER_CPU), (BTF, PER_CPU_RCU), (BTF, PER_CPU_TRUSTED), (OBJECT, PER_CPU_RCU)],
            "percpu_ptr_, percpu_rcu_ptr_, percpu_trusted_ptr_",
        ),
        ArgKind::Dynptr { .. } => {
            (&[(Kind::Stack(0), NONE), (Kind::ConstantDynptr(DynptrKind::Local), NONE)], "fp, dynptr_ptr")
        }
        ArgKind::Anything | ArgKind::Size | ArgKind::SizeOrZero | ArgKind::ConstAllocSizeOrZero => (&[], "scalar"),
    }
}

/// Whether NULL, the constant 0, is good enough.
fn null_allowed(kind: &ArgKind) -> bool {
    match kind {
        ArgKind::Mem { or_null, .. } | ArgKind::BtfPtr { or_null, .. } => *or_null,
        ArgKind::ContextOrNull
        | ArgKind::StackOrNull
        | ArgKind::OwnedBtfPtrOrNull
        | ArgKind::MapValueOrNull
        | ArgKind::BtfSockCommonOrNull
        | ArgKind::SocketOrNull => true,
        _ => false,
    }
}

fn matches(register: &Register, accepted: &Accepted) -> bool {
    let same = std::mem::discriminant(&register.kind) == std::mem::discriminant(&accepted.0);
    let socket = match (register.kind, accepted.0) {
        (Kind::Socket(a), Kind::Socket(b)) => a == b,
        (Kind::Buffer(a), Kind::Buffer(b)) => a == b,
        _ => true,
    };
    same && socket && register.flags == accepted.1
}

impl Verifier<'_> {
    /// Checks one argument of a helper.
    pub(crate) fn check_argument(
        &mut self,
        state: &mut State,
        helper: &'static HelperProto,
        index: usize,
        facts: &mut CallFacts,
    ) -> Check {
        let Some(kind) = self.argument_kind(helper, index, facts) else { return Ok(()) };
        let Some(reg) = Reg::new(index as u8 + 1) else { return Ok(()) };
        let register = *state.register(reg);
        let number = reg.number();
        if !register.is_initialised() {
            return Reason::UninitialisedRegister.denied(format!("R{number} !read_ok"));
        }
        if let ArgKind::Anything = kind {
            if self.is_leak(&register) {
                return Reason::PointerLeak.denied(format!("R{number} leaks addr into helper function"));
            }
            if helper.flags.contains(HelperFlags::FLAGS_MUST_BE_ZERO) && index == 1 && !register.is_null() {
                return Reason::Argument.invalid(format!("{}() doesn't support non-zero flags", helper.name));
            }
            if helper.flags.contains(HelperFlags::FLAGS_MUST_BE_ZERO) {
                self.values.mark(register.origin);
            }
            return Ok(());
        }
        if register.is_packet() && !self.helper_may_access_packet(helper) {
            return denied("helper access to the packet is not allowed");
        }
        let size_argument = matches!(kind, ArgKind::Size | ArgKind::SizeOrZero | ArgKind::ConstAllocSizeOrZero);
        let null = register.is_null() && null_allowed(kind);
        if null {
            self.values.mark(register.origin);
        }
        if !null {
            self.check_argument_kind(helper, reg, &register, kind, facts)?;
            if !size_argument {
                self.check_argument_offset(reg, &register, helper, index)?;
            }
        }
        let releases = usize::from(helper.release_arg) == index + 1;
        if releases && matches!(kind, ArgKind::Dynptr { .. }) {
            self.check_dynptr_release(state, reg)?;
        } else if releases && !null {
            if register.reference == 0 && !matches!(register.kind, Kind::Stack(_)) {
                return Reason::NotAcquired
                    .invalid(format!("R{number} must be referenced when passed to release function"));
            }
            facts.released = Some(register.reference);
        }
        if register.reference != 0 {
            facts.reference = register.reference;
        }
        if null {
            return Ok(());
        }
        self.check_by_kind(state, helper, index, reg, facts)
    }

    /// The arguments of a helper in programs of this type.
    pub(crate) fn helper_args(&self, helper: &'static HelperProto) -> &'static [ArgKind] {
        helper.args_in(self.program_type)
    }

    /// The kind of one argument; what a socket map holds are sockets.
    fn argument_kind(&self, helper: &'static HelperProto, index: usize, facts: &CallFacts) -> Option<&'static ArgKind> {
        let kind = self.helper_args(helper).get(index)?;
        let sockets = facts.map.is_some_and(|(map, _)| {
            crate::tables::values_are_sockets(crate::tables::map_info(self.maps.facts(map).map_type))
        });
        match kind {
            ArgKind::MapValue if sockets => Some(&ArgKind::BtfSockCommon),
            kind => Some(kind),
        }
    }

    fn check_argument_kind(
        &self,
        helper: &HelperProto,
        reg: Reg,
        register: &Register,
        kind: &ArgKind,
        facts: &CallFacts,
    ) -> Check {
        let (accepted, list) = accepted(kind);
        let mut flags = register.flags;
        // A pointer that may be NULL is as good where NULL is.
        if null_allowed(kind) {
            flags -= PointerFlags::NULLABLE;
        }
        if matches!(kind, ArgKind::Mem { .. } | ArgKind::FixedMem { .. }) {
            flags -= PointerFlags::PACKET_SLICE;
        }
        let (given, register) = (register, Register { flags, ..*register });
        let fits = match kind {
            ArgKind::Size | ArgKind::SizeOrZero | ArgKind::ConstAllocSizeOrZero => register.is_scalar(),
            _ => accepted.iter().any(|a| matches(&register, a)),
        };
        if fits && matches!(register.kind, Kind::Btf(_)) && writes_memory(kind) {
            return denied(format!(
                "bpf_{}() may write into memory pointed by R{} type={}",
                helper.name,
                reg.number(),
                register.type_name()
            ));
        }
        if fits {
            return self.check_btf_argument(reg, given, kind, facts);
        }
        Err(Refusal::new(EACCES, format!("R{} type={} expected={list}", reg.number(), register.type_name()))
            .of(Reason::Argument))
    }

    /// A kernel object must be of the struct asked for.
    fn check_btf_argument(&self, reg: Reg, register: &Register, kind: &ArgKind, facts: &CallFacts) -> Check {
        if let (ArgKind::OwnedBtfPtrOrNull, Some(field)) = (kind, facts.exchange) {
            if register.is_nullable() {
                return Reason::MaybeNull.denied(format!("Possibly NULL pointer passed to helper arg{}", reg.number()));
            }
            return self.check_field_type(reg, register, field);
        }
        let (Kind::Btf(id), ArgKind::BtfPtr { name, .. }) = (register.kind, kind) else { return Ok(()) };
        let btf = self.kernel_btf()?;
        let wanted = btf.find(skep_btf::Kind::Struct, name);
        let offset = register.offset.unsigned_abs();
        if !wanted.is_some_and(|wanted| has_at(btf, id, offset, wanted)) {
            let found = btf.name(id);
            return Reason::Argument.denied(format!("R{} is of type {found} but {name} is expected", reg.number()));
        }
        Ok(())
    }

    /// Objects are passed by their address; memory at any offset.
    fn check_argument_offset(&self, reg: Reg, register: &Register, helper: &HelperProto, index: usize) -> Check {
        let release = usize::from(helper.release_arg) == index + 1;
        if release && register.offset != 0 && !matches!(register.kind, Kind::Stack(_)) {
            return Reason::NotAcquired.invalid(format!(
                "R{} must have zero offset when passed to release func or trusted arg to kfunc",
                reg.number()
            ));
        }
        match register.kind {
            Kind::Stack(_)
            | Kind::Packet { .. }
            | Kind::PacketMeta { .. }
            | Kind::MapKey(_)
            | Kind::MapValue(_)
            | Kind::Scalar
            | Kind::Function(_) => Ok(()),
            Kind::Memory(_) | Kind::Buffer(_) if !release => Ok(()),
            Kind::Object(_) | Kind::Btf(_) if !release => self.check_unmodified(reg, register, !register.is_nullable()),
            _ => self.check_unmodified(reg, register, false),
        }
    }

    /// Whether this helper may be given packet memory for this argument.
    fn helper_may_access_packet(&self, helper: &HelperProto) -> bool {
        helper.flags.contains(HelperFlags::PACKET_ACCESS) && self.info.packet_to_helpers
    }

    fn check_by_kind(
        &mut self,
        state: &mut State,
        helper: &'static HelperProto,
        index: usize,
        reg: Reg,
        facts: &mut CallFacts,
    ) -> Check {
        let register = *state.register(reg);
        let number = reg.number();
        let Some(kind) = self.argument_kind(helper, index, facts) else { return Ok(()) };
        match kind {
            ArgKind::ConstMapPtr => self.take_map(&register, facts),
            ArgKind::MapKey => {
                let (map, _) = facts.map.ok_or_else(no_map)?;
                let size = self.maps.facts(map).key_size;
                facts.constant_key = self.constant_on_stack(state, &register, size);
                self.check_helper_memory(state, reg, size, MemAccess::Read, false, facts)
            }
            ArgKind::MapValue | ArgKind::MapValueOrNull | ArgKind::MapValueUninit => {
                let (map, _) = facts.map.ok_or_else(no_map)?;
                let size = self.maps.facts(map).value_size;
                let access = if writes_nothing(kind) { MemAccess::Read } else { MemAccess::Write };
                self.check_helper_memory(state, reg, size, access, false, facts)
            }
            // Checked with the size that follows.
            ArgKind::Mem { .. } => Ok(()),
            ArgKind::FixedMem { size, aligned, access } => {
                self.check_helper_memory(state, reg, *size, *access, false, facts)?;
                if *aligned { self.check_fixed_alignment(&register, *size) } else { Ok(()) }
            }
            ArgKind::Size => self.check_size(state, helper, index, reg, false, facts),
            ArgKind::SizeOrZero => self.check_size(state, helper, index, reg, true, facts),
            ArgKind::ConstAllocSizeOrZero => {
                let Some(size) = register.value.as_constant() else {
                    return Reason::Constant.denied(format!("R{number} is not a known constant'"));
                };
                self.values.mark(register.origin);
                facts.allocation = Some(u32::try_from(size).unwrap_or(u32::MAX));
                Ok(())
            }
            ArgKind::SpinLock => {
                facts.lock = Some(reg);
                Ok(())
            }
            ArgKind::Function => {
                let Kind::Function(subprogram) = register.kind else { return invalid("not a function") };
                facts.callback = Some(subprogram);
                Ok(())
            }
            ArgKind::ConstString => self.check_constant_string(reg, &register),
            ArgKind::Timer => {
                facts.timer_map = Some(self.check_field_address(reg, &register, SpecialKind::Timer)?);
                Ok(())
            }
            ArgKind::Kptr => {
                facts.exchange = Some(self.check_exchanged_field(reg, &register)?);
                Ok(())
            }
            ArgKind::PerCpuBtfPtr => {
                facts.per_cpu = Some(register);
                Ok(())
            }
            ArgKind::Dynptr { uninit, read_only, kind } => {
                let usage = match kind {
                    Some(kind) if *uninit => DynptrUse::Makes { kind: *kind, shares: 0 },
                    kind => DynptrUse::Uses { kind: *kind, constant: *read_only },
                };
                facts.dynptr = Some(self.check_dynptr(state, reg, usage)?);
                Ok(())
            }
            ArgKind::Context
            | ArgKind::ContextOrNull
            | ArgKind::Anything
            | ArgKind::AllocMem
            | ArgKind::StackOrNull
            | ArgKind::SockCommon
            | ArgKind::BtfSockCommon
            | ArgKind::BtfSockCommonOrNull
            | ArgKind::Socket
            | ArgKind::SocketOrNull
            | ArgKind::OwnedBtfPtrOrNull
            | ArgKind::BtfPtr { .. } => Ok(()),
        }
    }

    fn take_map(&self, register: &Register, facts: &mut CallFacts) -> Check {
        let Some(map) = register.map() else { return Reason::Argument.invalid("not a map") };
        let found = (map, register.map_identity);
        if let Some(timer) = facts.timer_map.filter(|timer| *timer != found) {
            return Err(belongs_to_other("timer", (1, timer.1), (2, found.1)));
        }
        facts.map = Some(found);
        Ok(())
    }

    fn check_fixed_alignment(&self, register: &Register, size: u32) -> Check {
        let fixed = crate::domain::known_bits::KnownBits::constant(i64::from(register.offset) as u64);
        let aligned = register.value.bits.add(fixed).is_aligned(size.into());
        let stack = matches!(register.kind, Kind::Stack(_));
        if aligned || !(stack || self.options.strict_alignment) || size <= 1 {
            return Ok(());
        }
        let place = if stack { "stack " } else { "" };
        Reason::Misaligned.denied(format!(
            "misaligned {place}access off {}+{}+0 size {size}",
            super::memory::short_bits(register),
            register.offset
        ))
    }

    /// A size, with the memory argument before it.
    fn check_size(
        &mut self,
        state: &mut State,
        helper: &'static HelperProto,
        index: usize,
        reg: Reg,
        zero: bool,
        facts: &mut CallFacts,
    ) -> Check {
        let size = *state.register(reg);
        let number = reg.number();
        facts.size_limit = Some(size.value.umax);
        let Some(ArgKind::Mem { access, or_null }) = index.checked_sub(1).and_then(|i| self.helper_args(helper).get(i))
        else {
            return Ok(());
        };
        if size.value.smin < 0 {
            return Reason::Negative
                .denied(format!("R{number} min value is negative, either use unsigned or 'var &= const'"));
        }
        if size.value.umin == 0 && !zero {
            return Reason::Argument
                .denied(format!("R{number} invalid zero-sized read: u64=[{},{}]", size.value.umin, size.value.umax));
        }
        if size.value.umax >= MAX_OFFSET as u64 {
            return Reason::Unbounded
                .denied(format!("R{number} unbounded memory access, use 'var &= const' or 'if (var < const)'"));
        }
        let Some(pointer) = Reg::new(index as u8) else { return Ok(()) };
        let bytes = size.value.umax as u32;
        if !is_planted(Fault::SizeNotPrecise) {
            self.values.mark(size.origin);
        }
        let start = *state.register(pointer);
        if start.is_null() && (*or_null || zero) && bytes == 0 {
            self.values.mark(start.origin);
            return Ok(());
        }
        // Only a helper that fills exactly so many bytes leaves nothing uninitialised.
        let access = match access {
            MemAccess::Write if !size.value.is_constant() => MemAccess::ReadWrite,
            access => *access,
        };
        self.check_helper_memory(state, pointer, bytes, access, zero, facts)
    }

    /// Memory that a helper reads or writes.
    pub(crate) fn check_helper_memory(
        &mut self,
        state: &mut State,
        reg: Reg,
        size: u32,
        access: MemAccess,
        zero: bool,
        facts: &mut CallFacts,
    ) -> Check {
        let base = *state.register(reg);
        let number = reg.number();
        let write = access != MemAccess::Read;
        let wrong = || {
            Err(Refusal::new(
                EACCES,
                format!("R{number} type={} expected={}", base.type_name(), type_name(Kind::Stack(0), NONE)),
            )
            .of(Reason::Argument))
        };
        // Linux lets helpers have more than no bytes of what may be NULL, if they take NULL at all.
        if base.is_nullable() && (size > 0 || !zero) {
            return wrong();
        }
        match base.kind {
            Kind::Packet { .. } | Kind::PacketMeta { .. } => {
                if write && !self.info.packet_write {
                    return Reason::ReadOnly.denied("cannot write into packet");
                }
                self.check_packet_access(reg, &base, base.offset, size, zero)
            }
            Kind::MapKey(_) if write => {
                Reason::ReadOnly.denied(format!("R{number} cannot write into {}", base.type_name()))
            }
            Kind::MapKey(map) => {
                let bytes = self.maps.facts(map).key_size;
                self.check_region(reg, &base, base.offset, size, Region { name: "map key, key_size", bytes }, zero)
            }
            Kind::MapValue(map) => {
                self.check_map_permission(map, base.offset, size, write)?;
                self.check_map_value_region(reg, &base, map, base.offset, size, zero)
            }
            Kind::Memory(bytes) => {
                if write && base.flags.contains(PointerFlags::READ_ONLY) {
                    return Reason::ReadOnly.denied(format!("R{number} cannot write into {}", base.type_name()));
                }
                self.check_region(reg, &base, base.offset, size, Region { name: "memory, mem_size", bytes }, zero)
            }
            Kind::Stack(_) => self.check_helper_stack(state, reg, &base, (size, zero), access, facts),
            Kind::Btf(_) if write => wrong(),
            Kind::Btf(id) => self.check_object_memory(reg, &base, id, size),
            Kind::Buffer(_) if write && base.flags.contains(PointerFlags::READ_ONLY) => {
                denied(format!("R{number} cannot write into {}", base.type_name()))
            }
            Kind::Buffer(_) => self.check_buffer_use(reg, &base, base.offset, size),
            _ => wrong(),
        }
    }

    fn check_helper_stack(
        &mut self,
        state: &mut State,
        reg: Reg,
        base: &Register,
        (size, zero): (u32, bool),
        access: MemAccess,
        facts: &mut CallFacts,
    ) -> Check {
        if size == 0 && !zero {
            return Reason::Argument.denied("invalid zero-sized read");
        }
        let range = self.stack_range(state, reg, base, 0, size, access != MemAccess::Read)?;
        match access {
            MemAccess::Write if range.fixed => {
                check_no_dynptr_written(state, range)?;
                if !self.may_leak_pointers() {
                    self.check_no_pointer_overwritten(state, range)?;
                }
                facts.fills.push(range);
                Ok(())
            }
            MemAccess::Read => self.check_stack_initialised(state, reg, base, range, size, false),
            MemAccess::Write | MemAccess::ReadWrite => {
                self.check_stack_initialised(state, reg, base, range, size, true)
            }
        }
    }

    pub(crate) fn check_constant_string(&self, reg: Reg, register: &Register) -> Check {
        let number = reg.number();
        let Kind::MapValue(map) = register.kind else { return Reason::Argument.invalid("not a map value") };
        let facts = self.maps.facts(map);
        if !facts.flags.contains(MapFlags::RDONLY_PROG) || facts.frozen.is_none() {
            return Reason::Argument.denied(format!("R{number} does not point to a readonly map'"));
        }
        let Some(variable) = register.value.as_constant() else {
            return Reason::Constant.denied(format!("R{number} is not a constant address'"));
        };
        let start = (variable as i64).saturating_add(register.offset.into());
        let text = facts.frozen.as_deref().and_then(|bytes| bytes.get(usize::try_from(start).ok()?..));
        if text.is_some_and(|bytes| bytes.contains(&0)) {
            return Ok(());
        }
        Err(Refusal::new(EINVAL, "string is not zero-terminated"))
    }
}

/// Memory that a helper fills may not overlap a dynptr: it could be the one the helper works on.
fn check_no_dynptr_written(state: &State, range: StackRange) -> Check {
    let stack = &state.frames[range.frame].stack;
    let hit = |offset: &i32| stack.get(position(*offset).0).is_some_and(StackSlot::is_dynptr);
    match (range.min..range.end).find(hit) {
        Some(offset) => denied(format!("potential write to dynptr at off={offset} disallowed")),
        None => Ok(()),
    }
}

/// Whether a map-value argument is only read.
fn writes_nothing(kind: &ArgKind) -> bool {
    !matches!(kind, ArgKind::MapValueUninit)
}

/// Whether an argument is memory that the helper writes, or of which the prototype does not say that it does not.
fn writes_memory(kind: &ArgKind) -> bool {
    match kind {
        ArgKind::Mem { access, .. } | ArgKind::FixedMem { access, .. } => *access != MemAccess::Read,
        ArgKind::MapKey | ArgKind::MapValue | ArgKind::MapValueOrNull | ArgKind::MapValueUninit => true,
        _ => false,
    }
}

fn no_map() -> Refusal {
    Refusal::new(EACCES, "invalid map_ptr to access map->key")
}
