//! Programs attached to programs: extensions, which replace a function and obey the rules of its program, and tracing
//! programs, which watch one.
//!
//! Source: `bpf_check_attach_target` in `kernel/bpf/verifier.c` and `btf_check_func_type_match` in `kernel/bpf/btf.c` of
//! Linux 6.18.

use super::btf_context::kind_name;
use crate::domain::state::State;
use crate::input::{AttachTarget, FunctionTraits, TargetProgram};
use crate::reason::Reason;
use crate::refusal::{Check, EFAULT, Refusal, invalid};
use crate::verifier::Verifier;
use skep_abi::attach_type::AttachType;
use skep_btf::{Btf, Function, FunctionLinkage, FunctionPrototype, Type, TypeId};

/// A function with the BTF it stands in.
#[derive(Clone, Copy)]
struct Described<'a> {
    btf: &'a Btf,
    about: &'a Function,
    prototype: &'a FunctionPrototype,
}

impl<'a> Described<'a> {
    fn new(btf: &'a Btf, id: TypeId) -> Option<Self> {
        let Type::Function(about) = btf.ty(id) else { return None };
        let Type::FunctionPrototype(prototype) = btf.ty(about.prototype) else { return None };
        Some(Described { btf, about, prototype })
    }

    fn name(&self) -> &'a str {
        self.btf.str(self.about.name)
    }
}

impl Verifier<'_> {
    /// Whether it replaces a function of another program.
    pub(crate) fn is_extension(&self) -> bool {
        self.program.program_type.info().extends_programs
    }

    /// The state in which an extension starts: it gets the arguments of the function it replaces, as its own BTF has them.
    pub(crate) fn extension_entry(&mut self) -> Check<State> {
        let name = self.signatures.name(0).unwrap_or("?").to_owned();
        self.log.function(0, &name);
        self.global_entry(0)
    }

    /// What others must know of the functions.
    pub(crate) fn function_traits(&self) -> Vec<FunctionTraits> {
        let Some(program) = &self.program.btf else { return Vec::new() };
        let traits = |(start, id): &(u32, TypeId)| {
            let subprogram = self.code.subprogram_at(*start as usize)?;
            Some(FunctionTraits {
                id: *id,
                reliable: self.is_called_as_described(subprogram),
                exception_callback: self.exception_callback == Some(subprogram),
                changes_packet: self.effects.changes_packet(subprogram),
                might_sleep: self.effects.might_sleep(subprogram),
            })
        };
        program.functions.iter().filter_map(traits).collect()
    }

    /// What a program may be attached to, of another program.
    pub(crate) fn check_target_program(&self) -> Check {
        let extension = self.is_extension();
        let Some(target) = &self.program.attach_target else {
            return if extension { refused("Tracing programs must provide btf_id") } else { Ok(()) };
        };
        let Some(program) = target.program.as_deref() else {
            return if extension { refused("Cannot replace kernel functions") } else { Ok(()) };
        };
        let Some(btf) = program.btf.as_deref() else {
            return refused("FENTRY/FEXIT program can only be attached to another program annotated with BTF");
        };
        let Some(function) = program.functions.iter().find(|function| function.id == target.id) else {
            return refused(format!("Subprog {} doesn't exist", target.name));
        };
        if function.exception_callback {
            let who = if extension { "Extension" } else { "FENTRY/FEXIT" };
            return refused(format!("{who} programs cannot attach to exception callback"));
        }
        if !extension {
            return self.check_watched(target, program);
        }
        self.check_replaced(function)?;
        if program.is_extension {
            return refused("Cannot recursively attach");
        }
        if matches!(program.attach_type, Some(AttachType::TraceFentry | AttachType::TraceFexit)) {
            return refused("Cannot extend fentry/fexit");
        }
        self.check_same_type(btf, target)
    }

    /// A tracing program may watch any function but that of a program which watches one already.
    fn check_watched(&self, target: &AttachTarget, program: &TargetProgram) -> Check {
        if program.traces_program {
            return refused("Cannot nest tracing program attach more than once");
        }
        match self.program.attach_type {
            Some(AttachType::TraceFentry | AttachType::TraceFexit) => Ok(()),
            Some(AttachType::ModifyReturn) => refused(format!("{}() is not modifiable", target.name)),
            _ => refused("Only FENTRY/FEXIT progs are attachable to another BPF prog"),
        }
    }

    /// A replacement must not do what callers of the original do not expect.
    fn check_replaced(&self, function: &FunctionTraits) -> Check {
        if !function.reliable {
            return refused("Cannot replace static functions");
        }
        if self.effects.changes_packet(0) && !function.changes_packet {
            return refused("Extension program changes packet data, while original does not");
        }
        if self.effects.might_sleep(0) && !function.might_sleep {
            return refused("Extension program may sleep, while original does not");
        }
        Ok(())
    }

    /// The replacement is declared like the original.
    fn check_same_type(&self, btf: &Btf, target: &AttachTarget) -> Check {
        let own = self.program.btf.as_ref().and_then(|own| Some((own.btf, own.functions.first()?.1)));
        let Some((own_btf, own_id)) = own else { return refused("Program extension requires BTF") };
        let Some(original) = Described::new(btf, target.id) else {
            return refused(format!("attach_btf_id {} is not a function", target.id.0));
        };
        let broken = || Refusal::new(EFAULT, "the program's BTF does not describe its function").of(Reason::Attach);
        match_functions(Described::new(own_btf, own_id).ok_or_else(broken)?, original)
    }

    /// Whether its callers in the program pass what its BTF says.
    ///
    /// Static functions are followed with whatever is passed; of those that take more than numbers and the context Linux
    /// believes nothing.
    fn is_called_as_described(&self, subprogram: usize) -> bool {
        use super::global::GlobalArgument::{Context, Number};
        let Ok(arguments) = self.global_arguments(subprogram) else { return false };
        if subprogram == 0 && !self.is_extension() {
            return arguments == [Context];
        }
        subprogram == 0
            || self.signatures.is_global(subprogram)
            || arguments.iter().all(|argument| matches!(argument, Number | Context))
    }
}

