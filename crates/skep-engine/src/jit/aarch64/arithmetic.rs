//! Arithmetic but division.

use skep_isa::{BinaryOp, Size, Width};

use super::Emitter;
use super::assembler::{Alu, Alu2, AluImm, Gpr, Logical, Multiply, Swap};
use super::immediates::{bitmask, unsigned12};
use super::registers::{SCRATCH, gpr};
use crate::jit::inst::{Address, Register, Source};

impl Emitter<'_> {
    pub(super) fn binary(&mut self, op: BinaryOp, width: Width, dst: Register, src: Source) {
        let dst = gpr(dst);
        match (op, src) {
            (BinaryOp::Add, Source::Reg(src)) => self.asm.alu(Alu::Add, width, dst, dst, gpr(src)),
            (BinaryOp::Add, Source::Imm(imm)) => self.add_imm(width, dst, dst, imm.into()),
            (BinaryOp::Sub, Source::Reg(src)) => self.asm.alu(Alu::Sub, width, dst, dst, gpr(src)),
            (BinaryOp::Sub, Source::Imm(imm)) => self.add_imm(width, dst, dst, -i64::from(imm)),
            (BinaryOp::Or, Source::Reg(src)) => self.asm.alu(Alu::Or, width, dst, dst, gpr(src)),
            (BinaryOp::Or, Source::Imm(imm)) => self.logical_imm(Logical::Or, Alu::Or, width, dst, imm),
            (BinaryOp::Xor, Source::Reg(src)) => self.asm.alu(Alu::Xor, width, dst, dst, gpr(src)),
            (BinaryOp::Xor, Source::Imm(-1)) => self.asm.alu(Alu::OrNot, width, dst, Gpr::ZERO, dst),
            (BinaryOp::Xor, Source::Imm(imm)) => self.logical_imm(Logical::Xor, Alu::Xor, width, dst, imm),
            (BinaryOp::And, Source::Reg(src)) => self.asm.alu(Alu::And, width, dst, dst, gpr(src)),
            (BinaryOp::And, Source::Imm(imm)) => self.logical_imm(Logical::And, Alu::And, width, dst, imm),
            (BinaryOp::Lsh, Source::Imm(by)) => self.asm.shift_left(width, dst, dst, shift_count(width, by)),
            (BinaryOp::Rsh, Source::Imm(by)) => self.asm.shift_right(false, width, dst, dst, shift_count(width, by)),
            (BinaryOp::Arsh, Source::Imm(by)) => self.asm.shift_right(true, width, dst, dst, shift_count(width, by)),
            // The machine takes the count modulo the width, as BPF does.
            (BinaryOp::Lsh, Source::Reg(by)) => self.asm.alu2(Alu2::ShiftLeft, width, dst, dst, gpr(by)),
            (BinaryOp::Rsh, Source::Reg(by)) => self.asm.alu2(Alu2::ShiftRight, width, dst, dst, gpr(by)),
            (BinaryOp::Arsh, Source::Reg(by)) => self.asm.alu2(Alu2::ShiftArithmetic, width, dst, dst, gpr(by)),
            (BinaryOp::Mul, Source::Reg(src)) => self.multiply(width, dst, dst, gpr(src)),
            (BinaryOp::Mul, Source::Imm(imm)) => {
                self.multiply_imm(width, dst, dst, i64::from(imm).cast_unsigned());
            }
            (BinaryOp::Div | BinaryOp::SDiv | BinaryOp::Mod | BinaryOp::SMod, _) => self.divide(op, width, dst, src),
            // Selection makes moves something else.
            (BinaryOp::Mov, Source::Reg(src)) => self.asm.mov(width, dst, gpr(src)),
            (BinaryOp::Mov, Source::Imm(imm)) => {
                self.asm.mov_imm(dst, width.truncate(i64::from(imm).cast_unsigned()));
            }
        }
    }

    /// `dst = src + imm`. The first scratch register may be lost, or the second where `src` is the first.
    pub(super) fn add_imm(&mut self, width: Width, dst: Gpr, src: Gpr, imm: i64) {
        let op = if imm < 0 { AluImm::Sub } else { AluImm::Add };
        let magnitude = imm.unsigned_abs();
        match (imm, unsigned12(magnitude)) {
            (0, _) if width == Width::W64 && dst == src => {}
            (0, _) => self.asm.mov(width, dst, src),
            (_, Some(bits)) => self.asm.alu_imm(op, width, dst, src, bits),
            // Two additions are as good as a constant and one.
            _ if magnitude < 1 << 24 => {
                self.asm.alu_imm(op, width, dst, src, 1 << 12 | (magnitude >> 12) as u32);
                self.asm.alu_imm(op, width, dst, dst, (magnitude & 0xfff) as u32);
            }
            _ => {
                let [first, second, ..] = SCRATCH;
                let constant = if src == first { second } else { first };
                self.asm.mov_imm(constant, width.truncate(imm.cast_unsigned()));
                self.asm.alu(Alu::Add, width, dst, src, constant);
            }
        }
    }

    fn logical_imm(&mut self, logical: Logical, op: Alu, width: Width, dst: Gpr, imm: i32) {
        // With a mask that clears the upper half, the short form does it, too.
        let width = if logical == Logical::And && imm >= 0 { Width::W32 } else { width };
        let value = width.truncate(i64::from(imm).cast_unsigned());
        match bitmask(width, value) {
            Some(bits) => self.asm.logical(logical, width, dst, dst, bits),
            None if value == 0 && logical == Logical::And => self.asm.mov_imm(dst, 0),
            None if value == 0 => self.asm.alu(op, width, dst, dst, Gpr::ZERO),
            None => {
                let [scratch, ..] = SCRATCH;
                self.asm.mov_imm(scratch, value);
                self.asm.alu(op, width, dst, dst, scratch);
            }
        }
    }

    pub(super) fn multiply(&mut self, width: Width, dst: Gpr, left: Gpr, right: Gpr) {
        self.asm.multiply(Multiply::Add, width, dst, (left, right), Gpr::ZERO);
    }

    /// `dst = src * by`
    fn multiply_imm(&mut self, width: Width, dst: Gpr, src: Gpr, by: u64) {
        let by = width.truncate(by);
        if by == 0 {
            self.asm.mov_imm(dst, 0);
        } else if by.is_power_of_two() {
            self.asm.shift_left(width, dst, src, by.trailing_zeros());
        } else if (by - 1).is_power_of_two() {
            let shift = (by - 1).trailing_zeros() as u8;
            self.asm.alu_shifted(Alu::Add, width, dst, src, (src, shift));
        } else {
            let [scratch, ..] = SCRATCH;
            self.asm.mov_imm(scratch, by);
            self.multiply(width, dst, src, scratch);
        }
    }

    /// `dst` = the address; `dst` may be one of its registers, or scratch: see [`Emitter::add_imm`].
    pub(super) fn lea(&mut self, dst: Gpr, address: Address) {
        let base = gpr(address.base);
        match address.index {
            None => self.add_imm(Width::W64, dst, base, address.offset.into()),
            Some(index) => {
                self.asm.alu_shifted(Alu::Add, Width::W64, dst, base, (gpr(index.register), index.shift));
                self.add_imm(Width::W64, dst, dst, address.offset.into());
            }
        }
    }

    pub(super) fn extend(&mut self, (dst, src): (Register, Register), size: Size, signed: bool, width: Width) {
        let (dst, src) = (gpr(dst), gpr(src));
        let from = size.bits();
        match (size, signed) {
            (Size::Double, _) => self.asm.mov(Width::W64, dst, src),
            (Size::Word, false) => self.asm.mov(Width::W32, dst, src),
            (Size::Word, true) if u32::from(from) == width.bits() => self.asm.mov(Width::W32, dst, src),
            (_, false) => self.asm.extend(size, false, Width::W32, dst, src),
            (_, true) => self.asm.extend(size, true, width, dst, src),
        }
    }

    pub(super) fn negate(&mut self, width: Width, dst: Register) {
        self.asm.alu(Alu::Sub, width, gpr(dst), Gpr::ZERO, gpr(dst));
    }

    /// Swaps the low bytes of a register and clears what is above.
    pub(super) fn swap(&mut self, size: Size, dst: Gpr) {
        if matches!(size, Size::Byte | Size::Half) {
            self.asm.extend(size, false, Width::W32, dst, dst);
        }
        self.swap_extended(size, dst);
    }

    /// Swaps the low bytes of a register that has only zeroes above.
    pub(super) fn swap_extended(&mut self, size: Size, dst: Gpr) {
        match size {
            Size::Byte => {}
            Size::Half => self.asm.swap(Swap::Halves, dst, dst),
            Size::Word => self.asm.swap(Swap::Word, dst, dst),
            Size::Double => self.asm.swap(Swap::Double, dst, dst),
        }
    }
}

fn shift_count(width: Width, by: i32) -> u32 {
    by.cast_unsigned() & (width.bits() - 1)
}
