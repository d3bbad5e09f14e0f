//! States in the notation of Linux's log: `R1=ctx() R2=scalar(umax=5,var_off=(0x0; 0x7)) R10=fp0 fp-8=mmmmmmmm`.

use crate::domain::precision::Values;
use crate::domain::register::{Kind, Register};
use crate::domain::stack::StackSlot;
use crate::domain::state::{Frame, State};
use crate::map_table::MapTable;
use skep_abi::helper::DynptrKind;
use std::fmt::Write as _;

/// The running frame, and what is held.
pub(super) fn state(state: &State, maps: &MapTable<'_>, values: &Values) -> String {
    let mut out = String::new();
    if state.depth() > 0 {
        let _ = write!(out, "frame{}: ", state.depth());
    }
    let texts = frame(state.frame(), state.depth(), maps, values);
    out.push_str(&texts.join(" "));
    let held = state.references.iter().map(|r| r.id).chain(state.sections.interrupts_off.iter().map(|i| i.id));
    let mut held: Vec<u32> = held.collect();
    if !held.is_empty() {
        held.sort_unstable();
        let ids: Vec<String> = held.iter().map(u32::to_string).collect();
        let _ = write!(out, " refs={}", ids.join(","));
    }
    if state.frame().callback.is_some() {
        out.push_str(" cb");
    }
    out
}

fn frame(frame: &Frame, depth: usize, maps: &MapTable<'_>, values: &Values) -> Vec<String> {
    let mut texts = Vec::new();
    for (number, register) in frame.registers.iter().enumerate() {
        if register.is_initialised() {
            texts.push(format!("R{number}={}", text(register, depth, maps, values)));
        }
    }
    for (index, slot) in frame.stack.iter().enumerate() {
        if let Kind::Dynptr { kind, first } = slot.spilled.kind {
            if first {
                texts.push(format!("fp-{}={}", 8 * (index + 1), dynptr(kind, &slot.spilled)));
            }
        } else if let Some(content) = stack_slot(slot, depth, maps, values) {
            texts.push(format!("fp-{}={content}", 8 * (index + 1)));
        }
    }
    texts
}

fn stack_slot(slot: &StackSlot, depth: usize, maps: &MapTable<'_>, values: &Values) -> Option<String> {
    if slot.spill_size() == 8 {
        return Some(text(&slot.spilled, depth, maps, values));
    }
    let letters: String = slot.bytes.iter().rev().map(|b| b.letter()).collect();
    if letters == "????????" {
        return None;
    }
    if slot.is_spill() {
        let kept = &letters[..8 - usize::from(slot.spill_size())];
        return Some(format!("{kept}{}", text(&slot.spilled, depth, maps, values)));
    }
    Some(letters)
}

/// A dynptr, shown at its lower slot. Linux prints the mark of that slot as if it were an id.
fn dynptr(kind: DynptrKind, half: &Register) -> String {
    let reference = if half.reference == 0 { String::new() } else { format!(",ref_id={}", half.reference) };
    format!("dynptr_{}(id={}{reference},dynptr_id=1)", kind.name(), half.id)
}

/// One register.
pub(super) fn text(register: &Register, depth: usize, maps: &MapTable<'_>, values: &Values) -> String {
    let precise = if register.is_scalar() && values.is_precise(register.origin) { "P" } else { "" };
    if let (Kind::Scalar, Some(constant)) = (register.kind, register.value.as_constant()) {
        return format!("{precise}{}", number(constant as i64));
    }
    if let Kind::Stack(frame) = register.kind {
        let owner = if usize::from(frame) == depth { String::new() } else { format!("[{frame}]") };
        if let Some(variable) = register.value.as_constant() {
            return format!("fp{owner}{}", i64::from(register.offset) + variable as i64);
        }
    }
    let mut facts = Vec::new();
    if register.id != 0 {
        match register.link.0 {
            Some(distance) => facts.push(format!("id={}+{distance}", register.id)),
            None => facts.push(format!("id={}", register.id)),
        }
    }
    if register.reference != 0 {
        facts.push(format!("ref_obj_id={}", register.reference));
    }
    if let Some(map) = register.map() {
        let about = maps.facts(map);
        facts.push(format!("map={},ks={},vs={}", about.name, about.key_size, about.value_size));
    }
    match register.kind {
        Kind::Scalar => {}
        Kind::Packet { range } | Kind::PacketMeta { range } => {
            if register.offset != 0 {
                facts.push(format!("off={}", register.offset));
            }
            facts.push(format!("r={range}"));
        }
        Kind::Memory(bytes) => {
            facts.push(format!("sz={bytes}"));
            if register.offset != 0 {
                facts.push(format!("off={}", register.offset));
            }
        }
        _ if register.offset != 0 => facts.push(format!("off={}", register.offset)),
        _ => {}
    }
    if register.value.as_constant() != Some(0) || register.is_scalar() {
        let value = register.value.to_string();
        if !value.is_empty() {
            facts.push(value);
        }
    }
    format!("{precise}{}({})", register.type_name(), facts.join(","))
}

fn number(n: i64) -> String {
    if n.unsigned_abs() <= u64::from(u16::MAX) { n.to_string() } else { format!("{:#x}", n as u64) }
}
