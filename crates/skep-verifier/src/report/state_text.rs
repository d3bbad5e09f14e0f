//! States in the notation of Linux's log: ` R1=ctx() R2=scalar(umax=5,var_off=(0x0; 0x7)) R10=fp0 fp-8=mmmmmmmm`.
//!
//! What a kind of register says about itself is one row of [`about`]; how it is written is the same for all.

use crate::domain::precision::Values;
use crate::domain::register::{Kind, MapRef, Register};
use crate::domain::scalar::is_small;
use crate::domain::stack::{ByteKind, StackSlot};
use crate::domain::state::{CallbackKind, Frame, State};
use crate::input::Options;
use crate::map_table::MapTable;
use crate::tables;
use skep_abi::helper::DynptrKind;
use skep_btf::{Btf, TypeId};
use skep_isa::{CallTarget, RegSet};
use std::fmt::Write as _;

/// What a state refers to, for its text.
#[derive(Clone, Copy)]
pub(crate) struct Names<'a> {
    pub(crate) maps: &'a MapTable<'a>,
    pub(crate) values: &'a Values,
    pub(crate) kernel_btf: Option<&'a Btf>,
    /// Numbers that decided something are marked: Linux does so in kept states alone.
    precision: bool,
}

/// What a kind of register says besides ids, offset and value.
#[derive(Clone, Copy, Default)]
struct About {
    /// The type's name follows the kind's.
    ty: Option<TypeId>,
    map: Option<MapRef>,
    /// Packet bytes known to be there.
    range: Option<u32>,
    /// Bytes of memory.
    size: Option<u32>,
}

fn about(kind: Kind) -> About {
    let nothing = About::default();
    match kind {
        Kind::Map(map) | Kind::MapValue(map) | Kind::MapKey(map) => About { map: Some(map), ..nothing },
        Kind::Packet { range } | Kind::PacketMeta { range } => About { range: Some(range), ..nothing },
        Kind::Memory(bytes) => About { size: Some(bytes), ..nothing },
        Kind::Btf(ty) => About { ty: Some(ty), ..nothing },
        _ => nothing,
    }
}

impl<'a> Names<'a> {
    pub(crate) fn new(maps: &'a MapTable<'_>, values: &'a Values, options: &'a Options<'_>) -> Self {
        Names { maps, values, kernel_btf: options.kernel_btf, precision: false }
    }

    /// For a kept state.
    pub(crate) fn of_kept_state(self) -> Self {
        Names { precision: true, ..self }
    }

    /// What a call calls, where it has a name.
    pub(crate) fn callee(&self, target: &CallTarget) -> Option<String> {
        match *target {
            CallTarget::Helper(id) => Some(format!("bpf_{}", tables::helper(u32::try_from(id).ok()?)?.name)),
            CallTarget::Kfunc { id, .. } => Some(self.type_name(TypeId(u32::try_from(id).ok()?)).to_owned()),
            CallTarget::Subprogram { .. } => None,
        }
    }

    /// The running frame, and what is held.
    pub(crate) fn state(&self, state: &State) -> String {
        let all = 0..state.frame().stack.len();
        self.text(state, state.depth(), RegSet::ALL, all)
    }

    /// The frame of that index, and what is held.
    pub(crate) fn frame(&self, state: &State, index: usize) -> String {
        self.text(state, index, RegSet::ALL, 0..state.frames[index].stack.len())
    }

    /// Some registers and stack slots of the running frame, and what is held.
    pub(crate) fn part(&self, state: &State, registers: RegSet, slots: &[usize]) -> String {
        self.text(state, state.depth(), registers, slots.iter().copied())
    }

    fn text(&self, state: &State, depth: usize, shown: RegSet, slots: impl Iterator<Item = usize>) -> String {
        let frame: &Frame = &state.frames[depth];
        let mut out = String::new();
        if depth > 0 {
            let _ = write!(out, " frame{depth}:");
        }
        for reg in shown.iter() {
            let register = &frame.registers[reg.index()];
            if register.is_initialised() {
                let _ = write!(out, " R{}={}", reg.number(), self.register(register, depth));
            }
        }
        for index in slots {
            if let Some(content) = self.stack_slot(&frame.stack[index], depth) {
                let _ = write!(out, " fp-{}={content}", 8 * (index + 1));
            }
        }
        let interrupts = state.sections.interrupts_off.iter().map(|i| i.id);
        let locks = state.locks.iter().map(|lock| lock.id).filter(|id| *id != 0);
        let mut held: Vec<u32> = state.references.iter().map(|r| r.id).chain(interrupts).chain(locks).collect();
        if !held.is_empty() {
            held.sort_unstable();
            let ids: Vec<String> = held.iter().map(u32::to_string).collect();
            let _ = write!(out, " refs={}", ids.join(","));
        }
        match frame.callback {
            Some(callback) if callback.kind == CallbackKind::Later => out.push_str(" async_cb"),
            Some(_) => out.push_str(" cb"),
            None => {}
        }
        out
    }

