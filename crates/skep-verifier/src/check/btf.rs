//! Loads from kernel objects described by the kernel's BTF.

use super::btf_walk::{Found, walk};
use super::memory::Access;
use super::trust::untrusted_memory;
use crate::domain::register::{Kind, PointerFlags, Register};
use crate::domain::state::State;
use crate::reason::Reason;
use crate::refusal::{Check, EACCES, EINVAL, EPERM, Refusal, denied};
use crate::verifier::Verifier;
use skep_btf::{Btf, Kind as BtfKind, TypeId};
use skep_isa::Reg;

impl<'a> Verifier<'a> {
    /// The BTF of the kernel the program is meant for.
    pub(crate) fn kernel_btf(&self) -> Check<&'a Btf> {
        self.options.kernel_btf.ok_or_else(|| {
            Refusal::unsupported("uses of kernel types without the kernel's BTF").hint("give a kernel BTF")
        })
    }

    /// A type by its id in the BTF behind a descriptor: 0 is the kernel's own.
    pub(crate) fn type_by_fd(&self, id: u32, fd: i32) -> Check<TypeId> {
        let modules = self.program.modules;
        match modules.iter().position(|module| module.fd == fd) {
            _ if fd == 0 => Ok(TypeId(id)),
            Some(at) => Ok(crate::modules::number(modules, at, TypeId(id))),
            None => Err(Refusal::new(EINVAL, "invalid module BTF object FD specified.")),
        }
    }

    /// A pointer to a kernel struct by name.
    pub(crate) fn kernel_object(&self, name: &str) -> Check<Register> {
        let btf = self.kernel_btf()?;
        let id = btf
            .find(BtfKind::Struct, name)
            .ok_or_else(|| Refusal::new(EINVAL, format!("the kernel's BTF has no struct {name}")))?;
        Ok(Register::pointer(Kind::Btf(id)))
    }

    /// A load from a kernel object.
    pub(crate) fn check_btf_access(
        &mut self,
        state: &State,
        base: &Register,
        offset: i32,
        access: &Access,
    ) -> Check<Register> {
        let Kind::Btf(id) = base.kind else { return denied("not a kernel object") };
        self.check_object_readable(access.base, base, offset)?;
        if access.mode.is_write() {
            return self.check_object_write(base, id, offset, access);
        }
        let found = walk(self.kernel_btf()?, id, offset.unsigned_abs(), access.size)?;
        Ok(self.found_in_object(state, base, id, found))
    }

    /// Memory that a helper reads from a kernel object: it must lie inside of one member.
    pub(crate) fn check_object_memory(&self, reg: Reg, base: &Register, id: TypeId, size: u32) -> Check {
        self.check_object_readable(reg, base, base.offset)?;
        walk(self.kernel_btf()?, id, base.offset.unsigned_abs(), size).map(|_| ())
    }

    /// Licence, capabilities, and a pointer at a known distance into an object of the kernel's own memory.
    fn check_object_readable(&self, reg: Reg, base: &Register, offset: i32) -> Check {
        let Kind::Btf(id) = base.kind else { return denied("not a kernel object") };
        let (name, number) = (self.kernel_btf()?.name(id), reg.number());
        if !self.may_leak_pointers() {
            return Err(Refusal::new(
                EPERM,
                format!("'struct {name}' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN"),
            ));
        }
        if !self.program.gpl_compatible {
            return Reason::Licence
                .invalid(format!("Cannot access kernel 'struct {name}' from non-GPL compatible program"));
        }
        if offset < 0 {
            return denied(format!("R{number} is ptr_{name} invalid negative access: off={offset}"));
        }
        if base.value.as_constant() != Some(0) {
            return denied(format!(
                "R{number} is ptr_{name} invalid variable offset: off={offset}, var_off={}",
                base.value.bits
            ));
        }
        let elsewhere = [(PointerFlags::USER, "user"), (PointerFlags::PER_CPU, "percpu")];
        match elsewhere.iter().find(|(flag, _)| base.flags.contains(*flag)) {
            Some((_, whose)) => {
                Err(Refusal::new(EACCES, format!("R{number} is ptr_{name} access {whose} memory: off={offset}"))
                    .hint("copy it with bpf_probe_read_user, or take the address on one CPU with bpf_per_cpu_ptr"))
            }
            None => Ok(()),
        }
    }

    /// A load from a kernel struct by name, of which only the name is known.
    pub(crate) fn check_btf_struct_read(&mut self, name: &str, offset: i32, size: u32) -> Check<Register> {
        let Kind::Btf(id) = self.kernel_object(name)?.kind else { return denied("not a kernel object") };
        Ok(match walk(self.kernel_btf()?, id, offset.unsigned_abs(), size)? {
            Found::Number | Found::Struct(_) => Register::UNKNOWN,
            Found::Address => untrusted_memory(),
            Found::Object { id, flags, .. } => Register::pointer(Kind::Btf(id)).with_flags(flags),
        })
    }
}
