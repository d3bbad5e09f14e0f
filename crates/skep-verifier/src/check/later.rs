//! Functions of the program that run later: those of timers, work items and task work, each in a special field of a map
//! value.
//!
//! Where the field and its map are given apart, they must belong together. Each such function is explored as an entry of
//! its own, with nothing of the state it was set in.

use super::kfunc::KfuncCall;
use crate::domain::register::{Kind, MapRef, Register};
use crate::domain::state::{CallbackFrame, CallbackKind, Frame, State};
use crate::reason::Reason;
use crate::refusal::{Check, EINVAL, Refusal};
use crate::verifier::Verifier;
use skep_abi::special_field::{SpecialKind, struct_name};
use skep_isa::Reg;

impl Verifier<'_> {
    /// The address of a special field of a map value of which there is one; the map, and which inner map.
    pub(crate) fn check_field_address(&self, reg: Reg, register: &Register, kind: SpecialKind) -> Check<(MapRef, u32)> {
        let (number, name) = (reg.number(), struct_name(kind));
        let Kind::MapValue(map) = register.kind else { return Reason::Argument.invalid("not a map value") };
        if !register.value.is_constant() {
            return Reason::SpecialField
                .invalid(format!("R{number} doesn't have constant offset. {name} has to be at the constant offset"));
        }
        let about = self.maps.facts(map);
        if about.value_type.is_none() {
            return Reason::SpecialField
                .invalid(format!("map '{}' has to have BTF in order to use {name}", about.name));
        }
        let Some(field) = self.maps.special_fields(map).of_kind(kind) else {
            return Reason::SpecialField.invalid(format!("map '{}' has no valid {name}", about.name));
        };
        let offset = i64::from(register.offset).saturating_add(register.value.smin);
        if offset != i64::from(field.offset) {
            return Reason::SpecialField
                .invalid(format!("off {offset} doesn't point to 'struct {name}' that is at {}", field.offset));
        }
        Ok((map, register.map_identity))
    }

    /// Whether values of a map have fields that go with the map they are in.
    pub(crate) fn calls_functions_later(&self, map: MapRef) -> bool {
        let record = self.maps.special_fields(map);
        let kinds = [SpecialKind::Timer, SpecialKind::WorkQueue, SpecialKind::TaskWork];
        kinds.into_iter().any(|kind| record.of_kind(kind).is_some())
    }

    /// A map that a kernel function is given, perhaps beside a field of it.
    pub(crate) fn check_map_parameter(&self, reg: Reg, register: &Register, call: &mut KfuncCall) -> Check {
        if matches!(register.kind, Kind::Btf(_)) {
            return Ok(());
        }
        let Some(map) = register.map() else {
            return Reason::SpecialField.invalid(format!("pointer in R{} isn't map pointer", reg.number()));
        };
        let found = (map, register.map_identity);
        if let Some(field) = call.map.filter(|field| *field != found) {
            let record = self.maps.special_fields(map);
            let of_task = record.of_kind(SpecialKind::TaskWork).is_some();
            let (what, first, second) = if of_task { ("bpf_task_work", 2, 3) } else { ("workqueue", 1, 2) };
            return Err(belongs_to_other(what, (first, field.1), (second, found.1)));
        }
        call.map = Some(found);
        Ok(())
    }

    /// Puts the function aside that is called later.
    pub(crate) fn call_later(&mut self, state: &State, call: &KfuncCall, returns: (i64, i64)) -> Check {
        let (Some(subprogram), Some((map, identity))) = (call.callback, call.map) else {
            return Reason::SpecialField.invalid("the callback's map is not known");
        };
        let mut frame = Frame::new(0, subprogram, usize::MAX);
        frame.callback = Some(CallbackFrame { returns, kind: CallbackKind::Later });
        let kinds = [(Reg::R1, Kind::Map(map)), (Reg::R2, Kind::MapKey(map)), (Reg::R3, Kind::MapValue(map))];
        for (reg, kind) in kinds {
            frame.registers[reg.index()] = Register { map_identity: identity, ..Register::pointer(kind) };
        }
        let value = &mut frame.registers[Reg::R3.index()];
        if self.values_have_lock(map) {
            value.id = self.new_id();
        }
        self.enter_later(state, state.slot, Some(map), frame, true)
    }
}

/// The field given is not one of the map given.
pub(crate) fn belongs_to_other(what: &str, field: (u8, u32), map: (u8, u32)) -> Refusal {
    let ((field_number, field_identity), (map_number, map_identity)) = (field, map);
    Refusal::new(
        EINVAL,
        format!(
            "{what} pointer in R{field_number} map_uid={field_identity} doesn't match map pointer in R{map_number} map_uid={map_identity}"
        ),
    )
    .of(Reason::Argument)
    .hint("pass the map that the value was looked up in")
}
