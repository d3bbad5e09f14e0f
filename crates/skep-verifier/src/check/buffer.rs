//! Buffers of a size that is known only when the program is attached: what the program uses of them is remembered, and
//! whoever attaches it compares.

use super::memory::Access;
use crate::domain::register::{BufferKind, Kind, PointerFlags, Register};
use crate::refusal::{Check, denied};
use crate::verifier::Verifier;
use skep_isa::Reg;

impl Verifier<'_> {
    /// A load or store.
    pub(crate) fn check_buffer_memory(&mut self, base: &Register, offset: i32, access: &Access) -> Check<Register> {
        if access.mode.is_write() && base.flags.contains(PointerFlags::READ_ONLY) {
            return denied(format!("R{} cannot write into {}", access.base.number(), base.type_name()));
        }
        self.check_buffer_use(access.base, base, offset, access.size)?;
        Ok(Register::UNKNOWN)
    }

    /// Bytes of a buffer that are used.
    pub(crate) fn check_buffer_use(&mut self, reg: Reg, base: &Register, offset: i32, size: u32) -> Check {
        let Kind::Buffer(kind) = base.kind else { return denied("not a buffer") };
        let read_only = base.flags.contains(PointerFlags::READ_ONLY);
        let (name, number) = (buffer_name(kind, read_only), reg.number());
        if offset < 0 {
            return denied(format!("R{number} invalid {name} buffer access: off={offset}, size={size}"));
        }
        if base.value.as_constant() != Some(0) {
            return denied(format!(
                "R{number} invalid variable buffer offset: off={offset}, var_off={}",
                base.value.bits
            ));
        }
        let end = offset.unsigned_abs().saturating_add(size);
        let used = match (kind, read_only) {
            (BufferKind::Tracepoint, _) => &mut self.buffer_use.tracepoint,
            (BufferKind::Element, true) => &mut self.buffer_use.key,
            (BufferKind::Element, false) => &mut self.buffer_use.value,
        };
        *used = (*used).max(end);
        Ok(())
    }
}

fn buffer_name(kind: BufferKind, read_only: bool) -> &'static str {
    match kind {
        BufferKind::Tracepoint => "tracepoint",
        BufferKind::Element if read_only => "rdonly",
        BufferKind::Element => "rdwr",
    }
}
