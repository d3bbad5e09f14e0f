//! Implementations of kernel interfaces (`struct_ops`): which members, with which arguments and results.
//!
//! What the kernel says of an argument beyond its type stands in the name of the parameter, in the function that the
//! kernel has in the member's place (`bpf_dummy_ops__test_1`). Source: `check_struct_ops_btf_id` in
//! `kernel/bpf/verifier.c` and `prepare_arg_info` in `kernel/bpf/bpf_struct_ops.c` of Linux 6.18.

use crate::domain::register::{Kind, Register};
use crate::domain::state::{Reference, State};
use crate::input::AttachTarget;
use crate::reason::Reason;
use crate::refusal::{Check, EACCES, EINVAL, ENOTSUPP, Refusal};
use crate::stack_depth::is_tail_call;
use crate::verifier::Verifier;
use skep_abi::helper::HelperProto;
use skep_abi::interface::{Interface, REGISTERED_PREFIX, by_name};
use skep_abi::program_type::BASE_HELPERS;
use skep_btf::{Btf, Kind as BtfKind, Type, TypeId};

/// Endings of parameter names.
const NULLABLE: &str = "__nullable";
const COUNTED: &str = "__ref";

/// Most arguments that are looked at: no function has more.
const MAX_ARGUMENTS: usize = 12;

/// The member that a target is, and what is known of its interface.
struct Member<'a> {
    interface: &'a str,
    name: &'a str,
    row: Option<&'static Interface>,
}

fn member(target: &AttachTarget) -> Option<Member<'_>> {
    let interface = target.interface.as_deref()?;
    Some(Member { interface, name: &target.name, row: by_name(interface) })
}

impl Verifier<'_> {
    /// Whether such a program may implement what it says.
    pub(crate) fn check_interface(&self) -> Check {
        if !self.info.implements_target {
            return Ok(());
        }
        if !self.program.gpl_compatible {
            let message = "struct ops programs must have a GPL compatible license";
            return Reason::Licence.invalid(message);
        }
        let Some(member) = self.program.attach_target.as_ref().and_then(member) else { return Ok(()) };
        let btf = self.kernel_btf()?;
        if btf.find(BtfKind::Struct, &format!("{REGISTERED_PREFIX}{}", member.interface)).is_none() {
            let id = btf.find(BtfKind::Struct, member.interface).map_or(0, |id| id.0);
            return Err(unsupported(format!("attach_btf_id {id} is not a supported struct")));
        }
        let which = || format!("attach to unsupported member {} of struct {}", member.name, member.interface);
        if self.target_prototype().is_err() {
            let (name, at) = (member.name, member_index(btf, &member));
            let message = format!("attach to invalid member {name}(@idx {at}) of struct {}", member.interface);
            return Reason::Attach.invalid(message);
        }
        if member.row.is_some_and(|row| !row.supports(member.name)) {
            return Err(unsupported(which()));
        }
        if self.program.sleepable && member.row.is_some_and(|row| !row.may_sleep(member.name)) {
            return Reason::Sleeping.invalid(which());
        }
        let counted = (0..MAX_ARGUMENTS).any(|index| self.is_counted_parameter(index));
        if counted && self.code.iter().any(|(_, insn)| is_tail_call(insn)) {
            return Reason::UnreleasedReference.invalid("program with __ref argument cannot tail call");
        }
        Ok(())
    }

    /// Whether implementations of the target have a helper; `None` where the program's type decides.
    pub(crate) fn interface_has_helper(&self, helper: &HelperProto) -> Option<bool> {
        let member = self.program.attach_target.as_ref().and_then(member)?;
        let common = self.info.base_helpers && BASE_HELPERS.contains(&helper.name);
        Some(member.row?.has_helper(member.name, helper.name, common))
    }

    /// Whether NULL may be passed for an argument.
    pub(crate) fn is_nullable_parameter(&self, index: usize) -> bool {
        self.parameter_ends_with(index, NULLABLE)
    }

    /// Whether an argument comes with a reference that the program has to give back, or on.
    fn is_counted_parameter(&self, index: usize) -> bool {
        let implements = self.program.attach_target.as_ref().is_some_and(|target| target.interface.is_some());
        implements && self.parameter_ends_with(index, COUNTED)
    }

    /// The references with which the program starts.
    pub(crate) fn take_counted_arguments(&mut self, state: &mut State) {
        for index in (0..MAX_ARGUMENTS).filter(|index| self.is_counted_parameter(*index)).collect::<Vec<_>>() {
            let id = self.new_id();
            self.counted_arguments.push((index, id));
            state.references.push(Reference::new(id, 0));
        }
    }

    /// An argument loaded from the context, with the reference that goes with it.
    pub(crate) fn with_reference(
        &self,
        state: &State,
        index: usize,
        offset: i32,
        argument: Register,
    ) -> Check<Register> {
        let Some((_, id)) = self.counted_arguments.iter().find(|(counted, _)| *counted == index) else {
            return Ok(argument);
        };
        if !state.references.iter().any(|reference| reference.id == *id) {
            let released = format!("invalid bpf_context access off={offset}. Reference may already be released");
            return Err(Refusal::new(EACCES, released).of(Reason::NotAcquired));
        }
        Ok(Register { reference: *id, ..argument })
    }

    /// Whether the result is an object of the type that the target returns, with a reference that goes to the caller.
    pub(crate) fn hands_over(&self, result: &Register, returned: TypeId) -> bool {
        let Some(pointee) = self.pointee(returned) else { return false };
        result.reference != 0 && result.kind == Kind::Btf(pointee)
    }

    /// The reference that the result takes along.
    pub(crate) fn reference_of_result(&self, state: &State) -> Option<u32> {
        let reference = state.register(skep_isa::Reg::R0).reference;
        (self.info.implements_target && state.frames.len() == 1 && reference != 0).then_some(reference)
    }

    fn pointee(&self, pointer: TypeId) -> Option<TypeId> {
        let btf = self.kernel_btf().ok()?;
        match btf.resolve(pointer).1 {
            Type::Pointer(target) => Some(btf.resolve(*target).0),
            _ => None,
        }
    }

    /// A result that is handed over as it was acquired.
    pub(crate) fn check_unmoved(&self, result: &Register) -> Check {
        if result.offset == 0 && result.value.as_constant() == Some(0) {
            return Ok(());
        }
        let name = self.kernel_btf()?.name(match result.kind {
            Kind::Btf(id) => id,
            _ => TypeId::VOID,
        });
        Err(Refusal::new(EINVAL, format!("dereference of modified ptr_{name} ptr R0 off={} disallowed", result.offset))
            .of(Reason::ReturnRange))
    }
}

/// The position of a member in its struct.
fn member_index(btf: &Btf, member: &Member<'_>) -> usize {
    let interface = btf.find(BtfKind::Struct, member.interface).map(|id| btf.ty(id));
    let Some(Type::Struct(interface)) = interface else { return 0 };
    interface.members.iter().position(|m| btf.str(m.name) == member.name).unwrap_or(0)
}

fn unsupported(message: String) -> Refusal {
    Refusal::new(ENOTSUPP, message).of(Reason::Attach)
}
