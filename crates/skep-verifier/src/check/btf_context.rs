//! Contexts that are the arguments of a kernel function, tracepoint or hook, as the kernel's BTF has them.
//!
//! Each argument takes 8 bytes; a struct passed by value as many times 8 as it needs. What whoever called the program
//! vouches for is trusted; at the entry or exit of any kernel function nobody does. Source: `btf_ctx_access` in
//! `kernel/bpf/btf.c` of Linux 6.18.

use super::btf_walk::tag_flags;
use super::context::invalid_access;
use super::memory::Access;
use crate::domain::register::{BufferKind, Kind, PointerFlags, Register};
use crate::domain::scalar::Scalar;
use crate::domain::state::State;
use crate::input::{AttachTarget, TargetProgram};
use crate::refusal::{Check, EINVAL, Refusal};
use crate::verifier::Verifier;
use skep_abi::attach_argument::{ArgumentFact, element_argument, may_be_error, may_be_null};
use skep_abi::attach_type::AttachType;
use skep_abi::program_type::ReturnRange;
use skep_abi::writable_member::promoted;
use skep_btf::{Btf, FunctionPrototype, Kind as BtfKind, Parameter, StringOffset, Type, TypeId};

/// Bytes of a context with the most arguments that a function may have.
const MAX_BYTES: i32 = 8 * 12;

/// The prototype that a context follows.
pub(crate) struct TargetPrototype<'a> {
    /// Parameters that are arguments of the program.
    pub(crate) parameters: &'a [Parameter],
    /// What the target returns.
    pub(crate) ret: TypeId,
}

/// Of a function that may not be called as its BTF says: as many numbers as registers are passed.
const UNKNOWN_PARAMETERS: [Parameter; 5] = [Parameter { name: StringOffset::EMPTY, ty: TypeId::VOID }; 5];

impl AttachTarget {
    /// Whether it is a function of a program whose BTF does not say what it is called with.
    fn is_unreliable(&self) -> bool {
        let function = self.program.as_ref().and_then(|program| program.functions.iter().find(|f| f.id == self.id));
        function.is_some_and(|function| !function.reliable)
    }
}