    fn stack_slot(&self, slot: &StackSlot, depth: usize) -> Option<String> {
        if slot.spill_size() == 8 {
            return Some(self.register(&slot.spilled, depth));
        }
        if slot.bytes[0] == ByteKind::Iterator {
            return self.iterator(&slot.spilled);
        }
        if let Kind::Dynptr { kind, first } = slot.spilled.kind {
            return first.then(|| dynptr(kind, &slot.spilled));
        }
        let letters: String = slot.bytes.iter().rev().map(|b| b.letter()).collect();
        if letters == "????????" {
            return None;
        }
        if slot.is_spill() {
            let kept = &letters[..8 - usize::from(slot.spill_size())];
            return Some(format!("{kept}{}", self.register(&slot.spilled, depth)));
        }
        Some(letters)
    }

    fn iterator(&self, iterator: &Register) -> Option<String> {
        let Kind::Iterator { ty, active } = iterator.kind else { return None };
        let name = self.type_name(ty);
        let name = name.strip_prefix("bpf_").unwrap_or(name);
        let state = if active { "active" } else { "drained" };
        Some(format!("{name}(ref_id={},state={state})", iterator.reference))
    }

    /// A type of the kernel.
    pub(crate) fn type_name(&self, ty: TypeId) -> &str {
        self.kernel_btf.filter(|btf| btf.get(ty).is_some()).map_or("", |btf| btf.name(ty))
    }

    /// A register of the frame of index `frame`.
    pub(crate) fn register(&self, register: &Register, frame: usize) -> String {
        let precise =
            if self.precision && register.is_scalar() && self.values.is_precise(register.origin) { "P" } else { "" };
        let constant = register.value.as_constant();
        if let (Kind::Scalar, Some(constant)) = (register.kind, constant) {
            return format!("{precise}{}", number(constant as i64));
        }
        let mut out = format!("{precise}{}", register.type_name());
        if let Kind::Stack(owner) = register.kind {
            if usize::from(owner) != frame {
                let _ = write!(out, "[{owner}]");
            }
            if let Some(variable) = constant {
                out.push_str(&number(i64::from(register.offset) + variable as i64));
                return out;
            }
        }
        let about = about(register.kind);
        out.push_str(about.ty.map_or("", |ty| self.type_name(ty)));
        let _ = write!(out, "({})", self.facts(register, about).join(","));
        out
    }

    /// What stands in the brackets.
    fn facts(&self, register: &Register, about: About) -> Vec<String> {
        let mut facts = Vec::new();
        if register.id != 0 {
            let distance = register.link.0.map(|distance| format!("{:+}", distance.added)).unwrap_or_default();
            facts.push(format!("id={}{distance}", register.id));
        }
        if register.reference != 0 {
            facts.push(format!("ref_obj_id={}", register.reference));
        }
        if let Some(map) = about.map {
            let map = self.maps.facts(map);
            facts.push(format!("map={},ks={},vs={}", map.name, map.key_size, map.value_size));
        }
        if register.offset != 0 && !register.is_scalar() {
            facts.push(format!("off={}", number(register.offset.into())));
        }
        facts.extend(about.range.map(|range| format!("r={range}")));
        facts.extend(about.size.map(|bytes| format!("sz={}", size(bytes))));
        match register.value.as_constant() {
            Some(0) => {}
            Some(variable) => facts.push(format!("imm={}", number(variable as i64))),
            None => facts.extend(Some(register.value.to_string()).filter(|text| !text.is_empty())),
        }
        facts
    }
}

/// A dynptr, shown at its lower slot. Linux prints the mark of that slot as if it were an id.
fn dynptr(kind: DynptrKind, half: &Register) -> String {
    let reference = if half.reference == 0 { String::new() } else { format!(",ref_id={}", half.reference) };
    format!("dynptr_{}(id={}{reference},dynptr_id=1)", kind.name(), half.id)
}

fn size(bytes: u32) -> String {
    if bytes <= u16::MAX.into() { bytes.to_string() } else { format!("{bytes:#x}") }
}

/// As Linux prints numbers: decimal as far as people know them by heart.
fn number(n: i64) -> String {
    if is_small(n) { n.to_string() } else { format!("{:#x}", n as u64) }
}
