//! Global functions: verified once, for every argument that their BTF signature allows; callers must pass such.

use super::arguments::CallFacts;
use super::dynptr::DynptrUse;
use super::kfunc_signature::DYNPTR_STRUCT;
use crate::domain::register::{Kind, PointerFlags, Register};
use crate::domain::state::State;
use crate::refusal::{Check, EINVAL, Refusal, denied, invalid};
use crate::verifier::Verifier;
use skep_abi::helper::{DynptrKind, MemAccess};
use skep_abi::program_type::ContextInfo;
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
                return denied(format!("R{number} !read_ok"));
            }
            match argument {
                GlobalArgument::Number if register.is_scalar() => {}
                GlobalArgument::Number => return invalid(format!("R{number} is not a scalar")),
                GlobalArgument::Context => {
                    if register.kind != Kind::Context {
                        return invalid(format!("R{number} type={} expected=ctx", register.type_name()));
                    }
                    self.check_unmodified(reg, &register, false)?;
                }
                GlobalArgument::Memory { nullable: true, .. } if register.is_null() => {}
                GlobalArgument::Memory { bytes, nullable } => {
                    if !nullable && (register.is_nullable() || register.is_null()) {
                        return invalid(format!("arg#{index} is expected to be non-NULL"));
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
                        return invalid(format!("R{number} type={} expected={list}", register.type_name()));
                    }
                }
            }
        }
        Ok(())
    }

    fn check_passed_dynptr(&mut self, state: &mut State, index: usize, reg: Reg) -> Check {
        let register = *state.register(reg);
        match register.kind {
            Kind::Stack(_) => {}
            Kind::ConstantDynptr(_) => self.check_unmodified(reg, &register, false)?,
            _ => return invalid(format!("arg#{index} expected pointer to stack or const struct bpf_dynptr")),
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

    fn global_arguments(&self, subprogram: usize) -> Check<Vec<GlobalArgument>> {
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
            return match resolved {
                Type::Int(_) | Type::Enum(_) | Type::Enum64(_) => Ok(GlobalArgument::Number),
                other => invalid(format!("Arg#{index} type {} in {function}() is not supported yet.", other.kind())),
            };
        };
        let (id, pointee) = btf.resolve(*target);
        let name = btf.name(id);
        let context = match &self.info.context {
            ContextInfo::Struct { name: context, .. } | ContextInfo::Bytes { name: context, .. } => *context == name,
            _ => false,
        };
        if context || tags.contains(&"ctx") {
            return Ok(GlobalArgument::Context);
        }
        if name == DYNPTR_STRUCT {
            if !tags.is_empty() {
                return invalid(format!("arg#{index} has invalid combination of tags"));
            }
            return Ok(GlobalArgument::Dynptr);
        }
        if tags.contains(&"trusted") {
            let object = self.kernel_btf()?.find(BtfKind::Struct, skep_btf::essential_name(name));
            let object = object.ok_or_else(|| Refusal::new(EINVAL, format!("the kernel has no struct {name}")))?;
            return Ok(GlobalArgument::Object { id: object, nullable: tags.contains(&"nullable") });
        }
        let unknown = tags.iter().find(|t| !matches!(**t, "nonnull" | "nullable"));
        if let Some(tag) = unknown {
            return Err(Refusal::unsupported(format!("global functions with arguments tagged {tag}")));
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
}
