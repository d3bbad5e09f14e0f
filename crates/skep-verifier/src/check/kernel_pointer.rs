//! Kernel pointers in map values and objects (`__kptr` and its kin).
//!
//! A field owns the object it points to, or is an address that nobody vouches for. What owns is exchanged as a whole by
//! a helper: what goes in must be owned by the program, what comes out then is. Loading from it gives a pointer that may
//! be used while RCU keeps the object, or else only read through. Source: `map_kptr_match_type`, `btf_ld_kptr_type` and
//! `process_kptr_func` in `kernel/bpf/verifier.c` of Linux 6.18.

use super::memory::{Access, Mode, Stored};
use super::type_match::has_at;
use crate::domain::register::{Kind, MapRef, PointerFlags, Register, type_name};
use crate::domain::state::State;
use crate::reason::Reason;
use crate::refusal::{Check, EACCES, EINVAL, Refusal};
use crate::special_fields::{Detail, KernelPointer, SpecialField, Target};
use crate::verifier::Verifier;
use skep_abi::special_field::{KernelPointerKind, SpecialKind};
use skep_btf::Btf;
use skep_isa::Reg;

/// A field that is exchanged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange {
    pub(crate) kind: KernelPointerKind,
    /// What it points to.
    pub(crate) target: Kind,
}

