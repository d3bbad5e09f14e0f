//! Kernel functions as the kernel's BTF and the kfunc table describe them.
//!
//! BTF gives parameters and result; endings of parameter names (`__sz`, `__k`, `__ign`, …) and the flags of the table
//! give what types cannot say. Source: `Documentation/bpf/kfuncs.rst` of Linux 6.18.

use super::graph::is_node;
use crate::cfg::Code;
use crate::fast_call::Callee;
use crate::modules::{self, ModuleTypes};
use crate::reason::Reason;
use crate::refusal::{Check, EACCES, EINVAL, Refusal};
use skep_abi::kfunc::{self, Kfunc, KfuncFlags, KfuncRule};
use skep_abi::special_field::{self, SpecialKind};
use skep_btf::{Btf, Function, Parameter, Type, TypeId};
use skep_isa::{CallTarget, Insn};
use std::collections::HashMap;
use std::rc::Rc;

/// What one parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParameterKind {
    /// Anything that holds something: the callee does not trust it.
    Ignored,
    /// A number.
    Number {
        /// It must be known.
        constant: bool,
    },
    /// A number that is the size of the memory before it.
    Size {
        /// It must be known.
        constant: bool,
    },
    /// Where an interrupt flag is kept.
    InterruptFlag,
    /// The iterator that the function is about.
    Iterator(TypeId),
    /// A string that is known at load.
    ConstantString,
    /// A dynptr.
    Dynptr {
        /// The function makes it.
        makes: bool,
    },
    /// The program's context.
    Context,
    /// A map, or a pointer to one as the kernel sees it.
    Map,
    /// A special field of a map value or object.
    Special(SpecialKind),
    /// An object of the program's own, to be given back.
    AllocatedObject,
    /// An object of the program's own that counts its references.
    CountedObject,
    /// A function of the program.
    Callback,
    /// A pointer: to a kernel object if one is passed, else to memory.
    Pointer {
        /// What it points to.
        pointee: TypeId,
        /// The next parameter has the size.
        sized: bool,
    },
    /// Something this verifier does not know yet.
    Unknown,
}

/// One parameter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KfuncParameter {
    pub(crate) kind: ParameterKind,
    /// NULL may be passed.
    pub(crate) nullable: bool,
}

/// What a kernel function returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KfuncResult {
    Nothing,
    Number,
    /// A kernel object.
    Object(TypeId),
    /// Memory of that many bytes, to be read.
    Memory(u32),
    /// A node of the list or tree that the call is about.
    Node,
    /// Something this verifier does not know yet.
    Unknown,
}

/// A kernel function.
#[derive(Clone, Debug)]
pub(crate) struct KfuncSignature {
    pub(crate) row: &'static Kfunc,
    pub(crate) parameters: Vec<KfuncParameter>,
    pub(crate) result: KfuncResult,
}

impl KfuncSignature {
    pub(crate) fn has(&self, flag: KfuncFlags) -> bool {
        self.row.flags.contains(flag)
    }
}

/// The kernel functions that a program calls, by module and BTF id.
#[derive(Debug, Default)]
pub(crate) struct KfuncTable {
    functions: HashMap<(i16, i32), Check<Rc<KfuncSignature>>>,
}

