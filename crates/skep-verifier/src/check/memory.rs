//! Loads and stores: alignment, then the rules of what the base register points to.

use crate::domain::register::{Kind, PointerFlags, Register};
use crate::domain::scalar::Scalar;
use crate::domain::state::State;
use crate::reason::Reason;
use crate::refusal::{Check, Refusal, invalid};
use crate::verifier::Verifier;
use skep_abi::socket::SocketKind;
use skep_isa::Reg;

/// The largest offset a pointer may have (Linux: `BPF_MAX_VAR_OFF`).
pub(crate) const MAX_OFFSET: i64 = 1 << 29;

/// What is written to memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// A register.
    Register(Reg),
    /// A constant.
    Constant(i32),
    /// Bytes nobody knows: by a helper or an atomic operation.
    Data,
}

/// Read or write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A load into a register.
    Read,
    /// A load whose result is not kept (the first half of an atomic operation).
    ReadOnly,
    /// A store.
    Write(Stored),
}

impl Mode {
    pub(crate) fn is_write(self) -> bool {
        matches!(self, Mode::Write(_))
    }
}

/// One access to memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    /// Address register.
    pub(crate) base: Reg,
    /// Offset in the instruction.
    pub(crate) offset: i32,
    /// Bytes.
    pub(crate) size: u32,
    /// What is done.
    pub(crate) mode: Mode,
    /// It must be aligned to its size wherever it goes (atomic operations).
    pub(crate) aligned: bool,
}

/// A stretch of memory for [`Verifier::check_region`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Region<'a> {
    /// How Linux calls it: `map value, value_size`.
    pub(crate) name: &'a str,
    /// Its bytes.
    pub(crate) bytes: u32,
}

