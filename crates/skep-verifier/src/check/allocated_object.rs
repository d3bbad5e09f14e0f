//! Objects that programs allocate: structs of their own BTF.
//!
//! An object is owned through a reference until it is given back or moved to where something else owns it. Programs
//! read and write its plain fields; special fields are for the functions made for them, and pointers in it are numbers.

use super::btf_walk::{Found, walk};
use super::kfunc::KfuncCall;
use super::memory::Access;
use super::trust::untrusted_memory;
use crate::domain::register::{Kind, ObjectRef, PointerFlags, Register};
use crate::domain::state::State;
use crate::reason::Reason;
use crate::refusal::{Check, EACCES, EINVAL, Refusal};
use crate::special_fields::Malformed;
use crate::verifier::Verifier;
use skep_abi::special_field::SpecialKind;
use skep_btf::{Btf, Type, TypeId};

/// Bytes of the largest object that each CPU can have one of (Linux: `BPF_GLOBAL_PERCPU_MA_MAX_SIZE`).
const MAX_PER_CPU_BYTES: u32 = 512;

impl<'a> Verifier<'a> {
    /// The type of objects of a struct.
    pub(crate) fn object_type(&mut self, btf: &'a Btf, id: TypeId) -> Check<ObjectRef> {
        self.objects.intern(btf, id, self.options.kernel_btf).map_err(|Malformed { reason, errno }| {
            Refusal::new(errno, format!("struct {} makes no sense as an object: {reason}", btf.name(id)))
        })
    }

