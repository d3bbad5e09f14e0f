//! Arithmetic with a pointer as operand: which kinds allow it, and what the result points to.

use super::memory::MAX_OFFSET;
use super::speculation::Move;
use crate::domain::arithmetic;
use crate::domain::register::{Kind, PointerFlags, Register};
use crate::domain::scalar::Scalar;
use crate::domain::state::State;
use crate::planted::{Fault, is_planted};
use crate::reason::Reason;
use crate::refusal::{Check, EACCES, EINVAL, Refusal, denied};
use crate::verifier::Verifier;
use skep_isa::{BinaryOp, Operand, Reg, Width};

/// How Linux writes an operator in messages.
pub(crate) fn operator_text(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "+=",
        BinaryOp::Sub => "-=",
        BinaryOp::Mul => "*=",
        BinaryOp::Div | BinaryOp::SDiv => "/=",
        BinaryOp::Mod | BinaryOp::SMod => "%=",
        BinaryOp::Or => "|=",
        BinaryOp::And => "&=",
        BinaryOp::Xor => "^=",
        BinaryOp::Lsh => "<<=",
        BinaryOp::Rsh => ">>=",
        BinaryOp::Arsh => "s>>=",
        BinaryOp::Mov => "=",
    }
}

/// The operands of `dst op= src` where exactly one is a pointer.
struct Operands {
    pointer: Register,
    number: Register,
    /// The pointer is the source: `number op= pointer`.
    swapped: bool,
}

