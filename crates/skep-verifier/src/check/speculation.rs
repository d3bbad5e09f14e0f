//! Arithmetic on pointers for loaders that may not learn addresses (without CAP_PERFMON).
//!
//! A processor may run ahead on a path that is never taken, with numbers that the checks would have stopped. So Linux
//! masks what is added to a pointer, at each such instruction with one mask: the direction must be known, the kind of
//! pointer must have bounds, and all paths must agree on the room that is left.

use crate::branch::Branch;
use crate::domain::register::{Kind, Register};
use crate::domain::stack::{ByteKind, STACK_BYTES, StackSlot};
use crate::domain::state::State;
use crate::refusal::{Check, EACCES, EINVAL, EPERM, Refusal, denied};
use crate::verifier::Verifier;
use skep_isa::{BinaryOp, Operand, Reg};

/// What is to be masked at an instruction, and how far it may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Masking {
    /// Nothing: both operands are numbers.
    Numbers,
    /// The number that is added to a pointer, or taken from it.
    Offset {
        negative: bool,
        constant: bool,
        /// The pointer is the destination.
        to_pointer: bool,
        limit: u32,
    },
}

/// `dst op= src` with a pointer on one side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move<'a> {
    pub(crate) op: BinaryOp,
    pub(crate) dst: Reg,
    pub(crate) src: Reg,
    /// The pointer is the source.
    pub(crate) swapped: bool,
    pub(crate) number: &'a Register,
}

/// Where a processor that runs ahead must stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Barrier {
    /// The instruction must not be run ahead of its time.
    Before,
    /// What it stores must be there for what follows.
    After,
}

/// Whether a path that no run takes may end where this was found, instead of the program being refused.
pub(crate) fn stops_at_barrier(refusal: &Refusal) -> bool {
    matches!(refusal.errno, EPERM | EACCES | EINVAL)
}

const WHY: &str = "pointer arithmetic with it prohibited for !root";

impl<'a> Move<'a> {
    /// The move of an instruction, if a processor could run ahead of it with another number.
    pub(crate) fn of(op: BinaryOp, dst: Reg, src: Operand, swapped: bool, number: &'a Register) -> Option<Self> {
        match (op, src) {
            (BinaryOp::Add | BinaryOp::Sub, Operand::Reg(src)) => Some(Move { op, dst, src, swapped, number }),
            _ => None,
        }
    }

    /// The pointer's room below or above, whichever way it moves.
    fn leftward(&self) -> bool {
        (self.op == BinaryOp::Add) == (self.number.value.smin < 0)
    }
}

