//! Casts to types of the kernel: the context as the kernel sees it, and any address as a type of the program's choice.
//!
//! The first is the object itself. The second proves nothing: what it gives may only be read, and every load through
//! it may find nothing there.

use super::kfunc::KfuncCall;
use crate::domain::register::{Kind, PointerFlags, Register};
use crate::refusal::{Check, EINVAL, Refusal, invalid};
use crate::verifier::Verifier;
use skep_btf::{Type, TypeId};

impl Verifier<'_> {
    /// The kernel's own struct of the context.
    pub(crate) fn kernel_context(&self) -> Check<Register> {
        let name = self.program_type.kernel_context();
        let name = name.ok_or_else(|| Refusal::new(EINVAL, "the context is no struct of the kernel"))?;
        Ok(self.kernel_object(name)?.with_flags(PointerFlags::TRUSTED))
    }

    /// An address as one of a type of the kernel, to be read with care.
    pub(crate) fn read_only_cast(&self, call: &KfuncCall) -> Check<Register> {
        let number = call.constant.unwrap_or_default();
        let id = TypeId(u32::try_from(number).unwrap_or(u32::MAX));
        let memory = PointerFlags::READ_ONLY | PointerFlags::UNTRUSTED;
        match self.kernel_btf()?.get(id) {
            _ if id.is_void() => Ok(Register::pointer(Kind::Memory(0)).with_flags(memory)),
            Some(Type::Struct(_) | Type::Union(_)) => {
                Ok(Register::pointer(Kind::Btf(id)).with_flags(PointerFlags::UNTRUSTED))
            }
            Some(_) => invalid("kfunc bpf_rdonly_cast type ID argument must be of a struct or void"),
            None => invalid(format!("Unknown type ID {number} passed to kfunc bpf_rdonly_cast")),
        }
    }
}
