//! Calls of kernel functions: whether the program may make them, their arguments, and what they leave behind.

use super::graph::Graph;
use super::iterator::IteratorPlace;
use super::kfunc_signature::{KfuncParameter, KfuncResult, KfuncSignature, ParameterKind, is_plain_data, not_allowed};
use super::memory::MAX_OFFSET;
use super::type_match::has_at;
use crate::domain::dynptr::Dynptr;
use crate::domain::register::{Kind, MapRef, ObjectRef, PointerFlags, Register};
use crate::domain::state::{Reference, State};
use crate::reason::Reason;
use crate::refusal::{Check, EACCES, EINVAL, Refusal, invalid};
use crate::verifier::Verifier;
use skep_abi::helper::DynptrKind;
use skep_abi::kfunc::{KfuncFlags, KfuncRule};
use skep_abi::program_type::ContextInfo;
use skep_abi::special_field::SpecialKind;
use skep_btf::{Kind as BtfKind, TypeId};
use skep_isa::Reg;

/// What the arguments of a call have told so far.
#[derive(Debug, Default)]
pub(crate) struct KfuncCall {
    /// The reference that an argument carries: the result lives as long.
    pub(crate) reference: u32,
    /// The reference given back.
    pub(crate) released: Option<u32>,
    /// The iterator and its reference.
    pub(crate) iterator: Option<(IteratorPlace, u32)>,
    /// The last dynptr that was there before the call.
    pub(crate) dynptr: Option<Dynptr>,
    /// What the first of them stands on.
    pub(crate) written_dynptr: Option<DynptrKind>,
    /// The argument that must be known, or the size that must.
    pub(crate) constant: Option<u64>,
    /// The type of the object of the program's own.
    pub(crate) object: Option<ObjectRef>,
    /// That object is the program's, not only lent to it.
    pub(crate) owned: bool,
    /// The list or tree.
    pub(crate) graph: Option<Graph>,
    /// The map, or the one that the special field is in; and which inner map that is.
    pub(crate) map: Option<(MapRef, u32)>,
    /// The function that is called back.
    pub(crate) callback: Option<u16>,
}

