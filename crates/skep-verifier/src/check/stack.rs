//! The stack: 512 bytes per frame, at fixed or variable offsets, with spilled registers kept apart from plain bytes.

use super::memory::{Access, MAX_OFFSET, Mode, Stored};
use crate::domain::register::{Kind, Register};
use crate::domain::scalar::Scalar;
use crate::domain::stack::{ByteKind, STACK_BYTES, StackSlot, position};
use crate::domain::state::State;
use crate::planted::{Fault, is_planted};
use crate::reason::Reason;
use crate::refusal::{Check, EACCES, EINVAL, Refusal, denied, invalid};
use crate::verifier::Verifier;
use skep_isa::Reg;

/// Which offsets of which frame an access may touch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StackRange {
    /// Frame.
    pub(crate) frame: usize,
    /// Lowest offset from the frame pointer.
    pub(crate) min: i32,
    /// One past the highest offset touched.
    pub(crate) end: i32,
    /// Whether there is only one place.
    pub(crate) fixed: bool,
}

impl StackRange {
    /// Bit set of the slots touched.
    fn slots(&self) -> u64 {
        (self.min..self.end).fold(0, |set, offset| set | 1 << position(offset).0)
    }

    /// Bit set of the slots of which every byte is touched.
    fn whole_slots(&self) -> u64 {
        (0..64).filter(|slot| self.min <= -8 * (slot + 1) && self.end >= -8 * slot).fold(0, |set, slot| set | 1 << slot)
    }
}

