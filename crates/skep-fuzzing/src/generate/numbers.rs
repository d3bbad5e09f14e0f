//! Computing with numbers, and narrowing them to what an access allows.

use super::{CONDITIONS, Generator, NUMBERS, OPS, SIZES, W, reg};
use crate::choices::Choices;
use skep_isa::{BinaryOp, Condition, Insn, Operand, Size, SwapKind, Width};

impl<C: Choices> Generator<'_, C> {
    pub(super) fn arithmetic(&mut self) {
        let dst = self.a_number();
        let width = self.choices.one_of(&W);
        match self.choices.below(12) {
            0 => {
                let from = if width == Width::W64 { self.choices.below(3) } else { self.choices.below(2) };
                let src = self.a_number();
                self.emit(Insn::MovSx { width, from: SIZES[from as usize], dst: reg(dst), src: reg(src) });
            }
            1 => {
                self.emit(Insn::Neg { width, dst: reg(dst) });
            }
            2 => {
                let kind = self.choices.one_of(&[SwapKind::ToLittle, SwapKind::ToBig, SwapKind::Swap]);
                let size = self.choices.one_of(&[Size::Half, Size::Word, Size::Double]);
                self.emit(Insn::Swap { kind, size, dst: reg(dst) });
            }
            3 => {
                let src = self.a_number();
                let dst = self.choices.below(NUMBERS.into()) as u8;
                self.alu(BinaryOp::Mov, width, dst, Operand::Reg(reg(src)));
                self.set |= 1 << dst;
            }
            _ => {
                let op = self.choices.one_of(&OPS);
                let mut src = self.operand();
                if let Operand::Imm(imm) = &mut src {
                    let bits = if width == Width::W32 { 32 } else { 64 };
                    match op {
                        BinaryOp::Lsh | BinaryOp::Rsh | BinaryOp::Arsh => *imm = imm.rem_euclid(bits),
                        BinaryOp::Div | BinaryOp::Mod | BinaryOp::SDiv | BinaryOp::SMod if *imm == 0 => *imm = 3,
                        _ => {}
                    }
                }
                self.alu(op, width, dst, src);
            }
        }
    }

    /// Lets the verifier learn about a number by a comparison: the other branch leaves or sets the number.
    pub(super) fn narrow(&mut self) {
        let dst = self.a_number();
        // Where the program ends, r0 must be set.
        if self.set & 1 == 0 {
            self.set_number(0, 3);
        }
        let (condition, width) = (self.choices.one_of(&CONDITIONS), self.choices.one_of(&W));
        let src = self.operand();
        let jump = self.jump_if(condition, width, dst, src);
        if self.choices.once_in(2) || self.careful && !self.may_leave {
            let set = self.set;
            self.set_number(dst, 0);
            self.set = set;
            self.land(jump);
        } else {
            let leave = self.emit(Insn::Jump { offset: 0, long: false });
            self.leaves.push(leave);
            self.land(jump);
        }
    }

    /// Brings a number into `0..=below`, in one of many ways, some of which are wrong now and then.
    pub(super) fn bound(&mut self, register: u8, below: i32) {
        let width = self.choices.one_of(&W);
        match self.choices.below(7) {
            0 | 1 => {
                let mask = (1 << (31 - below.max(1).leading_zeros())) - 1;
                self.alu(BinaryOp::And, Width::W64, register, Operand::Imm(mask));
            }
            2 => {
                let unsigned = self.choices.one_of(&[Condition::Le, Condition::Lt]);
                let jump = self.jump_if(unsigned, width, register, Operand::Imm(below));
                self.set_number(register, 0);
                self.land(jump);
                if width == Width::W32 && !self.slips(12) {
                    self.alu(BinaryOp::Mov, Width::W32, register, Operand::Reg(reg(register)));
                }
            }
            3 => {
                // Signed from both sides.
                let low = self.choices.one_of(&[0, 0, 0, 0, 1, 1, 2, 0, 0, 1, -1]);
                let first = self.jump_if(Condition::SLt, width, register, Operand::Imm(low));
                let second = self.jump_if(Condition::SLe, width, register, Operand::Imm(below));
                self.land(first);
                self.set_number(register, 0);
                self.land(second);
                if width == Width::W32 && !self.slips(12) {
                    self.alu(BinaryOp::Mov, Width::W32, register, Operand::Reg(reg(register)));
                }
            }
            4 => {
                let modulus = Operand::Imm(below + 1);
                let op = if self.slips(12) { BinaryOp::SMod } else { BinaryOp::Mod };
                self.alu(op, width, register, modulus);
            }
            5 => {
                let bits = below.max(1).ilog2();
                let (width, all) = if self.choices.once_in(2) { (Width::W32, 32) } else { (Width::W64, 64) };
                let op = if self.slips(12) { BinaryOp::Arsh } else { BinaryOp::Rsh };
                self.alu(op, width, register, Operand::Imm(all - bits.cast_signed()));
            }
            _ => {
                // Against another register that is known.
                let other = self.other(register);
                self.set_number(other, below);
                let condition = self.choices.one_of(&[Condition::Le, Condition::Lt]);
                let jump = self.jump_if(condition, Width::W64, register, Operand::Reg(reg(other)));
                self.mov(register, other);
                self.land(jump);
            }
        }
        // A few more operations that keep it in bounds where the verifier follows them.
        if self.choices.once_in(5) {
            let op = self.choices.one_of(&[BinaryOp::And, BinaryOp::Rsh, BinaryOp::Div, BinaryOp::Mod, BinaryOp::Arsh]);
            let (imm, width) = (1 + self.choices.below(15) as i32, self.choices.one_of(&W));
            self.alu(op, width, register, Operand::Imm(imm));
        }
        self.make_sure(register, below);
    }

    /// A comparison that leaves no doubt, where programs are to be safe; now and then they are not.
    pub(super) fn make_sure(&mut self, register: u8, below: i32) {
        if !self.safe || self.choices.once_in(16) {
            return;
        }
        let inside = self.jump_if(Condition::Le, Width::W64, register, Operand::Imm(below));
        self.set_number(register, below);
        self.land(inside);
    }

    /// Brings a number into fewer than are allowed, and makes it larger again.
    pub(super) fn bound_and_grow(&mut self, register: u8, below: i32) {
        let width = self.choices.one_of(&W);
        let part = |choices: &mut C, of: i32| choices.below(of.max(0) as u32 + 1) as i32;
        match self.choices.below(5) {
            0 => {
                let half = below / 2;
                self.bound(register, half);
                let imm = part(self.choices, below - half);
                self.alu(BinaryOp::Add, width, register, Operand::Imm(imm));
            }
            1 => {
                // All numbers of so many bits.
                let all = ((below + 1) as u32).next_power_of_two() as i32 / 2 - 1;
                let all = if all * 2 < below { all * 2 + 1 } else { all };
                let op = self.choices.one_of(&[BinaryOp::Or, BinaryOp::Xor]);
                let small = part(self.choices, all);
                self.bound(register, small);
                let imm = part(self.choices, all);
                self.alu(op, width, register, Operand::Imm(imm));
            }
            2 => {
                let factor = 1 + part(self.choices, 4);
                self.bound(register, below / factor);
                self.alu(BinaryOp::Mul, width, register, Operand::Imm(factor));
            }
            3 => {
                let shift = part(self.choices, 3);
                self.bound(register, below >> shift);
                self.alu(BinaryOp::Lsh, width, register, Operand::Imm(shift));
            }
            _ => {
                // The sum or the union of two numbers.
                let other = self.other(register);
                self.unknown(other);
                let op = self.choices.one_of(&[BinaryOp::Add, BinaryOp::Or, BinaryOp::Sub, BinaryOp::Xor]);
                let limit = if op == BinaryOp::Or { below / 2 } else { below - below / 2 };
                self.bound(register, below / 2);
                // The bound may have used the other register itself.
                self.unknown(other);
                self.bound(other, limit.min(below / 2));
                self.alu(op, width, register, Operand::Reg(reg(other)));
                if op == BinaryOp::Sub {
                    self.bound(register, below);
                }
            }
        }
    }

    /// A bounded number in a register, and an address register beside it.
    pub(super) fn index(&mut self, below: i32) -> (u8, u8) {
        let from = self.a_number();
        let index = if self.choices.once_in(2) {
            from
        } else {
            let index = self.other(from);
            self.mov(index, from);
            self.set |= 1 << index;
            index
        };
        match self.choices.below(30) {
            0 => {}
            1..=12 => self.bound_and_grow(index, below),
            _ => self.bound(index, below),
        }
        if self.slips(12) {
            self.arithmetic();
        }
        self.make_sure(index, below);
        (index, self.other(index))
    }
}