    /// The name of what a register points to, for messages.
    pub(crate) fn pointee_name(&self, register: &Register) -> &'a str {
        match register.kind {
            Kind::Btf(id) => self.options.kernel_btf.map_or("", |btf| btf.name(id)),
            Kind::Object(object) => self.objects.get(object).name(),
            _ => "",
        }
    }

    /// A load from an object or a store to it.
    pub(crate) fn check_object_access(
        &mut self,
        base: &Register,
        object: ObjectRef,
        offset: i32,
        access: &Access,
    ) -> Check<Register> {
        let ty = self.objects.get(object);
        let (btf, id, name, number) = (ty.btf, ty.id, ty.name(), access.base.number());
        if !self.may_leak_pointers() {
            return Reason::PointerLeak
                .denied(format!("'struct {name}' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN"));
        }
        if offset < 0 {
            return Reason::Argument.denied(format!("R{number} is ptr_{name} invalid negative access: off={offset}"));
        }
        if base.value.as_constant() != Some(0) {
            return Reason::Argument.denied(format!(
                "R{number} is ptr_{name} invalid variable offset: off={offset}, var_off={}",
                base.value.bits
            ));
        }
        if base.flags.contains(PointerFlags::PER_CPU) {
            return Reason::Argument.denied(format!("R{number} is ptr_{name} access percpu memory: off={offset}"));
        }
        let allocated = base.is_allocated();
        if access.mode.is_write() && !allocated {
            return Reason::ReadOnly.denied("only read is supported");
        }
        if allocated {
            let end = i64::from(offset) + i64::from(access.size);
            if let Some(field) = ty.record.touched(offset.into(), end).next() {
                return Err(Refusal::new(EACCES, format!("direct access to {} is disallowed", field.name))
                    .of(Reason::SpecialField)
                    .hint("use the functions made for it"));
            }
        }
        match walk(btf, id, offset.unsigned_abs(), access.size)? {
            Found::Number | Found::Struct(_) => Ok(Register::UNKNOWN),
            Found::Address => Ok(untrusted_memory()),
            // What is stored in an object becomes no pointer again.
            Found::Object { .. } if allocated => Ok(Register::UNKNOWN),
            Found::Object { id, .. } => {
                let target = self.object_type(btf, id)?;
                Ok(Register::pointer(Kind::Object(target)).with_flags(PointerFlags::UNTRUSTED))
            }
        }
    }

    /// An object that is given back, or that a second reference is wanted to.
    pub(crate) fn check_allocated_argument(
        &self,
        index: usize,
        register: &Register,
        per_cpu: bool,
        call: &mut KfuncCall,
    ) -> Check {
        let (true, Kind::Object(object)) = (register.is_allocated(), register.kind) else {
            return Reason::Argument.invalid(format!("arg#{index} expected pointer to allocated object"));
        };
        let for_each_cpu = register.flags == PointerFlags::PER_CPU;
        if !for_each_cpu && !register.flags.is_empty() {
            return Reason::Argument.invalid(format!("arg#{index} expected pointer to allocated object"));
        }
        if for_each_cpu != per_cpu {
            let function = if for_each_cpu { "bpf_percpu_obj_drop_impl" } else { "bpf_obj_drop_impl" };
            return Reason::Argument.invalid(format!("arg#{index} expected for {function}()"));
        }
        if register.reference == 0 {
            return Reason::Argument.invalid("allocated object must be referenced");
        }
        call.object = Some(object);
        Ok(())
    }

    /// An object that counts its references.
    pub(crate) fn check_counted_argument(&self, index: usize, register: &Register, call: &mut KfuncCall) -> Check {
        let (true, Kind::Object(object)) = (register.is_allocated(), register.kind) else {
            return Reason::Argument.invalid(format!("arg#{index} is neither owning or non-owning ref"));
        };
        if self.objects.get(object).record.of_kind(SpecialKind::ReferenceCount).is_none() {
            return Reason::Argument.invalid(format!("arg#{index} doesn't point to a type with bpf_refcount field"));
        }
        call.object = Some(object);
        call.owned = !register.flags.contains(PointerFlags::NON_OWNING);
        Ok(())
    }

    /// A new object of the type that the constant argument names.
    pub(crate) fn new_object(&mut self, call: &KfuncCall, per_cpu: bool) -> Check<Register> {
        let id = call.constant.unwrap_or(u64::MAX);
        let Ok(id) = u32::try_from(id) else {
            return Reason::Argument.invalid("local type ID argument must be in range [0, U32_MAX]");
        };
        let Some(program) = self.program.btf.as_ref() else {
            return Reason::Argument.invalid("bpf_obj_new/bpf_percpu_obj_new requires prog BTF");
        };
        let btf: &'a Btf = program.btf;
        let id = TypeId(id);
        let Some(Type::Struct(composite)) = btf.get(id) else {
            return Reason::Argument.invalid("bpf_obj_new/bpf_percpu_obj_new type ID argument must be of a struct");
        };
        if per_cpu && composite.size > MAX_PER_CPU_BYTES {
            let size = composite.size;
            return Reason::Argument
                .invalid(format!("bpf_percpu_obj_new type size ({size}) is greater than {MAX_PER_CPU_BYTES}"));
        }
        if per_cpu && !super::kfunc_signature::is_plain_data(btf, id, 0) {
            return Reason::Argument.invalid("bpf_percpu_obj_new type ID argument must be of a struct of scalars");
        }
        let object = self.object_type(btf, id)?;
        if per_cpu && !self.objects.get(object).record.is_empty() {
            return Reason::Argument.invalid("bpf_percpu_obj_new type ID argument must not contain special fields");
        }
        let pointer = Register::pointer(Kind::Object(object));
        Ok(if per_cpu { pointer.with_flags(PointerFlags::PER_CPU) } else { pointer })
    }

    /// The result of what gives a second reference.
    pub(crate) fn same_object(&self, call: &KfuncCall) -> Check<Register> {
        call.object
            .map(|object| Register::pointer(Kind::Object(object)))
            .ok_or_else(|| Refusal::new(EINVAL, "the object is not known"))
    }

    /// The one that a CPU has of what each CPU has one of.
    pub(crate) fn one_of_each_cpu(&self, each: Register) -> Check<Register> {
        match each.kind {
            Kind::Object(_) => Ok(Register::pointer(each.kind).with_flags(PointerFlags::RCU)),
            Kind::Btf(ty) => self.variable_of_cpu(ty),
            _ => Reason::Argument.invalid("not one for each CPU"),
        }
    }

    /// Makes an owning pointer to an object one that a list or tree lends.
    pub(crate) fn lend(&self, register: &mut Register) {
        register.reference = 0;
        register.flags |= PointerFlags::NON_OWNING;
        let record = self.record_of(register);
        if record.is_some_and(|record| record.of_kind(SpecialKind::ReferenceCount).is_some()) {
            register.flags |= PointerFlags::RCU;
        }
    }

    /// The object has moved into a list or tree: the reference is gone, pointers to it stay usable under the lock.
    pub(crate) fn lend_all(&self, state: &mut State, reference: u32) -> Check {
        if !state.holds(reference) {
            return Reason::NotAcquired.denied("reference has not been acquired before");
        }
        state.references.retain(|r| r.id != reference);
        state.change_each(|r| r.reference == reference, |r| self.lend(r));
        Ok(())
    }
}
