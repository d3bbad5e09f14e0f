//! Whether a state is covered by one seen before.
//!
//! Fact preserved: if `covers` holds and every path from the old state was found safe, then every path from the new
//! one is. The new state must allow no more than the old one in everything that was read or decided anything after
//! the old one; ids and references must correspond one to one.

use crate::domain::precision::Values;
use crate::domain::register::{Kind, Register};
use crate::domain::scalar::Scalar;
use crate::domain::stack::{ByteKind, StackSlot};
use crate::domain::state::{Frame, State};
use crate::planted::{Fault, is_planted};
use skep_isa::{Reg, RegSet};
use std::cell::Cell;

/// How strictly numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exactness {
    /// Numbers that decided nothing may differ.
    Relevant,
    /// All numbers must lie within the old ones, and what was not written yet is still not written.
    Within,
    /// Everything must be the same.
    Same,
}

/// What a comparison looks at.
pub(crate) struct Comparison<'a> {
    pub(crate) values: &'a Values,
    pub(crate) exactness: Exactness,
    /// Registers still to be read, per slot; slots without an entry: all.
    pub(crate) live: &'a [RegSet],
    /// Stack slots that were read after the old state, per frame.
    pub(crate) read: [u64; 8],
    /// Numbers must be the same: some of them decide what is masked, and all paths must agree on that.
    pub(crate) same_numbers: bool,
    /// Stack never written may be read as any number.
    pub(crate) uninitialised_readable: bool,
    /// Set where stack that the old state had written, and the new one has not, is read.
    pub(crate) unset_read: Cell<bool>,
}

/// A one-to-one correspondence of ids.
#[derive(Debug, Default)]
struct Ids {
    pairs: Vec<(u32, u32)>,
    made_up: u32,
}

impl Ids {
    fn correspond(&mut self, old: u32, new: u32) -> bool {
        if (old == 0) != (new == 0) {
            return false;
        }
        if old == 0 {
            return true;
        }
        for (o, n) in &self.pairs {
            if *o == old {
                return *n == new;
            }
            if *n == new {
                return false;
            }
        }
        self.pairs.push((old, new));
        true
    }

    /// Numbers without an id are linked to nothing: as if each had one of its own.
    fn scalars_correspond(&mut self, old: u32, new: u32) -> bool {
        if is_planted(Fault::IdentitiesNotCompared) {
            return true;
        }
        let mut own = |id: u32| {
            if id != 0 {
                return id;
            }
            self.made_up += 1;
            u32::MAX - self.made_up
        };
        let (old, new) = (own(old), own(new));
        self.correspond(old, new)
    }
}