impl Verifier<'_> {
    /// Checks an access and carries out its effect; what a load gives (before narrowing).
    pub(crate) fn check_access(&mut self, state: &mut State, access: Access) -> Check<Register> {
        let base = *state.register(access.base);
        self.check_alignment(&base, &access)?;
        let number = access.base.number();
        let offset = access.offset + base.offset;
        if !matches!(base.kind, Kind::Stack(_)) {
            self.check_leak(state, &base, &access)?;
        }
        if base.is_nullable() || (base.is_scalar() || !base.is_initialised()) {
            return Err(invalid_access(access.base, &base));
        }
        match base.kind {
            Kind::Stack(_) => self.check_stack_access(state, &base, &access),
            Kind::MapValue(map) => self.check_map_value_access(state, &base, map, offset, &access),
            Kind::MapKey(map) => {
                if access.mode.is_write() {
                    return Reason::ReadOnly.denied(format!("write to change key R{number} not allowed"));
                }
                let bytes = self.maps.facts(map).key_size;
                self.check_region(
                    access.base,
                    &base,
                    offset,
                    access.size,
                    Region { name: "map key, key_size", bytes },
                    false,
                )?;
                Ok(Register::UNKNOWN)
            }
            Kind::Memory(bytes) => {
                if access.mode.is_write() && base.flags.contains(PointerFlags::READ_ONLY) {
                    return Reason::ReadOnly.denied(format!("R{number} cannot write into {}", base.type_name()));
                }
                // Nobody says what is there: such loads give 0 where nothing can be read.
                if is_probed(base.kind, base.flags) {
                    return Ok(Register::UNKNOWN);
                }
                self.check_region(
                    access.base,
                    &base,
                    offset,
                    access.size,
                    Region { name: "memory, mem_size", bytes },
                    false,
                )?;
                Ok(Register::UNKNOWN)
            }
            Kind::Context => self.check_context_access(state, &base, offset, &access),
            Kind::Packet { .. } | Kind::PacketMeta { .. } => {
                if access.mode.is_write() && !self.may_write_packet() {
                    return Reason::ReadOnly.denied("cannot write into packet");
                }
                self.check_packet_access(access.base, &base, offset, access.size, false)?;
                Ok(Register::UNKNOWN)
            }
            Kind::FlowKeys => {
                if offset < 0 || offset + access.size as i32 > self.flow_keys_size() {
                    return Reason::OutOfBounds
                        .denied(format!("invalid access to flow keys off={offset} size={}", access.size));
                }
                Ok(Register::UNKNOWN)
            }
            Kind::Socket(kind) => self.check_socket_access(kind, &base, offset, &access),
            // Every address is inside: loads from pages that are not there give 0, stores there do nothing.
            Kind::Arena => Ok(Register::UNKNOWN),
            Kind::Object(object) => self.check_object_access(&base, object, offset, &access),
            Kind::Btf(_) => self.check_btf_access(state, &base, offset, &access),
            Kind::Buffer(_) => self.check_buffer_memory(&base, offset, &access),
            Kind::Map(map) => self.check_map_pointer_access(map, offset, &access),
            Kind::PacketEnd
            | Kind::Function(_)
            | Kind::Iterator { .. }
            | Kind::InterruptFlag(_)
            | Kind::ConstantDynptr(_)
            | Kind::Dynptr { .. }
            | Kind::Scalar
            | Kind::Uninitialised => Err(invalid_access(access.base, &base)),
        }
    }

    /// An unprivileged program must not store an address where others can read it.
    fn check_leak(&self, state: &State, base: &Register, access: &Access) -> Check {
        let Mode::Write(Stored::Register(value)) = access.mode else { return Ok(()) };
        if !self.is_leak(state.register(value)) {
            return Ok(());
        }
        let place = match base.kind {
            Kind::MapValue(_) => "map",
            Kind::Memory(_) => "mem",
            Kind::Context => "ctx",
            Kind::Packet { .. } | Kind::PacketMeta { .. } => "packet",
            Kind::FlowKeys => "flow keys",
            _ => return Ok(()),
        };
        Err(Refusal::new(crate::refusal::EACCES, format!("R{} leaks addr into {place}", value.number()))
            .of(Reason::PointerLeak)
            .hint("only programs with CAP_PERFMON may store pointers where user space can read them"))
    }

    /// Whether using this value would tell an address to somebody who may not know it.
    pub(crate) fn is_leak(&self, register: &Register) -> bool {
        !self.may_leak_pointers() && register.is_pointer()
    }

    fn check_alignment(&self, base: &Register, access: &Access) -> Check {
        let strict = self.options.strict_alignment || access.aligned;
        let (name, strict) = match base.kind {
            Kind::Arena => return Ok(()),
            Kind::Packet { .. } | Kind::PacketMeta { .. } => {
                return self.check_packet_alignment(base, access, strict);
            }
            Kind::FlowKeys => ("flow keys ", strict),
            Kind::MapKey(_) => ("key ", strict),
            Kind::MapValue(_) => ("value ", strict),
            Kind::Context => ("context ", strict),
            // The stack is tracked in aligned slots: unaligned accesses would fall between them.
            Kind::Stack(_) => ("stack ", true),
            Kind::Socket(SocketKind::Full) => ("sock ", strict),
            Kind::Socket(SocketKind::Common) => ("sock_common ", strict),
            Kind::Socket(SocketKind::Tcp) => ("tcp_sock ", strict),
            Kind::Socket(SocketKind::Xdp) => ("xdp_sock ", strict),
            _ => ("", strict),
        };
        if !strict || access.size <= 1 {
            return Ok(());
        }
        let fixed = Scalar::constant((i64::from(base.offset) + i64::from(access.offset)) as u64).bits;
        if base.value.bits.add(fixed).is_aligned(access.size.into()) {
            return Ok(());
        }
        Reason::Misaligned.denied(format!(
            "misaligned {name}access off {}+{}+{} size {}",
            short_bits(base),
            base.offset,
            access.offset,
            access.size
        ))
    }

    /// Packets begin two bytes after an aligned address (`NET_IP_ALIGN`).
    fn check_packet_alignment(&self, base: &Register, access: &Access, strict: bool) -> Check {
        if !strict || access.size <= 1 {
            return Ok(());
        }
        let ip_align = if self.options.any_alignment { 0 } else { 2 };
        let fixed = i64::from(ip_align) + i64::from(base.offset) + i64::from(access.offset);
        if base.value.bits.add(Scalar::constant(fixed as u64).bits).is_aligned(access.size.into()) {
            return Ok(());
        }
        Reason::Misaligned.denied(format!(
            "misaligned packet access off {ip_align}+{}+{}+{} size {}",
            short_bits(base),
            base.offset,
            access.offset,
            access.size
        ))
    }

    /// Checks that an access at every possible offset lies inside a region; `offset` is the fixed part.
    pub(crate) fn check_region(
        &mut self,
        reg: Reg,
        base: &Register,
        offset: i32,
        size: u32,
        region: Region<'_>,
        zero_size: bool,
    ) -> Check {
        let number = reg.number();
        let smallest = base.value.smin.checked_add(offset.into()).filter(|least| *least >= 0);
        if base.value.smin < 0 && smallest.is_none() {
            return Err(negative(number));
        }
        let inside = |start: i64| {
            let fits = start >= 0 && start + i64::from(size) <= i64::from(region.bytes);
            let fits = fits && (size > 0 || zero_size);
            if fits {
                return Ok(());
            }
            Err(format!("invalid access to {}={} off={start} size={size}", region.name, region.bytes))
        };
        if let Err(line) = inside(base.value.smin.saturating_add(offset.into())) {
            let message = format!("R{number} min value is outside of the allowed memory range");
            return Err(Refusal::new(crate::refusal::EACCES, message).of(Reason::OutOfBounds).after(line));
        }
        if base.value.umax >= MAX_OFFSET as u64 {
            return Reason::Unbounded
                .denied(format!("R{number} unbounded memory access, make sure to bounds check any such access"));
        }
        if let Err(line) = inside(base.value.umax as i64 + i64::from(offset)) {
            let message = format!("R{number} max value is outside of the allowed memory range");
            return Err(Refusal::new(crate::refusal::EACCES, message).of(Reason::OutOfBounds).after(line));
        }
        Ok(())
    }

    fn check_socket_access(
        &mut self,
        kind: SocketKind,
        base: &Register,
        offset: i32,
        access: &Access,
    ) -> Check<Register> {
        let number = access.base.number();
        if access.mode.is_write() {
            return Reason::ReadOnly.denied(format!("R{number} cannot write into {}", base.type_name()));
        }
        if base.value.smin < 0 {
            return Err(negative(number));
        }
        let allowed = base.value.as_constant() == Some(0) && kind.may_read(offset, access.size);
        if !allowed {
            return Reason::OutOfBounds.denied(format!(
                "R{number} invalid {} access off={offset} size={}",
                base.type_name(),
                access.size
            ));
        }
        Ok(Register::UNKNOWN)
    }

    /// Checks that a pointer is what it was when it was made: no offset (Linux: `check_ptr_off_reg`).
    pub(crate) fn check_unmodified(&self, reg: Reg, base: &Register, fixed_allowed: bool) -> Check {
        let (number, name) = (reg.number(), base.type_name());
        if base.offset < 0 {
            return Reason::Negative
                .denied(format!("negative offset {name} ptr R{number} off={} disallowed", base.offset));
        }
        if !fixed_allowed && base.offset != 0 {
            return Err(Refusal::new(
                crate::refusal::EACCES,
                format!("dereference of modified {name} ptr R{number} off={} disallowed", base.offset),
            )
            .of(Reason::Context)
            .hint("use the pointer as it was given, with the offset in the access"));
        }
        if base.value.as_constant() != Some(0) {
            return Reason::Context.denied(format!("variable {name} access var_off={} disallowed", base.value.bits));
        }
        Ok(())
    }
}