impl<'a> Verifier<'a> {
    fn attach_target(&self) -> Check<&'a AttachTarget> {
        let target = self.program.attach_target.as_ref();
        target.ok_or_else(|| Refusal::unsupported("this program without its attach target"))
    }

    /// The BTF that describes the target: the kernel's, or that of a program.
    fn target_btf(&self) -> Check<&'a Btf> {
        match self.attach_target()?.program.as_ref().and_then(|program| program.btf.as_deref()) {
            Some(btf) => Ok(btf),
            None => self.kernel_btf(),
        }
    }

    /// The prototype of what the program is attached to.
    pub(crate) fn target_prototype(&self) -> Check<TargetPrototype<'a>> {
        let (target, btf) = (self.attach_target()?, self.target_btf()?);
        if target.is_unreliable() {
            return Ok(TargetPrototype { parameters: &UNKNOWN_PARAMETERS, ret: TypeId::VOID });
        }
        let not_a_function = || Refusal::new(EINVAL, format!("{} is not a function", target.name));
        let prototype = prototype(btf, target.id).ok_or_else(not_a_function)?;
        // The first parameter of a tracepoint is private to the tracing core.
        let hidden = usize::from(self.attach_type == Some(AttachType::TraceRawTp));
        let parameters = prototype.parameters.get(hidden..).ok_or_else(not_a_function)?;
        Ok(TargetPrototype { parameters, ret: prototype.ret })
    }

    /// A load from a context whose layout is the argument list of the attach target.
    pub(crate) fn check_btf_context(&mut self, state: &State, offset: i32, access: &Access) -> Check<Register> {
        let refused = || invalid_access(offset, access.size);
        let size = access.size as i32;
        if access.mode.is_write() || !(0..MAX_BYTES).contains(&offset) || offset % size != 0 {
            return Err(refused());
        }
        let (target, btf) = (self.attach_target()?, self.target_btf()?);
        let because = |line: String| Err(refused().after(line));
        let name = self.target_name(target);
        if offset % 8 != 0 {
            return because(format!("func '{name}' offset {offset} is not multiple of 8"));
        }
        let prototype = self.target_prototype()?;
        if target.is_unreliable() {
            return match offset / 8 {
                0..5 => Ok(Register::UNKNOWN),
                5 if crate::tables::context_has_return_value(self.attach_type) => Ok(Register::UNKNOWN),
                at => because(format!("func '{name}' doesn't have {}-th argument", at + 1)),
            };
        }
        let (index, ty) = match place_of(btf, &prototype, offset) {
            Some(index) if index < prototype.parameters.len() => (index, prototype.parameters[index].ty),
            Some(index) if crate::tables::context_has_return_value(self.attach_type) => (index, prototype.ret),
            found => {
                let argument = found.unwrap_or((offset / 8) as usize) + 1;
                return because(format!("func '{name}' doesn't have {argument}-th argument"));
            }
        };
        let number = index == prototype.parameters.len() && self.attach_type == Some(AttachType::ModifyReturn);
        let (id, resolved) = btf.resolve(ty);
        let returned = index == prototype.parameters.len();
        match resolved {
            Type::Int(int) if int.size <= 8 => {
                let range = crate::tables::range_of_target(self.attach_type, target).filter(|_| returned);
                let within = |range: ReturnRange| Scalar::signed_range(range.min.into(), range.max.into());
                Ok(range.map_or(Register::UNKNOWN, |range| Register::scalar(within(range))))
            }
            other if number => because(format!("ret type {} not allowed for fmod_ret", kind_name(other))),
            Type::Enum(_) | Type::Enum64(_) | Type::Struct(_) | Type::Union(_) => Ok(Register::UNKNOWN),
            Type::Pointer(target) => {
                let argument = self.pointer_argument(index, *target, access, (&name, offset))?;
                self.with_reference(state, index, offset, argument)
            }
            other => because(format!(
                "func '{name}' arg{index} '{}' has type {}. Only pointer access is allowed",
                btf.name(id),
                kind_name(other)
            )),
        }
    }

    /// An argument that is a pointer.
    fn pointer_argument(
        &mut self,
        index: usize,
        pointee: TypeId,
        access: &Access,
        (name, offset): (&str, i32),
    ) -> Check<Register> {
        let btf = self.target_btf()?;
        let because = |line: String| Err(invalid_access(offset, access.size).after(line));
        if access.size != 8 {
            return because(format!("func '{name}' size {} must be 8", access.size));
        }
        let target = self.attach_target()?;
        let fact = match self.attach_type {
            Some(AttachType::TraceIter) => element_argument(&target.name, index),
            Some(AttachType::TraceRawTp) => {
                may_be_null(name, index).then_some(ArgumentFact::Object { trusted: true, or_null: true })
            }
            _ => None,
        };
        if let Some(ArgumentFact::Buffer { read_only }) = fact {
            let buffer = Register::pointer(Kind::Buffer(BufferKind::Element));
            let flags = if read_only { PointerFlags::READ_ONLY } else { PointerFlags::empty() };
            return Ok(self.maybe_null(buffer.with_flags(flags), true));
        }
        if self.attach_type == Some(AttachType::TraceRawTp) && may_be_error(name, index) {
            return Ok(Register::UNKNOWN);
        }
        let (id, ty) = btf.resolve(pointee);
        match ty {
            Type::Void | Type::Int(_) => return Ok(Register::UNKNOWN),
            Type::Struct(_) | Type::Union(_) => {}
            other => return because(format!("func '{name}' arg{index} type {} is not a struct", kind_name(other))),
        }
        if let Some(program) = target.program.as_deref() {
            return self.context_of_program(program, btf.name(id)).ok_or_else(|| invalid_access(offset, access.size));
        }
        let seen_as = target.interface.as_deref().and_then(|interface| promoted(interface, btf.name(id)));
        let id = seen_as.and_then(|name| btf.find(BtfKind::Struct, name)).unwrap_or(id);
        let mut flags = tag_flags(btf, pointee) - PointerFlags::RCU;
        let (trusted, or_null) = match fact {
            Some(ArgumentFact::Object { trusted, or_null }) => (trusted, or_null),
            _ => (crate::tables::vouches_for_arguments(self.info, self.attach_type, target), false),
        };
        flags.set(PointerFlags::TRUSTED, trusted);
        let or_null = or_null || self.is_nullable_parameter(index);
        Ok(self.maybe_null(Register::pointer(Kind::Btf(id)).with_flags(flags), or_null))
    }

    /// What a watched program's context is to the kernel; no other structs are known there.
    fn context_of_program(&self, program: &TargetProgram, name: &str) -> Option<Register> {
        let kernel =
            program.program_type.kernel_context().filter(|_| program.program_type.context_names().contains(&name))?;
        let id = self.kernel_btf().ok()?.find(BtfKind::Struct, kernel)?;
        Some(Register::pointer(Kind::Btf(id)))
    }

    /// Whether a parameter's name ends so; of an interface's member, its name in the function that the kernel has in the
    /// member's place (`tcp_congestion_ops__init`).
    pub(crate) fn parameter_ends_with(&self, index: usize, ending: &str) -> bool {
        let (Ok(target), Ok(btf)) = (self.attach_target(), self.target_btf()) else { return false };
        let named = match &target.interface {
            None => self.target_prototype().ok().map(|prototype| prototype.parameters),
            Some(interface) => btf
                .find(BtfKind::Function, &format!("{interface}__{}", target.name))
                .and_then(|stub| prototype(btf, stub))
                .map(|prototype| &*prototype.parameters),
        };
        named.and_then(|all| all.get(index)).is_some_and(|parameter| btf.str(parameter.name).ends_with(ending))
    }

    /// The target's name as the kernel's messages have it.
    fn target_name(&self, target: &AttachTarget) -> String {
        let prefix = match self.attach_type {
            Some(AttachType::TraceRawTp) => AttachType::TraceRawTp.btf_target().map_or("", |target| target.prefix),
            _ => "",
        };
        target.name.strip_prefix(prefix).unwrap_or(&target.name).to_owned()
    }
}