impl Comparison<'_> {
    /// Whether the old state covers the new one.
    pub(crate) fn covers(&self, old: &State, new: &State) -> bool {
        // What no run goes through says nothing about what runs do.
        if old.speculative && !new.speculative {
            return false;
        }
        if !same_calls(old, new) || old.references.len() != new.references.len() {
            return false;
        }
        let mut ids = Ids::default();
        let mut references = old.references.iter().zip(&new.references);
        if !references.all(|(o, n)| ids.correspond(o.id, n.id)) {
            return false;
        }
        if !same_sections(old, new, &mut ids) {
            return false;
        }
        let mut locks = old.locks.iter().zip(&new.locks);
        if old.locks.len() != new.locks.len()
            || !locks.all(|(o, n)| o.place == n.place && o.kind == n.kind && ids.correspond(o.id, n.id))
        {
            return false;
        }
        let frames = old.frames.iter().zip(&new.frames).enumerate();
        frames.into_iter().all(|(index, (o, n))| {
            let at = old.frames.get(index + 1).map_or(old.slot, |inner| inner.call_site);
            let live = self.live.get(at).copied().unwrap_or(RegSet::ALL);
            let read = if index > 0 && is_planted(Fault::CalleeStackNotCompared) { 0 } else { self.read[index] };
            self.frame(o, n, live, read, &mut ids)
        })
    }

    fn frame(&self, old: &Frame, new: &Frame, live: RegSet, read: u64, ids: &mut Ids) -> bool {
        if old.callback_depth > new.callback_depth {
            return false;
        }
        let registers = live.iter().filter(|r| *r != Reg::R10);
        for reg in registers {
            if !self.register(&old.registers[reg.index()], &new.registers[reg.index()], ids) {
                return false;
            }
        }
        let slots = old.stack.iter().enumerate().filter(|(index, _)| read & (1 << index) != 0);
        for (index, slot) in slots {
            let other = new.stack.get(index).unwrap_or(&StackSlot::EMPTY);
            if !self.stack_slot(slot, other, ids) {
                return false;
            }
        }
        self.exactness == Exactness::Relevant || old.stack.len() <= new.stack.len()
    }

    fn stack_slot(&self, old: &StackSlot, new: &StackSlot, ids: &mut Ids) -> bool {
        match self.exactness {
            Exactness::Relevant => {
                let unset = |(o, n): (&ByteKind, &ByteKind)| *o != ByteKind::Invalid && *n == ByteKind::Invalid;
                if old.bytes.iter().zip(&new.bytes).any(unset) {
                    self.unset_read.set(true);
                }
                if let (Some(o), Some(n)) = (self.whole_number(old), self.whole_number(new)) {
                    return self.register(&o, &n, ids);
                }
                if !old.bytes.iter().zip(&new.bytes).all(|(o, n)| self.byte(*o, *n)) {
                    return false;
                }
            }
            // What is not written yet in the first round of a loop may be read in the next.
            Exactness::Within | Exactness::Same if old.bytes != new.bytes => return false,
            Exactness::Within | Exactness::Same => {}
        }
        if old.bytes.iter().any(|byte| byte.is_object()) {
            let (o, n) = (&old.spilled, &new.spilled);
            let same = o.kind == n.kind && o.flags == n.flags;
            return same && ids.correspond(o.reference, n.reference) && ids.correspond(o.id, n.id);
        }
        !old.is_spill() || new.is_spill() && self.register(&old.spilled, &new.spilled, ids)
    }

    /// Whether whoever could go on with the old byte can go on with the new one.
    fn byte(&self, old: ByteKind, new: ByteKind) -> bool {
        match (old, new) {
            (ByteKind::Invalid, _) | (ByteKind::Misc, ByteKind::Zero) => true,
            // Reading either gives any number: an address is one for whoever may read what was never written.
            (ByteKind::Misc, new) if self.uninitialised_readable => !new.is_object(),
            (old, new) => old == new,
        }
    }

    /// A slot that reads as one eight-byte number.
    fn whole_number(&self, slot: &StackSlot) -> Option<Register> {
        if slot.spill_size() == 8 {
            return slot.spilled.is_scalar().then_some(slot.spilled);
        }
        let data = |b: &ByteKind| match b {
            ByteKind::Misc => true,
            ByteKind::Invalid => self.uninitialised_readable,
            _ => false,
        };
        slot.bytes.iter().all(data).then_some(Register::UNKNOWN)
    }

    fn register(&self, old: &Register, new: &Register, ids: &mut Ids) -> bool {
        if self.exactness == Exactness::Same {
            return same(old, new) && ids.correspond(old.id, new.id) && ids.correspond(old.reference, new.reference);
        }
        match old.kind {
            // Nothing read it: no path that has ended can have.
            Kind::Uninitialised => self.exactness == Exactness::Relevant || new.kind == Kind::Uninitialised,
            Kind::Scalar => new.is_scalar() && self.number(old, new, ids),
            Kind::Packet { range } | Kind::PacketMeta { range } => {
                let new_range = match (old.kind, new.kind) {
                    (Kind::Packet { .. }, Kind::Packet { range }) => range,
                    (Kind::PacketMeta { .. }, Kind::PacketMeta { range }) => range,
                    _ => return false,
                };
                (new_range >= range || is_planted(Fault::PacketRangeNotCompared)) && self.pointer(old, new, ids)
            }
            Kind::Arena => new.kind == Kind::Arena,
            _ => old.kind == new.kind && self.pointer(old, new, ids),
        }
    }

    fn number(&self, old: &Register, new: &Register, ids: &mut Ids) -> bool {
        if self.same_numbers {
            return old.value == new.value && old.link == new.link && ids.scalars_correspond(old.id, new.id);
        }
        let precise = self.values.is_precise(old.origin);
        if self.exactness == Exactness::Relevant && !precise {
            return true;
        }
        if old.value == Scalar::UNKNOWN && old.id == 0 {
            return true;
        }
        let within = match is_planted(Fault::BitsNotCompared) {
            true => old.value.ranges_include(&new.value),
            false => old.value.includes(&new.value),
        };
        old.link == new.link && within && ids.scalars_correspond(old.id, new.id)
    }

    fn pointer(&self, old: &Register, new: &Register, ids: &mut Ids) -> bool {
        old.flags == new.flags
            && old.offset == new.offset
            && ids.correspond(old.map_identity, new.map_identity)
            && old.value.includes(&new.value)
            && ids.correspond(old.id, new.id)
            && ids.correspond(old.reference, new.reference)
    }
}

/// Everything but origins.
pub(crate) fn identical(old: &Register, new: &Register) -> bool {
    same(old, new) && (old.id, old.reference) == (new.id, new.reference)
}

/// Everything but ids and origins.
fn same(old: &Register, new: &Register) -> bool {
    old.kind == new.kind
        && old.flags == new.flags
        && old.offset == new.offset
        && old.value == new.value
        && old.link == new.link
}

/// Whether two states stand in the same functions, called from the same places.
pub(crate) fn same_calls(a: &State, b: &State) -> bool {
    a.frames.len() == b.frames.len()
        && a.frames
            .iter()
            .zip(&b.frames)
            .all(|(x, y)| x.call_site == y.call_site && x.subprogram == y.subprogram && x.callback == y.callback)
}

/// Whether two states are in the same sections, and in programs that may sleep or not alike.
fn same_sections(old: &State, new: &State, ids: &mut Ids) -> bool {
    let (o, n) = (&old.sections, &new.sections);
    let mut flags = o.interrupts_off.iter().zip(&n.interrupts_off);
    old.sleepable == new.sleepable
        && (o.rcu, o.preemption_off, o.interrupts_off.len()) == (n.rcu, n.preemption_off, n.interrupts_off.len())
        && flags.all(|(o, n)| ids.correspond(o.id, n.id))
}