impl Verifier<'_> {
    pub(crate) fn check_stack_access(
        &mut self,
        state: &mut State,
        base: &Register,
        access: &Access,
    ) -> Check<Register> {
        let range = self.stack_range(state, access.base, base, access.offset, access.size, access.mode.is_write())?;
        match access.mode {
            Mode::Read | Mode::ReadOnly if range.fixed => self.read_fixed(state, range, access),
            Mode::Read | Mode::ReadOnly => self.read_variable(state, range, access, base),
            Mode::Write(stored) if range.fixed => {
                self.write_fixed(state, range, stored)?;
                Ok(Register::UNKNOWN)
            }
            Mode::Write(stored) => {
                self.write_variable(state, range, stored)?;
                Ok(Register::UNKNOWN)
            }
        }
    }

    /// The bytes an access may touch, all inside the frame's stack.
    pub(crate) fn stack_range(
        &mut self,
        state: &State,
        reg: Reg,
        base: &Register,
        offset: i32,
        size: u32,
        write: bool,
    ) -> Check<StackRange> {
        let Kind::Stack(frame) = base.kind else { return denied("not a stack pointer") };
        let number = reg.number();
        let how = if write { " write to" } else { " read from" };
        let offset = i64::from(offset) + i64::from(base.offset);
        let constant = base.value.as_constant();
        let (min, max) = match constant {
            Some(value) => (offset.wrapping_add(value as i64), offset.wrapping_add(value as i64)),
            None => {
                if base.value.smax >= MAX_OFFSET || base.value.smin <= -MAX_OFFSET {
                    return Reason::Unbounded.denied(format!("invalid unbounded variable-offset{how} stack R{number}"));
                }
                (base.value.smin + offset, base.value.smax + offset)
            }
        };
        let end = max.saturating_add(size.into());
        // What an unprivileged program has not written yet is not there to be read.
        let depth = if write || self.may_read_uninitialised() {
            i64::from(STACK_BYTES)
        } else {
            8 * state.frames[usize::from(frame)].stack.len() as i64
        };
        if min < -depth || min >= 0 || end > 0 {
            let message = match constant {
                Some(_) => format!("invalid{how} stack R{number} off={min} size={size}"),
                None => format!(
                    "invalid variable-offset{how} stack R{number} var_off={} off={offset} size={size}",
                    base.value.bits
                ),
            };
            let errno = if min < -depth || min >= 0 { EACCES } else { EINVAL };
            return Err(Refusal::new(errno, message).of(Reason::StackBounds));
        }
        let range = StackRange { frame: frame.into(), min: min as i32, end: end as i32, fixed: constant.is_some() };
        self.note_stack_depth(range);
        Ok(range)
    }

    fn read_fixed(&mut self, state: &mut State, range: StackRange, access: &Access) -> Check<Register> {
        let (slot, byte) = position(range.min);
        self.mark_stack_read(state, range.frame, range.slots());
        let size = access.size as usize;
        let found = state.frames[range.frame].stack.get(slot).cloned().unwrap_or(StackSlot::EMPTY);
        if found.is_spill() {
            if size == 8 && found.spill_size() == 8 {
                if access.mode == Mode::ReadOnly && self.is_leak(&found.spilled) {
                    return Reason::PointerLeak.denied(format!("leaking pointer from stack off {}", range.min));
                }
                return Ok(found.spilled);
            }
            if !found.spilled.is_scalar() {
                return Reason::StackMisuse.denied("invalid size of register fill");
            }
            let first = byte == 0 || is_planted(Fault::FillFromMiddle);
            if first && size <= usize::from(found.spill_size()) {
                let mut filled = found.spilled;
                // Fewer bytes than the number has: no longer the same number.
                if size < 8 && filled.value.umax >> (8 * size) != 0 {
                    filled.id = 0;
                }
                return Ok(filled);
            }
        }
        self.bytes_as_register(range, access, &found, byte)
    }

    /// What bytes that are not a whole spilled register are worth as a number.
    fn bytes_as_register(
        &mut self,
        range: StackRange,
        access: &Access,
        slot: &StackSlot,
        first: usize,
    ) -> Check<Register> {
        let size = access.size as usize;
        let bytes = &slot.bytes[first..(first + size).min(8)];
        let unreadable = |b: &ByteKind| b.is_object() || *b == ByteKind::Invalid && !self.may_read_uninitialised();
        if let Some(bad) = bytes.iter().position(unreadable) {
            return Err(Refusal::new(EACCES, format!("invalid read from stack off {}+{bad} size {size}", range.min))
                .of(Reason::UninitialisedStack)
                .hint("write to the stack before reading it"));
        }
        if bytes.contains(&ByteKind::Invalid) {
            self.reads_unset_stack.set(true);
        }
        if bytes.iter().all(|b| *b == ByteKind::Zero) {
            return Ok(Register::constant(0));
        }
        if bytes.iter().all(|b| *b == ByteKind::Spill) && slot.spilled.value.as_constant() == Some(0) {
            self.values.mark(slot.spilled.origin);
            return Ok(Register::constant(0));
        }
        Ok(Register::UNKNOWN)
    }

    fn read_variable(
        &mut self,
        state: &mut State,
        range: StackRange,
        access: &Access,
        base: &Register,
    ) -> Check<Register> {
        self.check_stack_initialised(state, access.base, base, range, access.size, false)?;
        let stack = &state.frames[range.frame].stack;
        let zero = (range.min..range.end).all(|offset| {
            let (slot, byte) = position(offset);
            stack.get(slot).is_some_and(|s| s.bytes[byte] == ByteKind::Zero)
        });
        Ok(if zero { Register::constant(0) } else { Register::UNKNOWN })
    }

    fn write_fixed(&mut self, state: &mut State, range: StackRange, stored: Stored) -> Check {
        let size = (range.end - range.min) as usize;
        let (slot, first) = position(range.min);
        let value = match stored {
            Stored::Register(reg) => Some(*state.register(reg)),
            Stored::Constant(imm) => Some(Register::constant(i64::from(imm) as u64)),
            Stored::Data => None,
        };
        let depth = state.depth();
        let old = state.frames[range.frame].stack.get(slot).cloned().unwrap_or(StackSlot::EMPTY);
        if !self.may_leak_pointers() && old.is_pointer() && size != 8 {
            return Reason::StackMisuse.denied("attempt to corrupt spilled pointer on stack");
        }
        self.guard_store(&old, first, size, value.as_ref());
        let overwritten = self.overwrite_dynptr(state, range.frame, slot)?;
        let mut new = if overwritten { StackSlot::EMPTY } else { old };
        match value {
            Some(value) if value.is_pointer() => {
                if size != 8 {
                    return Reason::StackMisuse.denied("invalid size of register spill");
                }
                if range.frame != depth && matches!(value.kind, Kind::Stack(_)) {
                    return Reason::StackMisuse
                        .invalid("cannot spill pointers to stack into stack frame of the caller");
                }
                new = StackSlot { bytes: [ByteKind::Spill; 8], spilled: value };
            }
            Some(mut value) if first == 0 && value.is_scalar() && self.is_privileged() => {
                // What a narrow store cuts off is not equal to what was stored.
                let fits = value.value.umax.checked_shr(8 * size as u32).unwrap_or(0) == 0;
                if let (Stored::Register(reg), true) = (stored, fits) {
                    value = self.identify_for_copy(state, reg);
                }
                spill_number(&mut new, value, size);
            }
            _ => {
                let zero = value.as_ref().is_some_and(Register::is_null);
                if zero && let Some(value) = &value {
                    self.values.mark(value.origin);
                }
                if !is_planted(Fault::StoreKeepsSpill) || !new.is_spill() {
                    new.scrub();
                }
                let kind = if zero { ByteKind::Zero } else { ByteKind::Misc };
                if !is_planted(Fault::StoreKeepsSpill) || !new.is_spill() {
                    new.bytes[first..first + size].fill(kind);
                }
            }
        }
        state.stack_mut(range.frame, slot + 1)[slot] = new;
        self.mark_stack_written(state, range.frame, range.whole_slots());
        Ok(())
    }

    fn write_variable(&mut self, state: &mut State, range: StackRange, stored: Stored) -> Check {
        let zero = match stored {
            Stored::Register(reg) => {
                let value = *state.register(reg);
                if self.is_leak(&value) {
                    return Reason::PointerLeak.denied(format!("R{} leaks addr into stack", reg.number()));
                }
                if value.is_null() {
                    self.values.mark(value.origin);
                }
                value.is_null()
            }
            Stored::Constant(imm) => imm == 0,
            Stored::Data => false,
        };
        let count = position(range.min).0 + 1;
        for slot in position(range.end - 1).0..count {
            self.overwrite_dynptr(state, range.frame, slot)?;
        }
        // Where it is written is not known: what was there before may still be.
        self.mark_stack_read(state, range.frame, range.slots());
        let (may_leak, may_read) = (self.may_leak_pointers(), self.may_read_uninitialised());
        let slot_number = state.slot;
        let mut unset = false;
        let stack = state.stack_mut(range.frame, count);
        for offset in range.min..range.end {
            let (index, byte) = position(offset);
            let slot = &mut stack[index];
            unset |= slot.bytes[byte] == ByteKind::Invalid;
            if !may_leak && slot.is_pointer() {
                return invalid(format!(
                    "spilled ptr in range of var-offset stack write; insn {slot_number}, ptr off: {offset}"
                ));
            }
            if slot.bytes[byte] == ByteKind::Invalid && !may_read {
                return Reason::UninitialisedStack.invalid(format!(
                    "uninit stack in range of var-offset write prohibited for !root; insn {slot_number}, off: {offset}"
                ));
            }
            let stays_zero_spill = zero && slot.is_spill() && slot.spilled.is_null();
            if stays_zero_spill || is_planted(Fault::VariableStoreKeepsSpill) {
                continue;
            }
            slot.scrub();
            if !(zero && slot.bytes[byte] == ByteKind::Zero) {
                slot.bytes[byte] = ByteKind::Misc;
            }
        }
        if unset {
            // From here on it counts as written, although most of it is not.
            self.reads_unset_stack.set(true);
        }
        Ok(())
    }

    /// Checks that a helper may read every byte of a range, or (`clobber`) read and overwrite it.
    pub(crate) fn check_stack_initialised(
        &mut self,
        state: &mut State,
        reg: Reg,
        base: &Register,
        range: StackRange,
        size: u32,
        clobber: bool,
    ) -> Check {
        if !self.may_leak_pointers() && !range.fixed {
            return denied(format!(
                "R{} variable offset stack access prohibited for !root, var_off={}",
                reg.number(),
                base.value.bits
            ));
        }
        let allow_uninitialised = self.may_read_uninitialised();
        let may_leak = self.may_leak_pointers();
        for offset in range.min..range.end {
            let (index, byte) = position(offset);
            let kind = state.frames[range.frame].stack.get(index).map_or(ByteKind::Invalid, |s| s.bytes[byte]);
            let readable = match kind {
                ByteKind::Misc | ByteKind::Zero => true,
                ByteKind::Invalid => allow_uninitialised,
                ByteKind::Iterator | ByteKind::Dynptr | ByteKind::InterruptFlag => false,
                ByteKind::Spill => may_leak || state.frames[range.frame].stack[index].spilled.is_scalar(),
            };
            if !readable {
                return Err(uninitialised(reg, base, range, offset, size));
            }
            if kind == ByteKind::Invalid {
                self.reads_unset_stack.set(true);
            }
        }
        self.mark_stack_read(state, range.frame, range.slots());
        if clobber {
            self.fill_stack(state, range);
        }
        Ok(())
    }

    /// Something unknown is written over a range.
    pub(crate) fn fill_stack(&mut self, state: &mut State, range: StackRange) {
        let count = position(range.min).0 + 1;
        let stack = state.stack_mut(range.frame, count);
        for offset in range.min..range.end {
            let (index, byte) = position(offset);
            if is_planted(Fault::HelperKeepsStack) {
                continue;
            }
            stack[index].scrub();
            stack[index].bytes[byte] = ByteKind::Misc;
        }
        if range.fixed {
            self.mark_stack_written(state, range.frame, range.whole_slots());
        }
    }

    /// Unprivileged programs must not turn a spilled pointer into data.
    pub(crate) fn check_no_pointer_overwritten(&self, state: &State, range: StackRange) -> Check {
        let stack = &state.frames[range.frame].stack;
        let hit = |offset: &i32| stack.get(position(*offset).0).is_some_and(StackSlot::is_pointer);
        if (range.min..range.end).any(|offset| hit(&offset)) {
            return Reason::StackMisuse.denied("attempt to corrupt spilled pointer on stack");
        }
        Ok(())
    }

    /// The bytes of a constant stack slot range, where all are known numbers: for constant map keys.
    pub(crate) fn constant_on_stack(&mut self, state: &State, base: &Register, size: u32) -> Option<u64> {
        let Kind::Stack(frame) = base.kind else { return None };
        let offset = i32::try_from(base.value.as_constant()? as i64).ok()?.checked_add(base.offset)?;
        if !(-STACK_BYTES..0).contains(&offset) || !matches!(size, 1 | 2 | 4 | 8) {
            return None;
        }
        let (index, byte) = position(offset);
        let slot = state.frames.get(usize::from(frame))?.stack.get(index)?;
        let bytes = slot.bytes.get(byte..byte + size as usize)?;
        if bytes.iter().all(|b| *b == ByteKind::Zero) {
            return Some(0);
        }
        if byte != 0 || usize::from(slot.spill_size()) != size as usize {
            return None;
        }
        let mut value: Scalar = slot.spilled.is_scalar().then_some(slot.spilled.value)?;
        value.truncate(size as u8);
        let constant = value.as_constant()?;
        self.values.mark(slot.spilled.origin);
        Some(constant)
    }
}

fn uninitialised(reg: Reg, base: &Register, range: StackRange, offset: i32, size: u32) -> Refusal {
    let number = reg.number();
    let (at, step) = (range.min, offset - range.min);
    let message = if range.fixed {
        format!("invalid read from stack R{number} off {at}+{step} size {size}")
    } else {
        format!("invalid read from stack R{number} var_off {}+{step} size {size}", base.value.bits)
    };
    Refusal::new(EACCES, message).of(Reason::UninitialisedStack)
}

/// Stores the low `size` bytes of a number at the start of a slot.
fn spill_number(slot: &mut StackSlot, mut value: Register, size: usize) {
    if size < 8 && value.value.umax >> (8 * size) != 0 {
        value.id = 0;
    }
    if size < 8 {
        value.value.truncate(size as u8);
        value.link = crate::domain::register::Link(None);
    }
    for byte in slot.bytes[size..].iter_mut().filter(|byte| !matches!(byte, ByteKind::Zero | ByteKind::Invalid)) {
        *byte = ByteKind::Misc;
    }
    slot.bytes[..size].fill(ByteKind::Spill);
    slot.spilled = value;
}
