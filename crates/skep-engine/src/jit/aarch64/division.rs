//! Division. The machine's own is BPF's: dividing by zero gives 0, so that the remainder is the dividend, and the lowest
//! number divided by -1 stays.
//!
//! Unsigned division by a number that is known multiplies instead.

use skep_isa::{BinaryOp, Width};

use super::Emitter;
use super::assembler::{Alu, Alu2, Gpr, Logical, Multiply};
use super::immediates::bitmask;
use super::registers::{SCRATCH, gpr};
use crate::jit::inst::Source;
use crate::jit::magic::Magic;

pub(super) fn is_division(op: BinaryOp) -> bool {
    matches!(op, BinaryOp::Div | BinaryOp::SDiv | BinaryOp::Mod | BinaryOp::SMod)
}

impl Emitter<'_> {
    pub(super) fn divide(&mut self, op: BinaryOp, width: Width, dst: Gpr, src: Source) {
        match src {
            Source::Reg(by) => self.divide_by_register(op, width, dst, gpr(by)),
            Source::Imm(imm) => {
                let by = width.truncate(i64::from(imm).cast_unsigned());
                if matches!(op, BinaryOp::Div | BinaryOp::Mod) {
                    self.divide_by_known(op, width, dst, by);
                } else {
                    let [.., divisor] = SCRATCH;
                    self.asm.mov_imm(divisor, by);
                    self.divide_by_register(op, width, dst, divisor);
                }
            }
        }
    }

    fn divide_by_register(&mut self, op: BinaryOp, width: Width, dst: Gpr, by: Gpr) {
        let signed = matches!(op, BinaryOp::SDiv | BinaryOp::SMod);
        let divide = if signed { Alu2::Sdiv } else { Alu2::Udiv };
        if matches!(op, BinaryOp::Div | BinaryOp::SDiv) {
            self.asm.alu2(divide, width, dst, dst, by);
        } else {
            let [quotient, ..] = SCRATCH;
            self.asm.alu2(divide, width, quotient, dst, by);
            self.asm.multiply(Multiply::Sub, width, dst, (quotient, by), dst);
        }
    }

    fn divide_by_known(&mut self, op: BinaryOp, width: Width, dst: Gpr, by: u64) {
        match (op, by) {
            (BinaryOp::Div, 0) | (BinaryOp::Mod, 1) => self.asm.mov_imm(dst, 0),
            // The number itself; 32-bit results clear the upper half.
            (_, 0 | 1) if width == Width::W64 => {}
            (_, 0 | 1) => self.asm.mov(Width::W32, dst, dst),
            (BinaryOp::Div, _) if by.is_power_of_two() => {
                self.asm.shift_right(false, width, dst, dst, by.trailing_zeros());
            }
            _ if by.is_power_of_two() => {
                // A run of ones that is neither empty nor whole is a bit mask.
                if let Some(mask) = bitmask(width, by - 1) {
                    self.asm.logical(Logical::And, width, dst, dst, mask);
                }
            }
            _ => self.multiply_instead(op, width, dst, by),
        }
    }

    fn multiply_instead(&mut self, op: BinaryOp, width: Width, dst: Gpr, by: u64) {
        let [high, other, divisor, _] = SCRATCH;
        let magic = Magic::new(by, width.bits());
        let shift = u32::from(magic.shift);
        let quotient = if op == BinaryOp::Div { dst } else { other };
        self.asm.mov_imm(high, magic.factor as u64);
        match width {
            Width::W64 => self.asm.multiply_high(high, dst, high),
            Width::W32 => self.asm.multiply_wide(high, dst, high),
        }
        // Of the wide product the upper half is wanted.
        let skipped = 64 - width.bits();
        if magic.adds {
            if skipped > 0 {
                self.asm.shift_right(false, Width::W64, high, high, skipped);
            }
            // The factor's highest bit stands for the dividend, which is added in halves.
            self.asm.alu(Alu::Sub, width, other, dst, high);
            self.asm.add_half(width, other, high, other);
            self.asm.shift_right(false, width, quotient, other, shift - 1);
        } else {
            self.asm.shift_right(false, Width::W64, quotient, high, skipped + shift);
        }
        if op != BinaryOp::Div {
            self.asm.mov_imm(divisor, by);
            self.asm.multiply(Multiply::Sub, width, dst, (quotient, divisor), dst);
        }
    }
}
