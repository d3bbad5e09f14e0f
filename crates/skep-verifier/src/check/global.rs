//! Global functions: verified once, for every argument that their BTF signature allows; callers must pass such.

use super::arguments::CallFacts;
use super::dynptr::DynptrUse;
use super::kfunc_signature::DYNPTR_STRUCT;
use crate::domain::register::{Kind, PointerFlags, Register};
use crate::domain::state::State;
use crate::reason::Reason;
use crate::refusal::{Check, EINVAL, EOPNOTSUPP, Refusal, invalid};
use crate::verifier::Verifier;
use skep_abi::helper::{DynptrKind, MemAccess};
use skep_btf::{Kind as BtfKind, Type, TypeId};
use skep_isa::Reg;

/// One argument of a global function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GlobalArgument {
    /// A number.
    Number,
    /// The program's context.
    Context,
    /// Memory of a fixed size.
    Memory { bytes: u32, nullable: bool },
    /// A dynptr, not to be changed.
    Dynptr,
    /// A trusted kernel object.
    Object { id: TypeId, nullable: bool },
    /// An address in the arena.
    Arena,
    /// Whatever the caller passes, taken for a kernel object or (`None`) for memory, and read with care.
    Untrusted(Option<TypeId>),
}

impl Verifier<'_> {
    /// The state in which a global function starts.
    pub(crate) fn global_entry(&mut self, subprogram: usize) -> Check<State> {
        let start = self.code.range(subprogram).start;
        let mut state = State::new(subprogram as u16, start);
        state.sleepable = self.program.sleepable;
        let arguments = self.global_arguments(subprogram)?;
        self.check_exception_callback(subprogram, &arguments)?;
        for (index, argument) in arguments.into_iter().enumerate() {
            let Some(reg) = Reg::new(index as u8 + 1) else { break };
            let value = match argument {
                GlobalArgument::Number => Register::UNKNOWN,
                GlobalArgument::Context => Register::pointer(Kind::Context),
                GlobalArgument::Memory { bytes, nullable } => {
                    self.maybe_null(Register::pointer(Kind::Memory(bytes)), nullable)
                }
                GlobalArgument::Dynptr => Register::constant_dynptr(DynptrKind::Local, self.new_id()),
                GlobalArgument::Object { id, nullable } => {
                    let object = Register::pointer(Kind::Btf(id)).with_flags(PointerFlags::TRUSTED);
                    self.maybe_null(object, nullable)
                }
                GlobalArgument::Arena => Register::pointer(Kind::Arena),
                GlobalArgument::Untrusted(object) => untrusted(object),
            };
            state.set(reg, value);
        }
        Ok(state)
    }

    /// Whether a caller passes what the function takes.
    pub(crate) fn check_global_arguments(&mut self, state: &mut State, subprogram: usize) -> Check {
        for (index, argument) in self.global_arguments(subprogram)?.into_iter().enumerate() {
            let Some(reg) = Reg::new(index as u8 + 1) else { break };
            let register = *state.register(reg);
            if register.is_null() {
                self.values.mark(register.origin);
            }
            let number = reg.number();
            if !register.is_initialised() {
                return Reason::UninitialisedRegister.denied(format!("R{number} !read_ok"));
            }
            match argument {
                GlobalArgument::Number if register.is_scalar() => {}
                GlobalArgument::Number => return invalid(format!("R{number} is not a scalar")),
                GlobalArgument::Context => {
                    if register.kind != Kind::Context {
                        return Reason::Argument
                            .invalid(format!("R{number} type={} expected=ctx", register.type_name()));
                    }
                    self.check_unmodified(reg, &register, false)?;
                }
                GlobalArgument::Memory { nullable: true, .. } if register.is_null() => {}
                GlobalArgument::Memory { bytes, nullable } => {
                    if !nullable && (register.is_nullable() || register.is_null()) {
                        return Reason::MaybeNull.invalid(format!("arg#{index} is expected to be non-NULL"));
                    }
                    self.check_passed_memory(state, reg, &register, bytes)?;
                }
                GlobalArgument::Dynptr => self.check_passed_dynptr(state, index, reg)?,
                GlobalArgument::Object { nullable: true, .. } if register.is_null() => {}
                GlobalArgument::Object { id, nullable } => {
                    let fits = register.kind == Kind::Btf(id)
                        && (register.reference != 0 || register.flags.contains(PointerFlags::TRUSTED))
                        && (nullable || !register.is_nullable());
                    if !fits {
                        let list = "ptr_, trusted_ptr_, rcu_ptr_";
                        return Reason::Argument
                            .invalid(format!("R{number} type={} expected={list}", register.type_name()));
                    }
                }
                GlobalArgument::Arena if register.is_scalar() || register.kind == Kind::Arena => {}
                GlobalArgument::Arena => {
                    return Reason::Argument.invalid(format!("R{number} is not a pointer to arena or scalar."));
                }
                GlobalArgument::Untrusted(_) => {}
            }
        }
        Ok(())
    }

    fn check_passed_dynptr(&mut self, state: &mut State, index: usize, reg: Reg) -> Check {
        let register = *state.register(reg);
        match register.kind {
            Kind::Stack(_) => {}
            Kind::ConstantDynptr(_) => self.check_unmodified(reg, &register, false)?,
            _ => {
                return Reason::Argument
                    .invalid(format!("arg#{index} expected pointer to stack or const struct bpf_dynptr"));
            }
        }
        self.check_dynptr(state, reg, DynptrUse::Uses { kind: None, constant: true })?;
        Ok(())
    }

    /// The function may read and write all of it.
    pub(crate) fn check_passed_memory(
        &mut self,
        state: &mut State,
        reg: Reg,
        register: &Register,
        bytes: u32,
    ) -> Check {
        let mut facts = CallFacts::default();
        let pointer = Register { flags: register.flags - PointerFlags::NULLABLE, ..*register };
        state.set(reg, pointer);
        let checked = self
            .check_helper_memory(state, reg, bytes, MemAccess::Read, false, &mut facts)
            .and_then(|()| self.check_helper_memory(state, reg, bytes, MemAccess::Write, false, &mut facts));
        state.set(reg, *register);
        for range in facts.fills {
            self.fill_stack(state, range);
        }
        checked
    }

    /// What a function takes, by its BTF.
    pub(crate) fn global_arguments(&self, subprogram: usize) -> Check<Vec<GlobalArgument>> {
        let program = self.program.btf.as_ref().ok_or_else(|| Refusal::new(EINVAL, "the program has no BTF"))?;
        let start = self.code.range(subprogram).start as u32;
        let function = program.functions.iter().find(|(slot, _)| *slot == start).map(|(_, id)| *id);
        let function = function.ok_or_else(|| Refusal::new(EINVAL, "the function has no BTF"))?;
        let Type::Function(about) = program.btf.ty(function) else {
            return invalid("the function's BTF is no function");
        };
        let Type::FunctionPrototype(prototype) = program.btf.ty(about.prototype) else {
            return invalid("the function's BTF has no prototype");
        };
        let name = program.btf.str(about.name);
        let returned = program.btf.resolve(prototype.ret).1;
        if !matches!(returned, Type::Int(_) | Type::Enum(_) | Type::Enum64(_)) {
            return invalid(format!("Global function {name}() doesn't return scalar. Only those are supported."));
        }
        if prototype.parameters.len() > 5 {
            return invalid(format!(
                "Global function {name}() with {} > 5 args. Buggy compiler.",
                prototype.parameters.len()
            ));
        }
        if !matches!(program.btf.resolve(prototype.ret).1, Type::Int(_) | Type::Enum(_) | Type::Enum64(_)) {
            return invalid(format!("Global function {name}() doesn't return scalar. Only those are supported."));
        }
        let one = |(index, parameter): (usize, &skep_btf::Parameter)| {
            let tags = self.tags(function, index as u32);
            self.global_argument(parameter.ty, &tags, index, name)
        };
        prototype.parameters.iter().enumerate().map(one).collect()
    }

    /// The `arg:` tags of a parameter.
    fn tags(&self, function: TypeId, index: u32) -> Vec<&str> {
        let Some(program) = self.program.btf.as_ref() else { return Vec::new() };
        let tag = |ty| match ty {
            &Type::DeclTag(tag) if tag.target == function && tag.component == Some(index) => {
                program.btf.str(tag.name).strip_prefix("arg:")
            }
            _ => None,
        };
        program.btf.own_types().filter_map(|(_, ty)| tag(ty)).collect()
    }

    fn global_argument(&self, ty: TypeId, tags: &[&str], index: usize, function: &str) -> Check<GlobalArgument> {
        let Some(program) = self.program.btf.as_ref() else { return invalid("the program has no BTF") };
        let btf = program.btf;
        let (_, resolved) = btf.resolve(ty);
        let Type::Pointer(target) = resolved else {
            if !tags.is_empty() {
                return Reason::Argument.invalid(format!("arg#{index} has pointer tag, but is not a pointer type"));
            }
            return match resolved {
                Type::Int(_) | Type::Enum(_) | Type::Enum64(_) => Ok(GlobalArgument::Number),
                other => invalid(format!("Arg#{index} type {} in {function}() is not supported yet.", other.kind())),
            };
        };
        let (id, pointee) = btf.resolve(*target);
        let name = btf.name(id);
        check_tags(tags, index)?;
        if tags.contains(&"ctx") || self.is_context_argument(*target) {
            return if tags.iter().all(|tag| *tag == "ctx") { Ok(GlobalArgument::Context) } else { misfit(index) };
        }
        if name == DYNPTR_STRUCT {
            if !tags.is_empty() {
                return invalid(format!("arg#{index} has invalid combination of tags"));
            }
            return Ok(GlobalArgument::Dynptr);
        }
        if tags.contains(&"trusted") {
            if tags.contains(&"nonnull") {
                return misfit(index);
            }
            return Ok(GlobalArgument::Object {
                id: self.kernel_counterpart(id)?,
                nullable: tags.contains(&"nullable"),
            });
        }
        if tags.contains(&"untrusted") {
            let data = matches!(pointee, Type::Void | Type::Int(_) | Type::Float(_) | Type::Enum(_) | Type::Enum64(_));
            let object = if data { None } else { Some(self.kernel_counterpart(id)?) };
            return Ok(GlobalArgument::Untrusted(object));
        }
        if tags.contains(&"arena") {
            return Ok(GlobalArgument::Arena);
        }
        if tags.contains(&"nullable") {
            return misfit(index);
        }
        let size = btf.size_of(id).and_then(|size| u32::try_from(size).ok());
        match size {
            Some(bytes) if bytes > 0 => Ok(GlobalArgument::Memory { bytes, nullable: !tags.contains(&"nonnull") }),
            _ => invalid(format!(
                "arg#{index} reference type('{} {name}') size cannot be determined: -22",
                pointee.kind()
            )),
        }
    }

    /// Whether a pointer to this type is one to the context of programs of this type.
    fn is_context_argument(&self, target: TypeId) -> bool {
        let Some(program) = self.program.btf.as_ref() else { return false };
        let names = self.program_type.context_names();
        let named = |id: TypeId| names.contains(&program.btf.name(id));
        // The name may be that of a typedef on the way to the struct.
        let mut at = target;
        loop {
            if named(at) {
                return true;
            }
            at = match program.btf.ty(at) {
                Type::Typedef(typedef) => typedef.target,
                Type::Const(inner) | Type::Volatile(inner) | Type::Restrict(inner) => *inner,
                Type::TypeTag(tag) => tag.target,
                _ => return false,
            };
        }
    }

    /// The kernel's struct of the same name.
    fn kernel_counterpart(&self, id: TypeId) -> Check<TypeId> {
        let Some(program) = self.program.btf.as_ref() else { return invalid("the program has no BTF") };
        let name = program.btf.name(id);
        let object = self.kernel_btf()?.find(BtfKind::Struct, skep_btf::essential_name(name));
        object.ok_or_else(|| Refusal::new(EINVAL, format!("the kernel has no struct {name}")))
    }
}

/// What a function may read of an untrusted argument.
fn untrusted(object: Option<TypeId>) -> Register {
    match object {
        Some(id) => Register::pointer(Kind::Btf(id)).with_flags(PointerFlags::UNTRUSTED),
        None => Register::pointer(Kind::Memory(0)).with_flags(PointerFlags::UNTRUSTED | PointerFlags::READ_ONLY),
    }
}

/// The `__arg_…` tags there are; those of the second list stand alone.
const TAGS: &[&str] = &["ctx", "trusted", "nonnull", "nullable", "untrusted", "arena"];
const LONELY_TAGS: &[&str] = &["untrusted", "arena"];

fn check_tags(tags: &[&str], index: usize) -> Check {
    if tags.iter().any(|tag| !TAGS.contains(tag)) {
        return Err(Refusal::new(EOPNOTSUPP, format!("arg#{index} has unsupported set of tags")));
    }
    match tags.iter().find(|tag| LONELY_TAGS.contains(tag)) {
        Some(tag) if tags.len() > 1 => invalid(format!("arg#{index} {tag} cannot be combined with any other tags")),
        _ => Ok(()),
    }
}

fn misfit<T>(index: usize) -> Check<T> {
    invalid(format!("arg#{index} has invalid combination of tags"))
}
