//! Context accesses, by the program type's table of fields.

use super::memory::{Access, MAX_OFFSET};
use crate::domain::register::{BufferKind, Kind, PointerFlags, Register};
use crate::domain::state::State;
use crate::reason::Reason;
use crate::refusal::{Check, EACCES, Refusal};
use crate::verifier::Verifier;
use skep_abi::program_type::{ContextInfo, FieldKind};
use skep_abi::socket::SocketKind;

impl Verifier<'_> {
    pub(crate) fn check_context_access(
        &mut self,
        state: &State,
        base: &Register,
        offset: i32,
        access: &Access,
    ) -> Check<Register> {
        if let ContextInfo::Buffer = self.info.context {
            return self.check_buffer_access(base, offset, access);
        }
        self.check_unmodified(access.base, base, false)?;
        match &self.info.context {
            ContextInfo::Struct { .. } => self.check_field_access(offset, access),
            ContextInfo::Arguments { max, buffer } => {
                let end = i32::from(*max) * 8;
                if access.mode.is_write() || !aligned_inside(offset, access.size, 0, end) {
                    return Err(invalid_access(offset, access.size));
                }
                if *buffer && offset == 0 {
                    if access.size != 8 {
                        return Err(invalid_access(offset, access.size));
                    }
                    return Ok(Register::pointer(Kind::Buffer(BufferKind::Tracepoint)));
                }
                Ok(Register::UNKNOWN)
            }
            ContextInfo::Bytes { start, limit, .. } => {
                let inside = aligned_inside(offset, access.size, (*start).into(), (*limit).into());
                if inside && !access.mode.is_write() {
                    return Ok(Register::UNKNOWN);
                }
                Err(invalid_access(offset, access.size))
            }
            ContextInfo::Btf => self.check_btf_context(state, offset, access),
            // No program is attached to nothing: the target gave the context before any instruction was looked at.
            ContextInfo::Target => Err(invalid_access(offset, access.size)),
            ContextInfo::Buffer => Ok(Register::UNKNOWN),
        }
    }

    /// A caller's buffer: any offset whose size the caller then has to provide.
    fn check_buffer_access(&self, base: &Register, offset: i32, access: &Access) -> Check<Register> {
        let least = base.value.smin.saturating_add(offset.into());
        let most = base.value.smax.saturating_add(offset.into());
        if least < 0 || most >= i64::from(u16::MAX) || most >= MAX_OFFSET {
            return Err(invalid_access(offset, access.size));
        }
        Ok(Register::UNKNOWN)
    }

    fn check_field_access(&mut self, offset: i32, access: &Access) -> Check<Register> {
        let write = access.mode.is_write();
        let field = u32::try_from(offset).ok().and_then(|offset| {
            let size = access.size as u8;
            self.info.context.field(offset, size, write, self.attach_type, self.is_privileged())
        });
        match field {
            None => Err(invalid_access(offset, access.size)),
            Some(_) if write => Ok(Register::UNKNOWN),
            Some(field) => self.context_value(field.kind),
        }
    }

    /// What loading a field gives.
    fn context_value(&mut self, kind: FieldKind) -> Check<Register> {
        Ok(match kind {
            FieldKind::Scalar => Register::UNKNOWN,
            FieldKind::PacketData => Register::pointer(Kind::Packet { range: 0 }),
            FieldKind::PacketMeta => Register::pointer(Kind::PacketMeta { range: 0 }),
            FieldKind::PacketEnd => Register::pointer(Kind::PacketEnd),
            FieldKind::Socket { or_null } => {
                self.maybe_null(Register::pointer(Kind::Socket(SocketKind::Full)), or_null)
            }
            FieldKind::SockCommonOrNull => self.maybe_null(Register::pointer(Kind::Socket(SocketKind::Common)), true),
            FieldKind::FlowKeys => Register::pointer(Kind::FlowKeys),
            FieldKind::BtfPtr { name, or_null } => {
                let object = self.kernel_object(name)?.with_flags(PointerFlags::TRUSTED);
                self.maybe_null(object, or_null)
            }
        })
    }

    /// The same pointer, possibly NULL, under an id of its own.
    pub(crate) fn maybe_null(&mut self, pointer: Register, nullable: bool) -> Register {
        if !nullable {
            return pointer;
        }
        Register { id: self.new_id(), ..pointer.with_flags(PointerFlags::NULLABLE) }
    }

    /// Whether programs of this type may write packets directly.
    pub(crate) fn may_write_packet(&self) -> bool {
        self.info.packet_write
    }

    /// Size of what a flow-keys pointer points to.
    pub(crate) fn flow_keys_size(&self) -> i32 {
        skep_abi::program_type::FLOW_KEYS_BYTES as i32
    }
}

fn aligned_inside(offset: i32, size: u32, start: i32, limit: i32) -> bool {
    offset >= start && offset + size as i32 <= limit && offset % size as i32 == 0
}

pub(crate) fn invalid_access(offset: i32, size: u32) -> Refusal {
    Refusal::new(EACCES, format!("invalid bpf_context access off={offset} size={size}"))
        .of(Reason::Context)
        .hint("this program type's context has no such field, or it may not be accessed in this way")
}
