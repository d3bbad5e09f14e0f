//! Kernel objects described by the kernel's BTF: contexts typed by it, and loads that walk from struct to struct.

use super::context::invalid_access;
use super::memory::Access;
use crate::domain::register::{Kind, PointerFlags, Register};
use crate::domain::scalar::Scalar;
use crate::reason::Reason;
use crate::refusal::{Check, EACCES, EINVAL, Refusal, denied};
use crate::verifier::Verifier;
use skep_abi::attach_type::AttachType;
use skep_btf::{Btf, Kind as BtfKind, Type, TypeId};

/// One argument of a context that BTF describes.
enum Argument {
    /// A number, or an address that may not be followed.
    Number,
    /// A kernel object.
    Object(TypeId),
}

impl<'a> Verifier<'a> {
    /// The BTF of the kernel the program is meant for.
    pub(crate) fn kernel_btf(&self) -> Check<&'a Btf> {
        self.options.kernel_btf.ok_or_else(|| {
            Refusal::unsupported("uses of kernel types without the kernel's BTF").hint("give a kernel BTF")
        })
    }

    /// The BTF behind a descriptor: 0 is the kernel's own.
    pub(crate) fn btf_by_fd(&self, fd: i32) -> Check<&'a Btf> {
        if fd != 0 {
            return Err(Refusal::unsupported("variables of kernel modules"));
        }
        self.kernel_btf()
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
    pub(crate) fn check_btf_access(&mut self, base: &Register, offset: i32, access: &Access) -> Check<Register> {
        let Kind::Btf(id) = base.kind else { return denied("not a kernel object") };
        let btf = self.kernel_btf()?;
        let (name, number) = (btf.name(id), access.base.number());
        if !self.may_leak_pointers() {
            return denied(format!("'struct {name}' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN"));
        }
        if !self.program.gpl_compatible {
            return Reason::Licence
                .denied(format!("Cannot access kernel 'struct {name}' from non-GPL compatible program"));
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
        if base.flags.contains(PointerFlags::USER) {
            return denied(format!("R{number} is ptr_{name} access user memory: off={offset}"));
        }
        if base.flags.contains(PointerFlags::PER_CPU) {
            return denied(format!("R{number} is ptr_{name} access percpu memory: off={offset}"));
        }
        if access.mode.is_write() {
            return denied("only read is supported");
        }
        let mut loaded = self.walk(btf, id, offset, access.size)?;
        if matches!(loaded.kind, Kind::Btf(_)) && base.flags.contains(PointerFlags::UNTRUSTED) {
            loaded.flags |= PointerFlags::UNTRUSTED;
        }
        Ok(loaded)
    }

    /// A load from a kernel struct by name.
    pub(crate) fn check_btf_struct_read(&mut self, name: &str, offset: i32, size: u32) -> Check<Register> {
        let btf = self.kernel_btf()?;
        let Kind::Btf(id) = self.kernel_object(name)?.kind else { return denied("not a kernel object") };
        self.walk(btf, id, offset, size)
    }

    /// What a load from a struct gives.
    pub(crate) fn walk(&self, btf: &Btf, id: TypeId, offset: i32, size: u32) -> Check<Register> {
        let name = btf.name(id);
        let beyond = || Refusal::new(EACCES, format!("access beyond struct {name} at off {offset} size {size}"));
        let bytes = btf.size_of(id).ok_or_else(beyond)?;
        let end = u64::from(offset.unsigned_abs()) + u64::from(size);
        let flexible = btf.is_flexible(id);
        if end > bytes && !flexible {
            return Err(beyond());
        }
        let Some(field) = btf.field_at(id, offset.unsigned_abs()) else {
            return if flexible { Ok(Register::scalar(Scalar::of_size(size as u8))) } else { Err(beyond()) };
        };
        let (_, ty) = btf.resolve(field.ty);
        let Type::Pointer(target) = ty else { return Ok(Register::scalar(Scalar::of_size(size as u8))) };
        let user = matches!(btf.ty(*target), Type::TypeTag(tag) if btf.str(tag.name) == "user");
        let (target, target_type) = btf.resolve(*target);
        if !matches!(target_type, Type::Struct(_)) {
            return Ok(Register::scalar(Scalar::of_size(size as u8)));
        }
        if size != 8 || field.remainder != 0 {
            return denied(format!("cannot access ptr member at off {offset} in struct {name} with size {size}"));
        }
        let pointer = Register::pointer(Kind::Btf(target));
        Ok(if user { pointer.with_flags(PointerFlags::USER) } else { pointer })
    }

    /// A load from a context whose layout is the argument list of the attach target.
    pub(crate) fn check_btf_context(&mut self, offset: i32, access: &Access) -> Check<Register> {
        if access.mode.is_write() || offset < 0 {
            return Err(invalid_access(offset, access.size));
        }
        let target = self.program.attach_target.as_ref();
        let target = target.ok_or_else(|| Refusal::unsupported("this program without its attach target"))?;
        let btf = self.kernel_btf()?;
        if offset % 8 != 0 {
            return Err(Refusal::new(EACCES, invalid_access(offset, access.size).message)
                .after(format!("func '{}' offset {offset} is not multiple of 8", target.name)));
        }
        let arguments = attach_arguments(btf, target.id, self.program.attach_type)
            .ok_or_else(|| Refusal::new(EINVAL, format!("{} is not a function", target.name)))?;
        let index = (offset / 8) as usize;
        match arguments.get(index) {
            None => Err(Refusal::new(EACCES, invalid_access(offset, access.size).message).after(format!(
                "func '{}' doesn't have {}-th argument",
                target.name,
                index + 1
            ))),
            // What is above a narrow argument in its register is not defined.
            Some(Argument::Number) => Ok(Register::UNKNOWN),
            Some(Argument::Object(_)) if access.size != 8 => Err(invalid_access(offset, access.size)),
            Some(Argument::Object(id)) => Ok(Register::pointer(Kind::Btf(*id)).with_flags(PointerFlags::TRUSTED)),
        }
    }
}

/// The arguments that a program attached there finds in its context; with the return value last where the attach type
/// gives it.
fn attach_arguments(btf: &Btf, target: TypeId, attach: Option<AttachType>) -> Option<Vec<Argument>> {
    let mut ty = btf.resolve(target).1;
    let mut skip = 0;
    if let Type::Function(function) = ty {
        ty = btf.resolve(function.prototype).1;
    } else if let Type::Pointer(pointee) = ty {
        // A tracepoint's typedef: its first parameter is private to the tracing core.
        ty = btf.resolve(*pointee).1;
        skip = 1;
    }
    let Type::FunctionPrototype(prototype) = ty else { return None };
    let mut arguments: Vec<Argument> = prototype.parameters.iter().skip(skip).map(|p| argument(btf, p.ty)).collect();
    if crate::tables::context_has_return_value(attach) {
        arguments.push(argument(btf, prototype.ret));
    }
    Some(arguments)
}

fn argument(btf: &Btf, ty: TypeId) -> Argument {
    match btf.resolve(ty).1 {
        Type::Pointer(target) => {
            let (id, target) = btf.resolve(*target);
            if matches!(target, Type::Struct(_)) { Argument::Object(id) } else { Argument::Number }
        }
        _ => Argument::Number,
    }
}