impl Verifier<'_> {
    /// A call of a function of the kernel.
    pub(crate) fn call_kfunc(&mut self, state: &mut State, slot: usize, id: i32, module: i16) -> Check {
        if !self.program.gpl_compatible {
            return Reason::Licence.invalid("cannot call kernel function from non-GPL compatible program");
        }
        let function = self.kfuncs.get(id, module)?;
        self.check_may_call_kfunc(state, &function)?;
        let mut call = KfuncCall::default();
        for (index, parameter) in function.parameters.iter().enumerate() {
            let Some(reg) = Reg::new(index as u8 + 1) else { break };
            self.check_kfunc_argument(state, &function, (index, reg), parameter, &mut call)?;
        }
        self.apply_kfunc_rule(state, &function, &mut call)?;
        if function.has(KfuncFlags::SLEEPABLE) {
            self.check_kfunc_may_sleep(state, function.row.name)?;
        }
        if function.has(KfuncFlags::RCU_PROTECTED) && !self.in_rcu_section(state) {
            let name = function.row.name;
            return Err(Refusal::new(EACCES, format!("kernel func {name} requires RCU critical section protection"))
                .hint("enclose it in bpf_rcu_read_lock and bpf_rcu_read_unlock"));
        }
        if function.has(KfuncFlags::RELEASE) && call.released.is_none() {
            return invalid(format!("release kernel function {} expects refcounted PTR_TO_BTF_ID", function.row.name));
        }
        if let Some(reference) = call.released {
            self.release(state, reference)?;
        }
        if let Some((place, reference)) = call.iterator.filter(|_| function.has(KfuncFlags::ITER_DESTROY)) {
            self.end_iterator(state, place, reference)?;
        }
        self.clobber_caller_saved(state);
        let result = self.kfunc_result(state, &function, &call)?;
        state.set(Reg::R0, result);
        match call.iterator {
            Some((place, _)) if function.has(KfuncFlags::ITER_NEXT) => self.advance_iterator(state, slot, place),
            _ => Ok(()),
        }
    }

    /// Program type, privileges and what is held.
    fn check_may_call_kfunc(&self, state: &State, function: &KfuncSignature) -> Check {
        let name = function.row.name;
        if !function.row.available(self.program_type, self.attach_type) {
            return Err(not_allowed(name));
        }
        if !state.locks.is_empty() && !function.has(KfuncFlags::ALLOWED_IN_LOCK) {
            return Reason::Lock.invalid("function calls are not allowed while holding a lock");
        }
        if function.has(KfuncFlags::SLEEPABLE) && !state.sleepable {
            return Reason::Sleeping.denied(format!("program must be sleepable to call sleepable kfunc {name}"));
        }
        Ok(())
    }

    fn check_kfunc_argument(
        &mut self,
        state: &mut State,
        function: &KfuncSignature,
        (index, reg): (usize, Reg),
        parameter: &KfuncParameter,
        call: &mut KfuncCall,
    ) -> Check {
        let register = *state.register(reg);
        let number = reg.number();
        if !register.is_initialised() {
            return Reason::UninitialisedRegister.denied(format!("R{number} !read_ok"));
        }
        match parameter.kind {
            ParameterKind::Ignored => return Ok(()),
            ParameterKind::Unknown => {
                return Err(Refusal::unsupported(format!("calls of kernel function {}", function.row.name)));
            }
            ParameterKind::Number { constant } | ParameterKind::Size { constant } => {
                if !register.is_scalar() {
                    return invalid(format!("R{number} is not a scalar"));
                }
                if constant && !register.value.is_constant() {
                    return Reason::Constant.invalid(format!("R{number} must be a known constant"));
                }
                if constant {
                    call.constant = register.value.as_constant();
                    self.values.mark(register.origin);
                    call.constant = register.value.as_constant();
                }
                return Ok(());
            }
            ParameterKind::InterruptFlag => return self.check_interrupt_flag(state, function, reg),
            _ => {}
        }
        let trusting = KfuncFlags::TRUSTED_ARGS | KfuncFlags::RCU | KfuncFlags::RELEASE;
        let may_be_null = register.is_null() || register.is_nullable();
        if function.row.flags.intersects(trusting) && may_be_null && !parameter.nullable {
            return Reason::MaybeNull.denied(format!("Possibly NULL pointer passed to trusted arg{index}"));
        }
        if register.is_null() {
            self.values.mark(register.origin);
        }
        if register.reference != 0 {
            call.reference = register.reference;
            if function.has(KfuncFlags::RELEASE) {
                call.released = Some(register.reference);
            }
        }
        self.check_object_lives(function, reg, parameter.kind, &register)?;
        self.check_kfunc_offset(function, reg, parameter.kind, &register)?;
        match parameter.kind {
            ParameterKind::Iterator(ty) => {
                let iterator = self.check_iterator(state, function, ty)?;
                call.reference = iterator.1;
                call.iterator = Some(iterator);
                Ok(())
            }
            _ if parameter.nullable && register.is_null() => Ok(()),
            ParameterKind::ConstantString if !matches!(register.kind, Kind::MapValue(_)) => {
                invalid(format!("arg#{index} doesn't point to a const string"))
            }
            ParameterKind::ConstantString => self.check_constant_string(reg, &register),
            ParameterKind::Dynptr { makes } => self.check_kfunc_dynptr(state, function, (index, reg), makes, call),
            ParameterKind::Context => self.check_kfunc_context(index, reg, &register),
            ParameterKind::Map => {
                self.check_map_parameter(reg, &register, call)?;
                let Kind::Btf(map) = self.kernel_object(skep_abi::map_type::KERNEL_STRUCT)?.kind else { return Ok(()) };
                self.check_kfunc_pointer(state, function, (index, reg), (map, false))
            }
            ParameterKind::Pointer { pointee, sized } => {
                self.check_kfunc_pointer(state, function, (index, reg), (pointee, sized))
            }
            ParameterKind::AllocatedObject => {
                let per_cpu = function.row.rule == KfuncRule::DropPerCpuObject;
                self.check_allocated_argument(index, &register, per_cpu, call)
            }
            ParameterKind::CountedObject => self.check_counted_argument(index, &register, call),
            ParameterKind::Special(kind) => self.check_special_argument(state, function, (index, reg), kind, call),
            ParameterKind::Callback => {
                let Kind::Function(subprogram) = register.kind else {
                    return Reason::Argument.invalid(format!("arg{index} expected pointer to func"));
                };
                call.callback = Some(subprogram);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The address of a special field.
    fn check_special_argument(
        &mut self,
        state: &State,
        function: &KfuncSignature,
        (index, reg): (usize, Reg),
        kind: SpecialKind,
        call: &mut KfuncCall,
    ) -> Check {
        let register = *state.register(reg);
        match kind {
            SpecialKind::ListHead | SpecialKind::TreeRoot => {
                self.check_root_argument(state, (index, reg), &register, kind, call)
            }
            SpecialKind::ListNode | SpecialKind::TreeNode => {
                self.check_node_argument(state, function, (index, reg), kind, call)
            }
            SpecialKind::SpinLock | SpecialKind::ResilientSpinLock => {
                let object = matches!(register.kind, Kind::Object(_)) && register.is_allocated();
                if !register.flags.is_empty() || !object && !matches!(register.kind, Kind::MapValue(_)) {
                    return invalid(format!("arg#{index} doesn't point to map value or allocated object"));
                }
                Ok(())
            }
            _ => {
                if !matches!(register.kind, Kind::MapValue(_)) || !register.flags.is_empty() {
                    return invalid(format!("arg#{index} doesn't point to a map value"));
                }
                call.map = Some(self.check_field_address(reg, &register, kind)?);
                Ok(())
            }
        }
    }

    /// Whether the kernel object passed is alive, if the function relies on that.
    fn check_object_lives(
        &self,
        function: &KfuncSignature,
        reg: Reg,
        parameter: ParameterKind,
        register: &Register,
    ) -> Check {
        let about_object = match parameter {
            ParameterKind::AllocatedObject | ParameterKind::Map => true,
            ParameterKind::Pointer { .. } => matches!(register.kind, Kind::Object(_)),
            _ => false,
        };
        let relies = KfuncFlags::TRUSTED_ARGS | KfuncFlags::RCU | KfuncFlags::RELEASE;
        if !about_object || !function.row.flags.intersects(relies) {
            return Ok(());
        }
        if register.is_trusted() {
            return Ok(());
        }
        if !function.has(KfuncFlags::RCU) {
            return invalid(format!("R{} must be referenced or trusted", reg.number()));
        }
        if !register.flags.contains(PointerFlags::RCU) {
            return invalid(format!("R{} must be a rcu pointer", reg.number()));
        }
        Ok(())
    }

    /// Objects are given back by their address; elsewhere a fixed distance into them is fine.
    fn check_kfunc_offset(
        &self,
        function: &KfuncSignature,
        reg: Reg,
        parameter: ParameterKind,
        register: &Register,
    ) -> Check {
        if function.has(KfuncFlags::RELEASE) && register.reference != 0 {
            if register.offset != 0 {
                return Reason::NotAcquired.invalid(format!(
                    "R{} must have zero offset when passed to release func or trusted arg to kfunc",
                    reg.number()
                ));
            }
            return self.check_unmodified(reg, register, false);
        }
        let object = matches!(register.kind, Kind::Object(_));
        if !object || matches!(parameter, ParameterKind::Ignored) {
            return Ok(());
        }
        self.check_unmodified(reg, register, !register.is_nullable())
    }

    fn check_kfunc_pointer(
        &mut self,
        state: &mut State,
        function: &KfuncSignature,
        (index, reg): (usize, Reg),
        (pointee, sized): (TypeId, bool),
    ) -> Check {
        let btf = self.kernel_btf()?;
        let register = *state.register(reg);
        let name = btf.name(pointee);
        if self.is_context_type(name) {
            return self.check_kfunc_context(index, reg, &register);
        }
        if let Kind::Object(_) = register.kind {
            let (wanted, found) = (name, self.pointee_name(&register));
            return Err(mismatch(function, index, reg, wanted, found));
        }
        if let Some(id) = self.object_behind(&register)? {
            return self.check_kfunc_object(function, (index, reg), (pointee, id), &register);
        }
        if sized {
            return self.check_sized_memory(state, index, reg);
        }
        let bytes = btf.size_of(pointee).and_then(|size| u32::try_from(size).ok());
        match bytes.filter(|_| is_plain_data(btf, pointee, 0)) {
            None => {
                let kind = btf.ty(pointee).kind();
                let kind = kind.to_string().to_uppercase();
                Reason::Argument.invalid(format!(
                    "arg#{index} pointer type {kind} {name} must point to scalar, or struct with scalar"
                ))
            }
            Some(_) if register.is_null() => Ok(()),
            Some(bytes) => self.check_passed_memory(state, reg, &register, bytes),
        }
    }

    /// Whether a pointer to a struct of that name is one to the context of programs of this type.
    fn is_context_type(&self, name: &str) -> bool {
        match &self.info.context {
            ContextInfo::Struct { name: context, .. } | ContextInfo::Bytes { name: context, .. } => *context == name,
            _ => false,
        }
    }

    fn check_kfunc_context(&self, index: usize, reg: Reg, register: &Register) -> Check {
        if register.kind != Kind::Context {
            return Reason::Argument
                .invalid(format!("arg#{index} expected pointer to ctx, but got {}", register.type_name()));
        }
        self.check_unmodified(reg, register, false)
    }

    /// The struct of the kernel object that a pointer leads to: sockets and maps are such objects too.
    fn object_behind(&self, register: &Register) -> Check<Option<TypeId>> {
        let name = match register.kind {
            Kind::Btf(id) => return Ok(Some(id)),
            Kind::Map(_) => skep_abi::map_type::KERNEL_STRUCT,
            Kind::Socket(kind) => match kind.kernel_struct() {
                Some(name) => name,
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        Ok(self.kernel_btf()?.find(BtfKind::Struct, name))
    }

    /// A kernel object is passed: it must be of the struct asked for, and alive if the function relies on it.
    fn check_kfunc_object(
        &self,
        function: &KfuncSignature,
        (index, reg): (usize, Reg),
        (wanted, found): (TypeId, TypeId),
        register: &Register,
    ) -> Check {
        let (btf, number) = (self.kernel_btf()?, reg.number());
        let flags = register.flags;
        let unsafe_pointer = flags.intersects(PointerFlags::UNTRUSTED | PointerFlags::USER);
        let always_there = !matches!(register.kind, Kind::Btf(_)) && !unsafe_pointer;
        let trusted =
            register.reference != 0 || always_there || flags.contains(PointerFlags::TRUSTED) && !unsafe_pointer;
        let counted = flags.contains(PointerFlags::RCU) && !unsafe_pointer;
        if function.row.flags.intersects(KfuncFlags::TRUSTED_ARGS | KfuncFlags::RELEASE) && !trusted {
            return invalid(format!("R{number} must be referenced or trusted"));
        }
        if function.has(KfuncFlags::RCU) && !trusted && !counted {
            return invalid(format!("R{number} must be a rcu pointer"));
        }
        if unsafe_pointer {
            return Err(Refusal::new(
                EACCES,
                format!("arg#{index} is {} expected ptr_ or socket", register.type_name()),
            ));
        }
        let (asked, given) = (btf.name(wanted), btf.name(found));
        let strict = function.has(KfuncFlags::RELEASE) && register.reference != 0
            || is_unfinished_form(asked, given)
            || is_unfinished_form(given, asked);
        self.check_unmodified(reg, register, !strict)?;
        let same = wanted == found && register.offset == 0
            || !strict && has_at(btf, found, register.offset.unsigned_abs(), wanted);
        if !same && !is_projection(asked, given) {
            return Err(mismatch(function, index, reg, asked, given));
        }
        Ok(())
    }

    /// Memory whose size is the next argument.
    fn check_sized_memory(&mut self, state: &mut State, index: usize, reg: Reg) -> Check {
        let Some(size_reg) = Reg::new(reg.number() + 1) else { return invalid("no size after the memory") };
        let (register, size) = (*state.register(reg), *state.register(size_reg));
        let number = size_reg.number();
        let wrong = format!("arg#{index} arg#{} memory, len pair leads to invalid memory access", index + 1);
        let fails = |message: String| Err(Refusal::new(EACCES, wrong.clone()).after(message));
        if !size.is_scalar() {
            return invalid(format!("R{number} is not a scalar"));
        }
        if size.value.smin < 0 {
            return fails(format!("R{number} min value is negative, either use unsigned or 'var &= const'"));
        }
        if size.value.umax >= MAX_OFFSET as u64 {
            return fails(format!("R{number} unbounded memory access, use 'var &= const' or 'if (var < const)'"));
        }
        self.values.mark(size.origin);
        let bytes = size.value.umax as u32;
        if bytes == 0 {
            return Ok(());
        }
        let checked = self.check_passed_memory(state, reg, &register, bytes);
        checked.map_err(|refusal| Refusal { message: wrong, ..refusal.clone().after(refusal.message) })
    }

    /// What a kernel function leaves in r0.
    fn kfunc_result(&mut self, state: &mut State, function: &KfuncSignature, call: &KfuncCall) -> Check<Register> {
        let pointer = match self.kfunc_rule_result(function, call)? {
            Some(pointer) => pointer,
            None if function.result == KfuncResult::Node => self.node_of(call)?,
            None => plain_result(function, call)?,
        };
        if !pointer.is_pointer() {
            return Ok(pointer);
        }
        let mut result = self.maybe_null(pointer, function.has(KfuncFlags::RET_NULL) && !call.owned);
        if function.has(KfuncFlags::ACQUIRE) {
            // One id for both: the NULL check and the release.
            let id = if result.id == 0 { self.new_id() } else { result.id };
            (result.id, result.reference) = (id, id);
            state.references.push(Reference::new(id, state.slot));
        } else if function.result == KfuncResult::Node {
            self.lend(&mut result);
        }
        if result.id == 0 && self.may_point_to_lock(&result) {
            result.id = self.new_id();
        }
        Ok(result)
    }
}

/// The result by its type.
fn plain_result(function: &KfuncSignature, call: &KfuncCall) -> Check<Register> {
    Ok(match function.result {
        KfuncResult::Nothing => Register::UNINITIALISED,
        KfuncResult::Number => Register::UNKNOWN,
        KfuncResult::Node | KfuncResult::Unknown => {
            return Err(Refusal::unsupported(format!("the result of kernel function {}", function.row.name)));
        }
        KfuncResult::Memory(bytes) => {
            let memory = Register::pointer(Kind::Memory(bytes)).with_flags(PointerFlags::READ_ONLY);
            // What lies inside an object is gone when the object is.
            Register { reference: call.reference, ..memory }
        }
        KfuncResult::Object(id) if function.has(KfuncFlags::ITER_NEXT) => {
            Register::pointer(Kind::Btf(id)).with_flags(PointerFlags::TRUSTED)
        }
        KfuncResult::Object(id) => Register::pointer(Kind::Btf(id)),
    })
}

/// Whether a struct is another one that is still being set up: it may not be passed for a finished one.
fn is_unfinished_form(unfinished: &str, finished: &str) -> bool {
    unfinished.strip_suffix("___init") == Some(finished)
}

/// Whether a struct is how programs see a kernel struct: the function works on the kernel's in any case.
fn is_projection(seen: &str, kernel: &str) -> bool {
    matches!((seen, kernel), ("__sk_buff", "sk_buff") | ("xdp_md", "xdp_buff"))
}

/// An object is passed that is none of the struct asked for.
fn mismatch(function: &KfuncSignature, index: usize, reg: Reg, wanted: &str, found: &str) -> Refusal {
    let (name, number) = (function.row.name, reg.number());
    Refusal::new(
        EINVAL,
        format!(
            "kernel function {name} args#{index} expected pointer to STRUCT {wanted} but R{number} has a pointer to STRUCT {found}"
        ),
    ).of(Reason::Argument)
}
