//! Arithmetic: what is looked through, joined, and taken for something else.

use super::{BASE, Generator, OPS, alu, mov};
use crate::choices::Choices;
use skep_isa::{BinaryOp, Condition, Insn, Operand, Size, SwapKind, Width};

impl<C: Choices> Generator<'_, C> {
    /// Any operation.
    pub(super) fn operation(&mut self) {
        let op = self.choices.one_of(&OPS);
        let insn = alu(op, self.width(), self.target(), self.operand());
        push!(self, insn);
    }

    /// Copies of copies, some of them cut or extended, some of them changed.
    pub(super) fn move_chain(&mut self) {
        let mut from = self.number();
        for _ in 0..1 + self.choices.below(4) {
            let dst = self.target();
            match self.choices.below(8) {
                0..=3 => push!(self, mov(Width::W64, dst, Operand::Reg(from))),
                4 | 5 => push!(self, mov(Width::W32, dst, Operand::Reg(from))),
                6 => self.sign_extension(dst, from),
                _ => {
                    // What was copied changes.
                    let changed = self.target();
                    push!(self, alu(BinaryOp::Add, Width::W64, changed, Operand::Imm(1)))
                }
            };
            from = dst;
        }
        if self.choices.once_in(2) {
            self.operation();
        }
    }

    fn sign_extension(&mut self, dst: skep_isa::Reg, src: skep_isa::Reg) -> usize {
        let (width, from) = self.choices.one_of(&[
            (Width::W32, Size::Byte),
            (Width::W32, Size::Half),
            (Width::W64, Size::Byte),
            (Width::W64, Size::Half),
            (Width::W64, Size::Word),
        ]);
        push!(self, Insn::MovSx { width, from, dst, src })
    }

    /// To the left and back.
    pub(super) fn shifts(&mut self) {
        let (dst, width) = (self.target(), self.width());
        let amounts = [0, 1, 2, 3, 8, 16, 24, 31, 32, 33, 40, 48, 56, 63];
        let amount = |of: &mut Self| of.choices.one_of(&amounts) & (width.bits() as i32 - 1);
        let left = amount(self);
        let right = if self.choices.once_in(2) { left } else { amount(self) };
        push!(self, alu(BinaryOp::Lsh, width, dst, Operand::Imm(left)));
        if self.choices.once_in(8) {
            self.operation();
        }
        let back = self.choices.one_of(&[BinaryOp::Rsh, BinaryOp::Arsh]);
        let width = if self.choices.once_in(8) { self.width() } else { width };
        push!(self, alu(back, width, dst, Operand::Imm(right & (width.bits() as i32 - 1))));
    }

    /// `y = x & mask; if y == 0 …`
    pub(super) fn mask_and_test(&mut self) {
        let dst = self.target();
        if !self.choices.once_in(3) {
            let (width, src) = (self.width(), self.number());
            if !self.kept.contains(&src) && self.choices.once_in(2) {
                // One bit, in the upper half or not, decides.
                let bit = self.choices.below(64);
                self.constant(src, 1 << bit);
                // Not known any more.
                push!(self, Insn::Store { size: Size::Double, base: BASE, offset: 0, src: Operand::Reg(src) });
                push!(self, Insn::Load { size: Size::Double, signed: false, dst: src, base: BASE, offset: 0 });
            }
            push!(self, mov(width, dst, Operand::Reg(src)));
        }
        let mask = if self.choices.once_in(2) {
            Operand::Imm(self.choices.one_of(&[-1, -2, -128, -256, -65536, i32::MIN, 0xff, 0x7f00]))
        } else {
            self.operand()
        };
        push!(self, alu(BinaryOp::And, self.width(), dst, mask));
        if self.choices.once_in(6) {
            self.operation();
        }
        let test = self.test();
        let imm = if self.choices.once_in(6) { self.immediate() } else { 0 };
        let jump = push!(
            self,
            match test {
                Insn::JumpIf { condition, width, .. } => {
                    let condition = self.choices.one_of(&[condition, Condition::Eq, Condition::Ne]);
                    Insn::JumpIf { condition, width, dst, src: Operand::Imm(imm), offset: 0 }
                }
                other => other,
            }
        );
        if self.choices.once_in(2) {
            // Not needed any more, on one path at least.
            let value = self.value();
            self.constant(dst, value);
        }
        self.operation();
        self.land(jump);
    }

    /// Copies, additions and small shifts, which become addresses.
    pub(super) fn sums(&mut self) {
        for _ in 0..2 + self.choices.below(5) {
            let dst = self.target();
            let insn = match self.choices.below(5) {
                0 => mov(Width::W64, dst, Operand::Reg(self.number())),
                1 => alu(BinaryOp::Lsh, Width::W64, dst, Operand::Imm(self.choices.below(4) as i32)),
                2 => alu(BinaryOp::Add, Width::W64, dst, Operand::Imm(self.immediate())),
                3 => alu(BinaryOp::Sub, Width::W64, dst, Operand::Imm(self.immediate())),
                _ => alu(BinaryOp::Add, Width::W64, dst, Operand::Reg(self.number())),
            };
            push!(self, insn);
        }
    }

    /// `x += y; c = x < y; z += c`
    pub(super) fn carry(&mut self) {
        let (sum, with, to) = (self.target(), self.number(), self.target());
        let width = self.width();
        push!(self, alu(BinaryOp::Add, width, sum, Operand::Reg(with)));
        let flag = self.flag(sum, with, width);
        if self.choices.once_in(4) {
            self.operation();
        }
        let width = if self.choices.once_in(6) { Width::W32 } else { Width::W64 };
        push!(self, alu(BinaryOp::Add, width, to, Operand::Reg(flag)));
    }

    /// Divisions by what the dividend must not be in the way of, and what is known.
    pub(super) fn division(&mut self) {
        let op = self.choices.one_of(&[BinaryOp::Div, BinaryOp::SDiv, BinaryOp::Mod, BinaryOp::SMod]);
        let (width, dst, src) = (self.width(), self.target(), self.operand());
        if let Operand::Reg(by) = src
            && by != dst
            && !self.kept.contains(&by)
            && self.choices.once_in(3)
        {
            let value = self.choices.one_of(&[0, 1, u64::MAX, 0xffff_ffff, 1 << 32, 1 << 31, 1 << 63]);
            self.constant(by, value);
        }
        push!(self, alu(op, width, dst, src));
    }

    /// Byte orders, signs, negation.
    pub(super) fn conversion(&mut self) {
        let dst = self.target();
        let kind = self.choices.one_of(&[SwapKind::ToLittle, SwapKind::ToBig, SwapKind::Swap]);
        match self.choices.below(4) {
            0 => push!(self, Insn::Neg { width: self.width(), dst }),
            1 => {
                let src = self.number();
                self.sign_extension(dst, src)
            }
            _ => push!(
                self,
                Insn::Swap { kind, size: self.choices.one_of(&[Size::Half, Size::Word, Size::Double]), dst }
            ),
        };
    }
}