impl Verifier<'_> {
    /// `dst op= src` where at least one side is a pointer.
    pub(crate) fn pointer_arithmetic(
        &mut self,
        state: &mut State,
        op: BinaryOp,
        width: Width,
        dst: Reg,
        src: Operand,
    ) -> Check {
        let left = *state.register(dst);
        let right = match src {
            Operand::Reg(reg) => *state.register(reg),
            Operand::Imm(imm) => Register::constant(i64::from(imm) as u64),
        };
        let number = dst.number();
        // Whatever comes out of it is a place in the arena.
        if left.kind == Kind::Arena || right.kind == Kind::Arena {
            state.set(dst, Register::pointer(Kind::Arena));
            return Ok(());
        }
        if left.is_pointer() && right.is_pointer() {
            if op == BinaryOp::Sub && self.may_leak_pointers() {
                state.set(dst, Register::UNKNOWN);
                return Ok(());
            }
            return Reason::PointerArithmetic
                .denied(format!("R{number} pointer {} pointer prohibited", operator_text(op)));
        }
        let operands = if left.is_pointer() {
            Operands { pointer: left, number: right, swapped: false }
        } else {
            Operands { pointer: right, number: left, swapped: true }
        };
        // Where a pointer goes depends on the number.
        if !is_planted(Fault::PointerOffsetNotPrecise) {
            self.values.mark(operands.number.origin);
        }
        let result = self.moved_pointer(state, (op, width), dst, src, &operands)?;
        state.set(dst, result);
        Ok(())
    }

    fn moved_pointer(
        &mut self,
        state: &State,
        (op, width): (BinaryOp, Width),
        dst: Reg,
        src: Operand,
        operands: &Operands,
    ) -> Check<Register> {
        let Operands { pointer, number, swapped } = operands;
        let at = dst.number();
        if width == Width::W32 {
            if op == BinaryOp::Sub && self.may_leak_pointers() {
                return Ok(Register::UNKNOWN);
            }
            return Reason::PointerArithmetic.denied(format!("R{at} 32-bit pointer arithmetic prohibited"));
        }
        let name = pointer.type_name();
        if pointer.is_nullable() {
            return Reason::MaybeNull
                .denied(format!("R{at} pointer arithmetic on {name} prohibited, null-check it first"));
        }
        // Offsets of what nobody vouches for do not matter.
        if matches!(pointer.kind, Kind::Memory(_)) && pointer.flags.contains(PointerFlags::UNTRUSTED) {
            return Ok(*pointer);
        }
        let adds_nothing = op == BinaryOp::Add && number.value.as_constant() == Some(0);
        let allowed = match pointer.kind {
            Kind::FlowKeys => number.value.is_constant(),
            Kind::Map(_) => adds_nothing,
            Kind::PacketEnd | Kind::Socket(_) | Kind::Function(_) | Kind::Arena => false,
            _ => true,
        };
        if !allowed {
            return Reason::PointerArithmetic.denied(format!("R{at} pointer arithmetic on {name} prohibited"));
        }
        check_sane_number(&number.value, number.link.added(), &name)?;
        check_sane_pointer(pointer)?;
        let guarded = Move::of(op, dst, src, *swapped, number).filter(|_| !self.may_leak_pointers());
        let masking = guarded.as_ref().map(|by| self.mask_before(state, pointer, by)).transpose()?.flatten();
        let result = match op {
            BinaryOp::Add => self.add_to_pointer(pointer, &number.value),
            BinaryOp::Sub if *swapped => {
                return Reason::PointerArithmetic.denied(format!("R{at} tried to subtract pointer from scalar"));
            }
            BinaryOp::Sub if matches!(pointer.kind, Kind::Stack(_)) => {
                return Reason::PointerArithmetic.denied(format!("R{at} subtraction from stack pointer prohibited"));
            }
            BinaryOp::Sub => self.subtract_from_pointer(pointer, &number.value),
            BinaryOp::And | BinaryOp::Or | BinaryOp::Xor => {
                return Reason::PointerArithmetic
                    .denied(format!("R{at} bitwise operator {} on pointer prohibited", operator_text(op)));
            }
            _ => {
                return Err(Refusal::new(
                    EACCES,
                    format!("R{at} pointer arithmetic with {} operator prohibited", operator_text(op)),
                )
                .of(Reason::PointerArithmetic));
            }
        };
        check_sane_number(&result.value, 0, &name)?;
        check_sane_pointer(&result)?;
        self.check_unprivileged_bounds(dst, &result)?;
        if let (Some(by), Some(masking)) = (&guarded, masking) {
            self.mask_after(&result, by, masking)?;
        }
        Ok(result)
    }

    fn add_to_pointer(&mut self, pointer: &Register, number: &Scalar) -> Register {
        let mut result = *pointer;
        let fixed = number.as_constant().and_then(|n| i32::try_from(n as i64).ok());
        if let Some(offset) = fixed.and_then(|n| pointer.offset.checked_add(n)) {
            result.offset = offset;
            return result;
        }
        result.value = arithmetic::binary(BinaryOp::Add, Width::W64, &pointer.value, number);
        self.rebase_packet_pointer(&mut result, true);
        result
    }

    fn subtract_from_pointer(&mut self, pointer: &Register, number: &Scalar) -> Register {
        let mut result = *pointer;
        let fixed = number.as_constant().and_then(|n| i32::try_from(n as i64).ok());
        if let Some(offset) = fixed.and_then(|n| pointer.offset.checked_sub(n)) {
            result.offset = offset;
            return result;
        }
        result.value = arithmetic::binary(BinaryOp::Sub, Width::W64, &pointer.value, number);
        self.rebase_packet_pointer(&mut result, number.smin < 0);
        result
    }

    /// A packet pointer moved by a variable amount is a new base; a move forward loses what was known to follow it.
    fn rebase_packet_pointer(&mut self, pointer: &mut Register, forward: bool) {
        if !pointer.is_packet() {
            return;
        }
        pointer.id = self.new_id();
        if let (true, Kind::Packet { range } | Kind::PacketMeta { range }) = (forward, &mut pointer.kind) {
            *range = 0;
        }
    }

    /// Unprivileged programs may not even compute addresses outside of what they may access.
    fn check_unprivileged_bounds(&mut self, dst: Reg, result: &Register) -> Check {
        if self.may_leak_pointers() {
            return Ok(());
        }
        let number = dst.number();
        match result.kind {
            Kind::Stack(_) => {
                let Some(variable) = result.value.as_constant() else {
                    return denied(format!(
                        "R{number} variable stack access prohibited for !root, var_off={} off={}",
                        result.value.bits, result.offset
                    ));
                };
                let offset = (variable as i64).saturating_add(result.offset.into());
                if !(-512..0).contains(&offset) {
                    return Reason::PointerArithmetic
                        .denied(format!("R{number} stack pointer arithmetic goes out of range, prohibited for !root"));
                }
            }
            Kind::MapValue(map) => {
                let checked = self.check_map_value_region(dst, result, map, result.offset, 1, false);
                if checked.is_err() {
                    return Reason::PointerArithmetic.denied(format!(
                        "R{number} pointer arithmetic of map value goes out of range, prohibited for !root"
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// `distance` is what was added to a linked number: Linux takes it for a part of the offset, however small the number.
fn check_sane_number(value: &Scalar, distance: i64, name: &str) -> Check {
    if let Some(constant) = value.as_constant() {
        let constant = constant as i64;
        if constant >= MAX_OFFSET || constant <= -MAX_OFFSET {
            return Reason::FarPointer.invalid(format!("math between {name} pointer and {constant} is not allowed"));
        }
    }
    if distance >= MAX_OFFSET || distance <= -MAX_OFFSET {
        return Reason::FarPointer.invalid(format!("{name} pointer offset {distance} is not allowed"));
    }
    if value.smin == i64::MIN {
        return Err(Refusal::new(
            EINVAL,
            format!("math between {name} pointer and register with unbounded min value is not allowed"),
        )
        .of(Reason::FarPointer)
        .hint("bound the number from below first, or keep it unsigned and masked"));
    }
    if value.smin >= MAX_OFFSET || value.smin <= -MAX_OFFSET {
        return Reason::FarPointer.invalid(format!("value {} makes {name} pointer be out of bounds", value.smin));
    }
    Ok(())
}

fn check_sane_pointer(pointer: &Register) -> Check {
    let offset = i64::from(pointer.offset);
    if offset >= MAX_OFFSET || offset <= -MAX_OFFSET {
        return Reason::FarPointer.invalid(format!("{} pointer offset {offset} is not allowed", pointer.type_name()));
    }
    Ok(())
}