/// The prototype behind a function, a tracepoint's typedef, or a member that is a pointer to a function.
fn prototype(btf: &Btf, target: TypeId) -> Option<&FunctionPrototype> {
    let mut ty = btf.resolve(target).1;
    if let Type::Pointer(pointee) = ty {
        ty = btf.resolve(*pointee).1;
    }
    if let Type::Function(function) = ty {
        ty = btf.resolve(function.prototype).1;
    }
    match ty {
        Type::FunctionPrototype(prototype) => Some(prototype),
        _ => None,
    }
}

/// Which argument lies at an offset; the one after the last is the return value.
fn place_of(btf: &Btf, prototype: &TargetPrototype<'_>, offset: i32) -> Option<usize> {
    let mut end = 0u64;
    for (index, parameter) in prototype.parameters.iter().enumerate() {
        end += btf.size_of(parameter.ty).unwrap_or(8).clamp(1, 64).next_multiple_of(8);
        if (offset.unsigned_abs() as u64) < end {
            return Some(index);
        }
    }
    (u64::from(offset.unsigned_abs()) < end + 8).then_some(prototype.parameters.len())
}

/// Linux's name of a kind of type.
pub(crate) fn kind_name(ty: &Type) -> String {
    match ty {
        Type::Void => "UNKNOWN".to_owned(),
        Type::Pointer(_) => "PTR".to_owned(),
        Type::FunctionPrototype(_) => "FUNC_PROTO".to_owned(),
        Type::Forward(_) => "FWD".to_owned(),
        other => other.kind().to_string().to_uppercase(),
    }
}
