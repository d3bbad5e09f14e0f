//! Dynptrs on the stack: memory whose place and size only the run knows, reached by calls alone.
//!
//! A dynptr fills two slots, all bytes of which are [`ByteKind::Dynptr`]. `spilled` of both slots says what the dynptr
//! stands on, which half the slot is, the dynptr's own identity (`id`: slices carry it as `map_identity`) and, where it
//! must be given back, its reference. Invariant: both halves are there, or none.

use super::register::{Kind, PointerFlags, Register};
use super::stack::{ByteKind, StackSlot};
use super::state::State;
use skep_abi::helper::DynptrKind;

/// Slots of a dynptr.
pub const DYNPTR_SLOTS: usize = 2;

/// A dynptr on the stack, or the one that a register points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dynptr {
    /// What it stands on.
    pub kind: DynptrKind,
    /// Its identity.
    pub id: u32,
    /// The reference to be given back. 0: none.
    pub reference: u32,
}

impl Dynptr {
    /// The dynptr that a slot begins: the slot of its lowest address.
    fn begun_by(slot: &StackSlot) -> Option<Dynptr> {
        match slot.spilled.kind {
            Kind::Dynptr { kind, first: true } if slot.is_dynptr() => {
                Some(Dynptr { kind, id: slot.spilled.id, reference: slot.spilled.reference })
            }
            _ => None,
        }
    }

    /// What one of its slots holds.
    fn slot(&self, first: bool) -> StackSlot {
        let half = Register::pointer(Kind::Dynptr { kind: self.kind, first });
        StackSlot { bytes: [ByteKind::Dynptr; 8], spilled: Register { id: self.id, reference: self.reference, ..half } }
    }
}

impl State {
    /// The dynptr whose lowest address is that of a slot.
    pub fn dynptr(&self, frame: usize, first: usize) -> Option<Dynptr> {
        Dynptr::begun_by(self.frames.get(frame)?.stack.get(first)?)
    }

    /// The dynptr that a slot is a half of, and its first slot.
    pub fn dynptr_over(&self, frame: usize, index: usize) -> Option<(usize, Dynptr)> {
        let slot = self.frames.get(frame)?.stack.get(index).filter(|slot| slot.is_dynptr())?;
        let first = if matches!(slot.spilled.kind, Kind::Dynptr { first: true, .. }) { index } else { index + 1 };
        Some((first, self.dynptr(frame, first)?))
    }

    /// Puts a dynptr into two slots, whatever was there.
    pub fn put_dynptr(&mut self, frame: usize, first: usize, dynptr: Dynptr) {
        let stack = self.stack_mut(frame, first + 1);
        stack[first] = dynptr.slot(true);
        stack[first - 1] = dynptr.slot(false);
    }

    /// Takes a dynptr away; its slots hold nothing.
    pub fn remove_dynptr(&mut self, frame: usize, first: usize) {
        let stack = self.stack_mut(frame, first + 1);
        stack[first] = StackSlot::EMPTY;
        stack[first - 1] = StackSlot::EMPTY;
    }

    /// Every dynptr with that reference: frame and first slot.
    pub fn dynptrs_of(&self, reference: u32) -> Vec<(usize, usize, Dynptr)> {
        let frames = self.frames.iter().enumerate();
        let all = frames.flat_map(|(frame, content)| {
            let slots = content.stack.iter().enumerate();
            slots.filter_map(move |(index, slot)| Some((frame, index, Dynptr::begun_by(slot)?)))
        });
        all.filter(|(_, _, dynptr)| dynptr.reference == reference).collect()
    }
}

impl Register {
    /// A pointer to a dynptr that the program may use and not change or give back.
    pub fn constant_dynptr(kind: DynptrKind, id: u32) -> Register {
        Register { id, ..Register::pointer(Kind::ConstantDynptr(kind)) }
    }

    /// A slice of the bytes behind a dynptr.
    pub fn slice(bytes: u32, dynptr: &Dynptr, flags: PointerFlags) -> Register {
        Register { map_identity: dynptr.id, ..Register::pointer(Kind::Memory(bytes)).with_flags(flags) }
    }

    /// Whether it is a slice of that dynptr.
    pub fn is_slice_of(&self, dynptr: u32) -> bool {
        matches!(self.kind, Kind::Memory(_)) && self.map_identity == dynptr
    }
}
