//! Look-ups in the tables of `skep-abi`: the only way by which the verifier learns what a helper, a map type or a
//! program type is.

use crate::fast_call::Callee;
use crate::input::{AttachTarget, Capabilities};
use skep_abi::attach_type::AttachType;
use skep_abi::helper::{HelperFlags, HelperProto, ReturnKind};
use skep_abi::lsm_hook;
use skep_abi::map_type::{MapType, MapTypeInfo, SOCKET_MAP_CHANGES, ValueKind};
use skep_abi::program_type::{ProgramType, ProgramTypeInfo, ReturnRange};
use skep_abi::socket::SocketKind;
use skep_isa::{CallTarget, Insn};

/// The helper of that number.
pub(crate) fn helper(id: u32) -> Option<&'static HelperProto> {
    skep_abi::helper::by_id(id)
}

/// What a helper does to the registers that calls may change, if the instruction calls one.
pub(crate) fn callee(insn: &Insn, program_type: ProgramType) -> Option<Callee> {
    let Insn::Call(CallTarget::Helper(id)) = insn else { return None };
    let helper = helper(u32::try_from(*id).ok()?)?;
    Some(Callee {
        arguments: helper.args_in(program_type).len(),
        returns_nothing: matches!(helper.ret, ReturnKind::Void),
        fast: helper.flags.contains(HelperFlags::FASTCALL),
    })
}

/// The row of a program type.
pub(crate) fn program_info(program_type: ProgramType) -> &'static ProgramTypeInfo {
    program_type.info()
}

/// The row of a map type.
pub(crate) fn map_info(map_type: MapType) -> &'static MapTypeInfo {
    map_type.info()
}

/// Whether a loader with these capabilities may have its programs call a helper.
pub(crate) fn loader_may_call(helper: &HelperProto, capabilities: Capabilities) -> bool {
    let needs =
        |flag: HelperFlags, capability: Capabilities| !helper.flags.contains(flag) || capabilities.contains(capability);
    needs(HelperFlags::NEEDS_CAP_BPF, Capabilities::BPF) && needs(HelperFlags::NEEDS_CAP_PERFMON, Capabilities::PERFMON)
}

/// What a program may return.
pub(crate) fn return_range(info: &ProgramTypeInfo, attach_type: Option<AttachType>) -> Option<ReturnRange> {
    info.return_range(attach_type)
}

/// Whether looking a key up gives a socket with a reference to it.
pub(crate) fn values_are_sockets(info: &MapTypeInfo) -> bool {
    info.value_kind == ValueKind::Socket
}

/// What pointers to sockets a look-up in a map gives, if it gives any.
pub(crate) fn socket_of_values(info: &MapTypeInfo) -> Option<SocketKind> {
    match info.value_kind {
        ValueKind::Socket => Some(SocketKind::Full),
        ValueKind::XdpSocket => Some(SocketKind::Xdp),
        _ => None,
    }
}

/// Socket maps may be changed only where no socket can be locked.
pub(crate) fn may_change_sockets(
    program: &ProgramTypeInfo,
    attach_type: Option<AttachType>,
    map: &MapTypeInfo,
    helper: &HelperProto,
) -> bool {
    let restricted = values_are_sockets(map) && SOCKET_MAP_CHANGES.contains(&helper.name);
    let iterates = attach_type.is_some_and(AttachType::changes_socket_maps);
    !restricted || iterates || program.socket_map_helpers.contains(&helper.name)
}

/// Whether a map is memory that the program reaches by addresses of its own.
pub(crate) fn is_arena(map_type: MapType) -> bool {
    map_type.info().value_kind == ValueKind::Pages
}

/// Whether the values of a map are bytes of the program's own.
pub(crate) fn values_are_data(info: &MapTypeInfo) -> bool {
    matches!(info.value_kind, ValueKind::Data | ValueKind::PerCpu)
}

/// Whether a program attached like this finds the function's return value after its arguments.
pub(crate) fn context_has_return_value(attach_type: Option<AttachType>) -> bool {
    attach_type.is_some_and(AttachType::gives_return_value)
}

/// Whether whoever calls such a program vouches for the objects in its arguments.
pub(crate) fn vouches_for_arguments(
    program: &ProgramTypeInfo,
    attach_type: Option<AttachType>,
    target: &AttachTarget,
) -> bool {
    let known = !is_hook(attach_type) || lsm_hook::arguments_are_trusted(&target.name);
    program.implements_target || known && attach_type.is_some_and(AttachType::trusted_arguments)
}

/// Whether the target is a security hook.
pub(crate) fn is_hook(attach_type: Option<AttachType>) -> bool {
    attach_type.is_some_and(AttachType::decides_for_target)
}

/// Whether such programs may be sleepable.
pub(crate) fn may_be_sleepable(program: &ProgramTypeInfo, attach_type: Option<AttachType>) -> bool {
    program.sleepable && attach_type.is_none_or(AttachType::may_sleep)
}

/// What the target may return, if that is known of it by name.
pub(crate) fn range_of_target(attach_type: Option<AttachType>, target: &AttachTarget) -> Option<ReturnRange> {
    attach_type.filter(|t| t.decides_for_target() && t.result_for_nothing().is_none()).map(|_| {
        let (min, max) = lsm_hook::return_range(&target.name);
        ReturnRange { attach_types: &[], min, max, lower_half: true }
    })
}

/// Whether what such a program may return depends on whether its target returns anything.
pub(crate) fn result_follows_target(program: &ProgramTypeInfo, attach_type: Option<AttachType>) -> bool {
    program.implements_target || is_hook(attach_type)
}

/// What a program must return whose target returns nothing; `None`: nothing at all.
pub(crate) fn result_for_nothing(attach_type: Option<AttachType>) -> Option<ReturnRange> {
    attach_type.and_then(AttachType::result_for_nothing)
}
