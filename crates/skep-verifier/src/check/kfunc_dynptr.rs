//! Kernel functions about dynptrs: which dynptr an argument makes, and slices as results.

use super::dynptr::DynptrUse;
use super::kfunc::KfuncCall;
use super::kfunc_signature::KfuncSignature;
use crate::domain::register::{Kind, PointerFlags, Register};
use crate::domain::state::State;
use crate::reason::Reason;
use crate::refusal::{Check, EINVAL, Refusal, invalid};
use crate::verifier::Verifier;
use skep_abi::helper::DynptrKind;
use skep_abi::kfunc::KfuncRule;
use skep_isa::Reg;

impl Verifier<'_> {
    /// A dynptr argument; `makes`: the function makes one there.
    pub(crate) fn check_kfunc_dynptr(
        &mut self,
        state: &mut State,
        function: &KfuncSignature,
        (index, reg): (usize, Reg),
        makes: bool,
        call: &mut KfuncCall,
    ) -> Check {
        let register = *state.register(reg);
        if !matches!(register.kind, Kind::Stack(_) | Kind::ConstantDynptr(_)) {
            return Reason::Argument
                .invalid(format!("arg#{index} expected pointer to stack or const struct bpf_dynptr"));
        }
        if matches!(register.kind, Kind::ConstantDynptr(_)) {
            self.check_unmodified(reg, &register, false)?;
        }
        if makes {
            let usage = made_dynptr(function, call)?;
            self.check_dynptr(state, reg, usage)?;
            return Ok(());
        }
        let used = self.check_dynptr(state, reg, DynptrUse::Uses { kind: None, constant: true })?;
        call.written_dynptr.get_or_insert(used.kind);
        call.dynptr = Some(used);
        Ok(())
    }

    /// Bytes written through a dynptr may move the packet it stands on. Linux forgets that for the functions that copy
    /// into a dynptr, and lets programs use packet pointers that may lead nowhere.
    pub(crate) fn write_through_dynptr(&self, state: &mut State, kind: Option<DynptrKind>) {
        if kind.is_some_and(DynptrKind::moves_when_written) {
            self.forget_packet_pointers(state);
        }
    }

    /// The slice that a function gives.
    pub(crate) fn dynptr_slice(&self, call: &KfuncCall, writable: bool) -> Check<Register> {
        let dynptr = call.dynptr.ok_or_else(|| Refusal::new(EINVAL, "the function has no dynptr argument"))?;
        let size = call.constant.ok_or_else(|| Refusal::new(EINVAL, "the size of the slice is not known"))?;
        if writable && !self.may_write_packet() {
            return invalid("the prog does not allow writes to packet data");
        }
        let mut flags = PointerFlags::empty();
        flags.set(PointerFlags::PACKET_SLICE, dynptr.kind.is_packet());
        flags.set(PointerFlags::READ_ONLY, !writable);
        Ok(Register::slice(u32::try_from(size).unwrap_or(u32::MAX), &dynptr, flags))
    }
}

/// What dynptr a function makes.
fn made_dynptr(function: &KfuncSignature, call: &KfuncCall) -> Check<DynptrUse> {
    let own = |kind| Ok(DynptrUse::Makes { kind, shares: 0 });
    match (function.row.rule, call.dynptr) {
        (KfuncRule::DynptrOverSkb, _) => own(DynptrKind::Skb),
        (KfuncRule::DynptrOverSkbMeta, _) => own(DynptrKind::SkbMeta),
        (KfuncRule::DynptrOverXdp, _) => own(DynptrKind::Xdp),
        (KfuncRule::DynptrClone, Some(of)) => Ok(DynptrUse::Makes { kind: of.kind, shares: of.reference }),
        _ => Err(Refusal::unsupported(format!("the dynptr that kernel function {} makes", function.row.name))),
    }
}