impl<'a> Verifier<'a> {
    /// The BTF that describes what a register points into.
    pub(crate) fn btf_around(&self, register: &Register) -> Check<&'a Btf> {
        let btf = match register.kind {
            Kind::MapValue(map) => self.maps.facts(map).value_type.as_ref().map(|(btf, _)| &**btf),
            Kind::Object(object) => Some(self.objects.get(object).btf),
            _ => None,
        };
        btf.ok_or_else(|| Refusal::new(EINVAL, "the type around this field is not known"))
    }

    /// What a field of a given BTF points to.
    fn target(&mut self, btf: &'a Btf, pointer: KernelPointer) -> Check<Kind> {
        match pointer.target {
            Target::Kernel(id) => Ok(Kind::Btf(id)),
            Target::Own(id) => Ok(Kind::Object(self.object_type(btf, id)?)),
            Target::Unknown => self.kernel_btf().map(|_| Kind::Uninitialised),
        }
    }

    /// The field that an access to a map value goes to, if there is one exactly there.
    pub(crate) fn kernel_pointer_field(&self, base: &Register, map: MapRef, offset: i32) -> Option<SpecialField> {
        let variable = base.value.as_constant()? as i64;
        let at = variable.checked_add(offset.into())?;
        self.maps.special_fields(map).at(at, SpecialKind::KernelPointer).copied()
    }

    /// A load from such a field or a store to it.
    pub(crate) fn access_kernel_pointer(
        &mut self,
        state: &State,
        base: &Register,
        field: &SpecialField,
        access: &Access,
    ) -> Check<Register> {
        let Detail::Pointer(pointer) = field.detail else { return Ok(Register::UNKNOWN) };
        let plain = !access.aligned
            && matches!(access.mode, Mode::Read | Mode::Write(Stored::Register(_) | Stored::Constant(_)));
        if !plain {
            return Reason::SpecialField.denied("kptr in map can only be accessed using BPF_MEM instruction mode");
        }
        let Mode::Write(stored) = access.mode else { return self.load_kernel_pointer(state, base, pointer) };
        if pointer.kind.is_owning() {
            return Err(Refusal::new(EACCES, "store to referenced kptr disallowed")
                .of(Reason::SpecialField)
                .of(Reason::SpecialField)
                .hint("use bpf_kptr_xchg"));
        }
        if pointer.kind == KernelPointerKind::User {
            return Reason::SpecialField.denied("store to uptr disallowed");
        }
        match stored {
            Stored::Constant(0) => {}
            Stored::Constant(_) | Stored::Data => {
                return Reason::SpecialField
                    .denied(format!("BPF_ST imm must be 0 when storing to kptr at off={}", field.offset));
            }
            Stored::Register(reg) => {
                let register = *state.register(reg);
                if !register.is_null() {
                    let target = self.target(self.btf_around(base)?, pointer)?;
                    self.check_field_type(reg, &register, Exchange { kind: pointer.kind, target })?;
                }
            }
        }
        Ok(Register::UNKNOWN)
    }

    fn load_kernel_pointer(&mut self, state: &State, base: &Register, pointer: KernelPointer) -> Check<Register> {
        let btf = self.btf_around(base)?;
        if let (KernelPointerKind::User, Target::Own(id)) = (pointer.kind, pointer.target) {
            let bytes = btf.size_of(id).and_then(|size| u32::try_from(size).ok());
            let bytes = bytes.ok_or_else(|| Refusal::new(EINVAL, "the size behind a uptr is not known"))?;
            return Ok(self.maybe_null(Register::pointer(Kind::Memory(bytes)), true));
        }
        let kind = self.target(btf, pointer)?;
        let mut flags = PointerFlags::UNTRUSTED;
        if pointer.rcu_protected && self.in_rcu_section(state) {
            flags = PointerFlags::RCU;
            if pointer.kind == KernelPointerKind::PerCpu {
                flags |= PointerFlags::PER_CPU;
            }
            let in_graph = [SpecialKind::ListNode, SpecialKind::TreeNode];
            if let Kind::Object(object) = kind
                && in_graph.iter().any(|node| self.objects.get(object).record.of_kind(*node).is_some())
            {
                flags |= PointerFlags::NON_OWNING;
            }
        }
        Ok(self.maybe_null(Register::pointer(kind).with_flags(flags), true))
    }

    /// Whether a pointer is one that a field may hold.
    pub(crate) fn check_field_type(&self, reg: Reg, register: &Register, field: Exchange) -> Check {
        let untrusted = field.kind == KernelPointerKind::Untrusted;
        let allowed = match register.kind {
            Kind::Btf(_) if untrusted => {
                PointerFlags::NULLABLE | PointerFlags::TRUSTED | PointerFlags::RCU | PointerFlags::UNTRUSTED
            }
            Kind::Btf(_) => PointerFlags::NULLABLE | PointerFlags::TRUSTED | PointerFlags::RCU,
            Kind::Object(_) if field.kind == KernelPointerKind::PerCpu => {
                PointerFlags::NULLABLE | PointerFlags::PER_CPU
            }
            Kind::Object(_) => PointerFlags::NULLABLE,
            _ => return Err(self.bad_field_type(reg, register, field)),
        };
        if !allowed.contains(register.flags) {
            return Err(self.bad_field_type(reg, register, field));
        }
        self.check_unmodified(reg, register, true)?;
        let fits = match (register.kind, field.target) {
            (found, wanted) if found == wanted && register.offset == 0 => true,
            (Kind::Btf(found), Kind::Btf(wanted)) if untrusted => {
                has_at(self.kernel_btf()?, found, register.offset.unsigned_abs(), wanted)
            }
            _ => false,
        };
        if fits { Ok(()) } else { Err(self.bad_field_type(reg, register, field)) }
    }

    fn bad_field_type(&self, reg: Reg, register: &Register, field: Exchange) -> Refusal {
        let wanted = self.pointee_name(&Register::pointer(field.target));
        let pointer = type_name(field.target, PointerFlags::empty());
        let mut message = format!(
            "invalid kptr access, R{} type={}{} expected={pointer}{wanted}",
            reg.number(),
            register.type_name(),
            self.pointee_name(register)
        );
        if field.kind == KernelPointerKind::Untrusted {
            message.push_str(&format!(" or {}{wanted}", type_name(field.target, PointerFlags::UNTRUSTED)));
        }
        Refusal::new(EACCES, message).of(Reason::Argument)
    }

    /// The field that an exchange is about.
    pub(crate) fn check_exchanged_field(&mut self, reg: Reg, register: &Register) -> Check<Exchange> {
        let number = reg.number();
        if let Kind::MapValue(map) = register.kind
            && self.maps.facts(map).value_type.is_none()
        {
            let name = &self.maps.facts(map).name;
            return Reason::SpecialField.invalid(format!("map '{name}' has to have BTF in order to use bpf_kptr_xchg"));
        }
        if !register.value.is_constant() {
            return Reason::SpecialField
                .invalid(format!("R{number} doesn't have constant offset. kptr has to be at the constant offset"));
        }
        let offset = i64::from(register.offset).saturating_add(register.value.smin);
        let record = self.record_of(register).filter(|record| record.of_kind(SpecialKind::KernelPointer).is_some());
        let Some(record) = record else {
            return Reason::SpecialField.invalid(format!("R{number} has no valid kptr"));
        };
        let field = record.at(offset, SpecialKind::KernelPointer).map(|field| field.detail);
        let Some(Detail::Pointer(pointer)) = field else {
            return Reason::SpecialField.denied(format!("off={offset} doesn't point to kptr"));
        };
        if !pointer.kind.is_owning() {
            return Reason::SpecialField.denied(format!("off={offset} kptr isn't referenced kptr"));
        }
        let target = self.target(self.btf_around(register)?, pointer)?;
        Ok(Exchange { kind: pointer.kind, target })
    }

    /// The reference has moved into a field. What each CPU has one of may still be read while RCU keeps it.
    pub(crate) fn move_into_field(&mut self, state: &mut State, reference: u32) -> Check {
        if self.in_rcu_section(state) {
            let stays = |r: &Register| r.reference == reference && r.flags.contains(PointerFlags::PER_CPU);
            state.change_each(stays, |r| {
                r.reference = 0;
                r.flags |= PointerFlags::RCU;
            });
        }
        self.release(state, reference)
    }

    /// What an exchange gives back.
    pub(crate) fn exchanged(&self, field: Exchange) -> Register {
        let pointer = Register::pointer(field.target);
        match field.kind {
            KernelPointerKind::PerCpu => pointer.with_flags(PointerFlags::PER_CPU),
            _ => pointer,
        }
    }
}
