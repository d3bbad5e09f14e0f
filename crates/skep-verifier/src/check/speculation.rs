//! Arithmetic on pointers for loaders that may not learn addresses (without CAP_PERFMON).
//!
//! A processor may run ahead on a path that is never taken, with numbers that the checks would have stopped. So Linux
//! masks what is added to a pointer, at each such instruction with one mask: the direction must be known, the kind of
//! pointer must have bounds, and all paths must agree on the room that is left.

use crate::domain::register::{Kind, Register};
use crate::domain::stack::STACK_BYTES;
use crate::refusal::{Check, denied};
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
    /// Before a pointer moves: what has to be masked.
    pub(crate) fn mask_before(&self, pointer: &Register, by: &Move<'_>) -> Check<Masking> {
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
        let Some(slot) = self.exploration.current else { return Ok(()) };
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