/// Both take and return the same: numbers of the same size, pointers to structs of the same name.
fn match_functions(own: Described<'_>, original: Described<'_>) -> Check {
    let both = [own, original];
    if let Some(local) = both.iter().find(|function| function.about.linkage != FunctionLinkage::Global) {
        return refused(format!("{}() is not a global function", local.name()));
    }
    let (name, name2) = (own.name(), original.name());
    let (parameters, parameters2) = (&own.prototype.parameters, &original.prototype.parameters);
    if parameters.len() != parameters2.len() {
        let (count, count2) = (parameters.len(), parameters2.len());
        return refused(format!("{name}() has {count} args while {name2}() has {count2} args"));
    }
    let [(_, returned), (_, returned2)] = both.map(|function| function.btf.resolve(function.prototype.ret));
    if !same_form(returned, returned2) {
        let (kind, kind2) = (kind_name(returned), kind_name(returned2));
        return refused(format!("Return type {kind} of {name}() doesn't match type {kind2} of {name2}()"));
    }
    parameters.iter().zip(parameters2).enumerate().try_for_each(|(index, (parameter, parameter2))| {
        match_parameters(index, (own, parameter.ty), (original, parameter2.ty))
    })
}

fn match_parameters(
    index: usize,
    (own, ty): (Described<'_>, TypeId),
    (original, ty2): (Described<'_>, TypeId),
) -> Check {
    let (name, name2) = (own.name(), original.name());
    let ((id, ty), (id2, ty2)) = (own.btf.resolve(ty), original.btf.resolve(ty2));
    if !same_form(ty, ty2) {
        let (kind, kind2) = (kind_name(ty), kind_name(ty2));
        return refused(format!("arg{index} in {name}() is {kind} while {name2}() has {kind2}"));
    }
    let (Type::Pointer(pointee), Type::Pointer(pointee2)) = (ty, ty2) else {
        let (size, size2) = (own.btf.size_of(id).unwrap_or(0), original.btf.size_of(id2).unwrap_or(0));
        if size != size2 {
            return refused(format!("arg{index} in {name}() has size {size} while {name2}() has {size2}"));
        }
        return match ty {
            Type::Int(_) | Type::Enum(_) | Type::Enum64(_) => Ok(()),
            _ => refused(format!("arg{index} in {name}() has unrecognized type")),
        };
    };
    let ((id, pointee), (id2, pointee2)) = (own.btf.resolve(*pointee), original.btf.resolve(*pointee2));
    for (pointee, name) in [(pointee, name), (pointee2, name2)] {
        if !matches!(pointee, Type::Struct(_) | Type::Union(_)) {
            return refused(format!("arg{index} in {name}() is not a pointer to context"));
        }
    }
    let (of, of2) = (own.btf.name(id), original.btf.name(id2));
    if of != of2 {
        return refused(format!("arg{index} {name}(struct {of} *) doesn't match {name2}(struct {of2} *)"));
    }
    Ok(())
}

/// Of the same kind, with as many members or values.
fn same_form(ty: &Type, ty2: &Type) -> bool {
    let members = |ty: &Type| match ty {
        Type::Enum(of) => (of.values.len(), of.signed),
        Type::Enum64(of) => (of.values.len(), of.signed),
        Type::Struct(of) | Type::Union(of) => (of.members.len(), false),
        _ => (0, false),
    };
    ty.kind() == ty2.kind() && members(ty) == members(ty2)
}

fn refused(message: impl Into<String>) -> Check {
    invalid(message).map_err(|refusal: Refusal| refusal.of(Reason::Attach))
}
