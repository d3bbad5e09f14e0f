//! Addresses of the kernel's own variables and functions (`.ksyms`), by their BTF.
//!
//! A variable that each CPU has one of must first be told of which; one with the type of a struct is a kernel object,
//! any other is memory to be read. Of a function only whether it is there can be asked.

use crate::domain::register::{Kind, PointerFlags, Register};
use crate::refusal::{Check, EINVAL, Refusal, invalid};
use crate::verifier::Verifier;
use skep_btf::{Btf, Kind as BtfKind, Type, TypeId};

/// The section of the variables that each CPU has one of.
const PER_CPU_SECTION: &str = ".data..percpu";

impl Verifier<'_> {
    /// `dst = &variable`, a two-slot load.
    pub(crate) fn kernel_variable(&self, id: u32, btf_fd: i32) -> Check<Register> {
        let (btf, id) = (self.kernel_btf()?, self.type_by_fd(id, btf_fd)?);
        match btf.get(id) {
            Some(Type::Function(_)) => Ok(read_only(0)),
            Some(Type::Variable(variable)) if is_per_cpu(btf, id) => {
                let ty = btf.resolve(variable.ty).0;
                Ok(Register::pointer(Kind::Btf(ty)).with_flags(PointerFlags::PER_CPU))
            }
            Some(Type::Variable(variable)) => plain_variable(btf, variable.ty),
            Some(_) => invalid(format!("pseudo btf_id {} in ldimm64 isn't KIND_VAR or KIND_FUNC", id.0)),
            None => invalid(format!("ldimm64 insn specifies invalid btf_id {}.", id.0)),
        }
    }

    /// One CPU's own of a variable that each CPU has one of.
    pub(crate) fn variable_of_cpu(&self, ty: TypeId) -> Check<Register> {
        plain_variable(self.kernel_btf()?, ty)
    }
}

fn plain_variable(btf: &Btf, ty: TypeId) -> Check<Register> {
    let (ty, resolved) = btf.resolve(ty);
    if matches!(resolved, Type::Struct(_) | Type::Union(_)) {
        return Ok(Register::pointer(Kind::Btf(ty)));
    }
    let size = btf.size_of(ty).and_then(|size| u32::try_from(size).ok());
    let unknown = || {
        let name = btf.name(ty);
        Refusal::new(EINVAL, format!("ldimm64 unable to resolve the size of type '{name}': -22"))
    };
    size.map(read_only).ok_or_else(unknown)
}

fn read_only(bytes: u32) -> Register {
    Register::pointer(Kind::Memory(bytes)).with_flags(PointerFlags::READ_ONLY)
}

fn is_per_cpu(btf: &Btf, id: TypeId) -> bool {
    let section = btf.find(BtfKind::DataSection, PER_CPU_SECTION).map(|section| btf.ty(section));
    matches!(section, Some(Type::DataSection(section)) if section.entries.iter().any(|entry| entry.ty == id))
}