/// A constant is written as a plain number in alignment messages.
pub(crate) fn short_bits(base: &Register) -> String {
    match base.value.as_constant() {
        Some(0) => "0".to_owned(),
        Some(value) => format!("{value:#x}"),
        None => base.value.bits.to_string(),
    }
}

pub(crate) fn negative(number: u8) -> Refusal {
    Refusal::new(
        crate::refusal::EACCES,
        format!("R{number} min value is negative, either use unsigned index or do a if (index >=0) check."),
    )
    .of(Reason::Negative)
}

fn invalid_access(reg: Reg, base: &Register) -> Refusal {
    let reason = if base.is_nullable() { Reason::MaybeNull } else { Reason::NotAPointer };
    Refusal::new(crate::refusal::EACCES, format!("R{} invalid mem access '{}'", reg.number(), base.type_name()))
        .of(reason)
}

/// Whether a load goes through an address that may lead nowhere.
pub(crate) fn is_probed(kind: Kind, flags: PointerFlags) -> bool {
    match kind {
        Kind::Btf(_) => true,
        Kind::Memory(_) | Kind::Object(_) => flags.contains(PointerFlags::UNTRUSTED),
        _ => false,
    }
}

/// The same instruction may not access things whose accesses are rewritten differently. Loads from memory and from
/// kernel objects mix: what suits the less certain of two suits the other. What the instruction accesses, all in all.
pub(crate) fn kinds_agree(
    first: (Kind, PointerFlags),
    second: (Kind, PointerFlags),
    load: bool,
) -> Check<(Kind, PointerFlags)> {
    let rewritten =
        |kind: Kind| matches!(kind, Kind::Context | Kind::Socket(_) | Kind::Btf(_) | Kind::Object(_) | Kind::Arena);
    let readable = |kind: Kind| matches!(kind, Kind::Memory(_) | Kind::Btf(_) | Kind::Object(_));
    let same = match (first.0, second.0) {
        (Kind::Socket(a), Kind::Socket(b)) => a == b,
        (Kind::Context, Kind::Context)
        | (Kind::Btf(_), Kind::Btf(_))
        | (Kind::Object(_), Kind::Object(_))
        | (Kind::Arena, Kind::Arena) => true,
        (a, b) if load && readable(a) && readable(b) => true,
        (a, b) => !rewritten(a) && !rewritten(b),
    };
    if !same {
        return invalid("same insn cannot be used with different pointers");
    }
    Ok(if is_probed(second.0, second.1) { second } else { first })
}