impl KfuncTable {
    /// Looks up every kernel function that the code names.
    ///
    /// # Errors
    /// Something that is called is no function, though no path may lead there.
    pub(crate) fn new(code: &Code, btf: Option<&Btf>, modules: &[ModuleTypes<'_>]) -> Check<Self> {
        let mut functions = HashMap::new();
        for (slot, insn) in code.iter() {
            let Insn::Call(CallTarget::Kfunc { id: given, btf: module }) = insn else { continue };
            // What a loader could not resolve: only whoever gets there is refused.
            if (*given, *module) == (0, 0) {
                continue;
            }
            let id = modules::callee(modules, *module, *given).map_err(|refusal| refusal.at(slot))?;
            if btf.is_some_and(|btf| function(btf, id).is_none()) {
                return Err(not_a_function(*given).at(slot));
            }
            functions.entry((*module, *given)).or_insert_with(|| describe(btf, id).map(Rc::new));
        }
        Ok(KfuncTable { functions })
    }

    /// The function that a call is about.
    pub(crate) fn get(&self, id: i32, module: i16) -> Check<Rc<KfuncSignature>> {
        let known = self.functions.get(&(module, id)).cloned();
        known.unwrap_or_else(|| Err(not_a_function(id)))
    }

    /// Whether an instruction calls a function with that flag.
    pub(crate) fn calls(&self, insn: &Insn, flag: KfuncFlags) -> bool {
        let Insn::Call(CallTarget::Kfunc { id, btf }) = insn else { return false };
        self.get(*id, *btf).is_ok_and(|function| function.has(flag))
    }

    /// The rule of the function that an instruction calls, if it calls one.
    pub(crate) fn rule(&self, insn: &Insn) -> Option<KfuncRule> {
        let Insn::Call(CallTarget::Kfunc { id, btf }) = insn else { return None };
        Some(self.get(*id, *btf).ok()?.row.rule)
    }

    /// Whether an instruction ends the program by throwing.
    pub(crate) fn throws(&self, insn: &Insn) -> bool {
        self.rule(insn) == Some(KfuncRule::Throw)
    }

    /// What a kernel function does to the registers that calls may change, if the instruction calls one.
    pub(crate) fn callee(&self, insn: &Insn) -> Option<Callee> {
        let Insn::Call(CallTarget::Kfunc { id, btf }) = insn else { return None };
        let function = self.get(*id, *btf).ok()?;
        Some(Callee {
            arguments: function.parameters.len(),
            returns_nothing: function.result == KfuncResult::Nothing,
            fast: function.has(KfuncFlags::FASTCALL),
        })
    }

    /// Whether an instruction calls a function that is given one to call, now or later.
    pub(crate) fn takes_callback(&self, insn: &Insn) -> bool {
        let Insn::Call(CallTarget::Kfunc { id, btf }) = insn else { return false };
        let takes_callback = |function: Rc<KfuncSignature>| {
            function.parameters.iter().any(|parameter| parameter.kind == ParameterKind::Callback)
        };
        self.get(*id, *btf).is_ok_and(takes_callback)
    }

    /// Whether an instruction calls a function that calls back before it returns.
    pub(crate) fn calls_back(&self, insn: &Insn) -> bool {
        let later = matches!(self.rule(insn), Some(KfuncRule::CallLater | KfuncRule::CallInTask));
        self.takes_callback(insn) && !later
    }

    /// How many arguments a function takes, if it is known.
    pub(crate) fn arguments(&self, id: i32, module: i16) -> Option<usize> {
        Some(self.get(id, module).ok()?.parameters.len())
    }
}

fn not_a_function(id: i32) -> Refusal {
    Refusal::new(EINVAL, format!("kernel btf_id {id} is not a function"))
}

fn function(btf: &Btf, id: i32) -> Option<&Function> {
    match btf.get(TypeId(u32::try_from(id).ok()?))? {
        Type::Function(function) => Some(function),
        _ => None,
    }
}

fn describe(btf: Option<&Btf>, id: i32) -> Check<KfuncSignature> {
    let btf = btf.ok_or_else(|| {
        Refusal::unsupported("calls of kernel functions without the kernel's BTF").hint("give a kernel BTF")
    })?;
    let function = function(btf, id).ok_or_else(|| not_a_function(id))?;
    let Type::FunctionPrototype(prototype) = btf.ty(function.prototype) else { return Err(not_a_function(id)) };
    let name = btf.str(function.name);
    let row = kfunc::by_name(name).ok_or_else(|| not_allowed(name))?;
    let count = prototype.parameters.len();
    if count > 5 {
        return Err(Refusal::new(EINVAL, format!("Function {name} has {count} > 5 args")));
    }
    let parameters = prototype.parameters.iter().enumerate().map(|(index, _)| {
        let iterates = row.flags.intersects(KfuncFlags::ITER_NEW | KfuncFlags::ITER_NEXT | KfuncFlags::ITER_DESTROY);
        let mut parameter = parameter(btf, &prototype.parameters, index, iterates && index == 0);
        if row.rule == KfuncRule::CastToKernelContext {
            parameter.kind = ParameterKind::Context;
        }
        parameter
    });
    Ok(KfuncSignature { row, parameters: parameters.collect(), result: result(btf, prototype.ret) })
}

/// A function that programs of this kind have no access to.
pub(crate) fn not_allowed(name: &str) -> Refusal {
    Refusal::new(EACCES, format!("calling kernel function {name} is not allowed"))
        .of(Reason::HelperNotAllowed)
        .hint("this kernel does not offer the function to programs of this type")
}

/// Endings whose rules this verifier does not know yet.
const UNKNOWN_ENDINGS: &[&str] = &["__rdonly_buf_size", "__rdwr_buf_size", "__const_map"];

/// The struct that stands for a dynptr.
pub(crate) const DYNPTR_STRUCT: &str = "bpf_dynptr";

fn parameter(btf: &Btf, all: &[Parameter], index: usize, iterator: bool) -> KfuncParameter {
    let name = btf.str(all[index].name);
    let ends = |parameter: &Parameter, endings: &[&str]| {
        let name = btf.str(parameter.name);
        endings.iter().any(|ending| name.ends_with(ending))
    };
    let nullable = name.ends_with("__nullable") || name.ends_with("__opt");
    let kind = match btf.resolve(all[index].ty).1 {
        // The kernel puts the program itself where it is asked for.
        _ if ends(&all[index], &["__ign", "__prog"]) => ParameterKind::Ignored,
        _ if name.ends_with("__str") => ParameterKind::ConstantString,
        _ if name.ends_with("__map") => ParameterKind::Map,
        _ if name.ends_with("__alloc") => ParameterKind::AllocatedObject,
        _ if name.ends_with("__refcounted_kptr") => ParameterKind::CountedObject,
        _ if name.ends_with("__irq_flag") => ParameterKind::InterruptFlag,
        _ if ends(&all[index], UNKNOWN_ENDINGS) => ParameterKind::Unknown,
        Type::Int(_) | Type::Enum(_) | Type::Enum64(_) => {
            let constant = ends(&all[index], &["__k", "__szk"]);
            let size = ends(&all[index], &["__sz", "__szk"]);
            if size { ParameterKind::Size { constant } } else { ParameterKind::Number { constant } }
        }
        Type::Pointer(target) => {
            let (pointee, _) = btf.resolve(*target);
            let sized = all.get(index + 1).is_some_and(|next| ends(next, &["__sz", "__szk"]));
            let special = special_field::by_struct_name(btf.name(pointee));
            match special {
                _ if iterator => ParameterKind::Iterator(pointee),
                Some(row) => ParameterKind::Special(row.kind),
                None if matches!(btf.ty(pointee), Type::FunctionPrototype(_)) => ParameterKind::Callback,
                None if btf.name(pointee) == DYNPTR_STRUCT => {
                    ParameterKind::Dynptr { makes: name.ends_with("__uninit") }
                }
                None => ParameterKind::Pointer { pointee, sized },
            }
        }
        _ => ParameterKind::Unknown,
    };
    KfuncParameter { kind, nullable }
}

fn result(btf: &Btf, ty: TypeId) -> KfuncResult {
    match btf.resolve(ty) {
        (id, _) if id.is_void() => KfuncResult::Nothing,
        (_, Type::Int(_) | Type::Enum(_) | Type::Enum64(_)) => KfuncResult::Number,
        (_, Type::Pointer(target)) => match btf.resolve(*target) {
            (id, Type::Struct(_)) if is_node(btf.name(id)) => KfuncResult::Node,
            (id, _) if id.is_void() => KfuncResult::Number,
            (id, Type::Struct(_)) => KfuncResult::Object(id),
            (id, Type::Int(_)) => match btf.size_of(id).and_then(|size| u32::try_from(size).ok()) {
                Some(bytes) => KfuncResult::Memory(bytes),
                None => KfuncResult::Unknown,
            },
            _ => KfuncResult::Unknown,
        },
        _ => KfuncResult::Unknown,
    }
}

/// Whether a type is a number, or a struct of nothing but numbers: memory that holds no pointers.
pub(crate) fn is_plain_data(btf: &Btf, ty: TypeId, depth: usize) -> bool {
    const MAX_DEPTH: usize = 4;
    match btf.resolve(ty).1 {
        Type::Int(_) | Type::Enum(_) | Type::Enum64(_) => true,
        Type::Struct(composite) | Type::Union(composite) => {
            depth < MAX_DEPTH && composite.members.iter().all(|member| is_plain_data(btf, member.ty, depth + 1))
        }
        Type::Array(array) => depth < MAX_DEPTH && is_plain_data(btf, array.element, depth + 1),
        _ => false,
    }
}