impl Verifier<'_> {
    /// The way that a branch certainly does not go: a processor may, before it knows the operands. `state` is after the
    /// branch, and `offset` is from there.
    pub(crate) fn run_ahead(&mut self, state: &State, slot: usize, branch: Branch, offset: i32, step: u32) -> Check {
        let mut ahead = State { speculative: true, step, ..state.clone() };
        ahead.set(branch.left, Register::UNKNOWN);
        if let Operand::Reg(right) = branch.right {
            ahead.set(right, Register::UNKNOWN);
        }
        ahead.slot = (ahead.slot as i64 + i64::from(offset)) as usize;
        self.put_aside(ahead, slot)
    }

    /// The mask makes 0 of a number that goes too far: with that a processor may run ahead.
    fn run_ahead_unmoved(&mut self, state: &State, pointer: &Register, dst: Reg) -> Check {
        let Some(slot) = self.exploration.current else { return Ok(()) };
        let step = self.record(state.step, slot);
        let mut ahead = State { speculative: true, step, ..state.clone() };
        ahead.set(dst, *pointer);
        self.put_aside(ahead, slot)
    }

    /// Whether nothing is masked here: no processor gets so far ahead.
    fn stops_here(&self) -> bool {
        self.exploration.current.is_some_and(|slot| self.facts[slot].barrier == Some(Barrier::Before))
    }

    /// A store to the stack that a load right behind it might not see yet: where pointers, or what was never written, may
    /// be seen in its place.
    pub(crate) fn guard_store(&mut self, old: &StackSlot, first: usize, size: usize, value: Option<&Register>) {
        let number = |byte: &ByteKind| matches!(byte, ByteKind::Misc | ByteKind::Zero);
        let harmless =
            value.is_none_or(|value| !value.is_pointer()) && old.bytes[first..first + size].iter().all(number);
        if self.may_leak_pointers() || harmless {
            return;
        }
        if let Some(slot) = self.exploration.current {
            self.facts[slot].barrier.get_or_insert(Barrier::After);
        }
    }

    /// Before a pointer moves: what has to be masked, if anything.
    pub(crate) fn mask_before(&mut self, state: &State, pointer: &Register, by: &Move<'_>) -> Check<Option<Masking>> {
        if self.stops_here() {
            return Ok(None);
        }
        if state.speculative {
            if !by.number.value.is_constant() {
                self.run_ahead_unmoved(state, pointer, by.dst)?;
            }
            return Ok(None);
        }
        let masking = self.masking(pointer, by)?;
        if !by.number.value.is_constant() {
            self.masks_variable_offsets = true;
            self.run_ahead_unmoved(state, pointer, by.dst)?;
        }
        Ok(Some(masking))
    }

    fn masking(&self, pointer: &Register, by: &Move<'_>) -> Check<Masking> {
        let value = &by.number.value;
        if !value.is_constant() && (value.smin < 0) != (value.smax < 0) {
            let at = if by.swapped { by.dst } else { by.src }.number();
            return denied(format!("R{at} has unknown scalar with mixed signed bounds, {WHY}"));
        }
        let limit = self.room(pointer, by)?;
        let (negative, constant) = (value.smin < 0, value.is_constant());
        Ok(Masking::Offset { negative, constant, to_pointer: !by.swapped, limit })
    }

    /// After it has moved: the mask lets through just as much as the pointer moved at most.
    pub(crate) fn mask_after(&mut self, moved: &Register, by: &Move<'_>, mut masking: Masking) -> Check {
        let now = self.room(moved, by)?;
        if let Masking::Offset { limit, .. } = &mut masking {
            *limit = limit.abs_diff(now);
        }
        self.agree_on_masking(by.op, by.dst, masking)
    }

    /// Both operands are numbers: nothing may have to be masked on another path.
    pub(crate) fn mask_numbers(&mut self, op: BinaryOp, dst: Reg, src: Operand) -> Check {
        match (op, src) {
            (BinaryOp::Add | BinaryOp::Sub, Operand::Reg(_)) => self.agree_on_masking(op, dst, Masking::Numbers),
            _ => Ok(()),
        }
    }

    /// How far a pointer is from the end that it moves to.
    fn room(&self, pointer: &Register, by: &Move<'_>) -> Check<u32> {
        let left = by.leftward();
        let offset = i64::from(pointer.offset);
        let (max, room) = match pointer.kind {
            Kind::Stack(_) => {
                let start = (pointer.value.bits.value as i64).wrapping_add(offset);
                (STACK_BYTES as u32 + u32::from(left), start.wrapping_neg())
            }
            Kind::MapValue(map) => {
                let end = if left { pointer.value.smin } else { pointer.value.umax as i64 };
                (self.maps.facts(map).value_size, end.wrapping_add(offset))
            }
            _ => {
                let at = if by.swapped { by.src } else { by.dst }.number();
                return denied(format!("R{at} has pointer with unsupported alu operation, {WHY}"));
            }
        };
        // Linux counts in 32 bits without a sign: what is negative is far beyond.
        if room as u32 >= max {
            return denied(format!("R{} tried to {} beyond pointer bounds, {WHY}", by.dst.number(), verb(by.op)));
        }
        Ok(room as u32)
    }

    /// All paths must mask the same: the instruction is rewritten once.
    fn agree_on_masking(&mut self, op: BinaryOp, dst: Reg, masking: Masking) -> Check {
        let Some(slot) = self.exploration.current.filter(|_| !self.stops_here()) else { return Ok(()) };
        match self.facts[slot].masking {
            Some(before) if before != masking => {
                denied(format!("R{} tried to {} from different maps, paths or scalars, {WHY}", dst.number(), verb(op)))
            }
            _ => {
                self.facts[slot].masking = Some(masking);
                Ok(())
            }
        }
    }
}

fn verb(op: BinaryOp) -> &'static str {
    if op == BinaryOp::Add { "add" } else { "sub" }
}
