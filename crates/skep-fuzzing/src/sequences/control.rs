//! Branches, loops, calls.

use super::{Generator, MOST_FUNCTIONS, alu, mov, reg};
use crate::choices::Choices;
use skep_isa::{BinaryOp, CallTarget, Condition, Imm64, Insn, Operand, Reg, Width};

/// Loops in loops in loops take too long.
const MOST_LOOPS: u32 = 2;

impl<C: Choices> Generator<'_, C> {
    /// A branch over one assignment, or one that joins by a jump.
    pub(super) fn diamond(&mut self) {
        let dst = self.target();
        let boolean = self.choices.once_in(2);
        if boolean {
            let value = self.choices.below(2).into();
            self.constant(dst, value);
        }
        let test = self.test();
        let jump = push!(self, test);
        match self.choices.below(4) {
            _ if boolean => push!(self, mov(Width::W64, dst, Operand::Imm(self.choices.below(2) as i32))),
            0 => push!(self, mov(self.width(), dst, self.operand())),
            1 => push!(self, Insn::LoadImm64 { dst, imm: Imm64::Value(self.value()) }),
            _ => push!(self, mov(Width::W64, dst, self.operand())),
        };
        if self.choices.once_in(4) {
            let join = push!(self, Insn::Jump { offset: 0, long: self.choices.once_in(4) });
            self.operation();
            self.land(join);
        }
        self.land(jump);
        if boolean && self.choices.once_in(2) {
            let sum = alu(BinaryOp::Add, Width::W64, self.target(), Operand::Reg(dst));
            push!(self, sum);
        }
    }

    /// A register that is 1 where `left < right`, else 0, in one of the ways that compilers write it.
    pub(super) fn flag(&mut self, left: Reg, right: Reg, width: Width) -> Reg {
        let flag = self.target_beside(left);
        let right = if self.choices.once_in(4) { Operand::Imm(self.immediate()) } else { Operand::Reg(right) };
        let (first, condition) = match self.choices.below(6) {
            0 => (1, Condition::Lt),
            1 => (0, Condition::Le),
            2 => (0, Condition::SGe),
            _ => (0, Condition::Ge),
        };
        push!(self, mov(Width::W64, flag, Operand::Imm(first)));
        let (dst, src) = match right {
            Operand::Reg(right) if self.choices.once_in(3) => (right, Operand::Reg(left)),
            _ => (left, right),
        };
        let jump = push!(self, Insn::JumpIf { condition, width, dst, src, offset: 0 });
        push!(self, mov(Width::W64, flag, Operand::Imm(1 - first)));
        self.land(jump);
        flag
    }

    /// A branch over something, with or without something else.
    pub(super) fn branch(&mut self) {
        let jump = if self.choices.once_in(12) { Insn::MayGoto { offset: 0 } } else { self.test() };
        let jump = push!(self, jump);
        self.some_pieces();
        if self.choices.once_in(2) {
            let join = push!(self, Insn::Jump { offset: 0, long: self.choices.once_in(4) });
            self.land(jump);
            self.some_pieces();
            self.land(join);
        } else {
            self.land(jump);
        }
    }

    fn some_pieces(&mut self) {
        for _ in 0..self.choices.below(4) {
            if self.room > 0 {
                self.room -= 1;
                self.piece();
            }
        }
    }

    /// A loop with a counter that nothing else writes.
    pub(super) fn loops(&mut self) {
        if self.loops == MOST_LOOPS {
            return;
        }
        let counter = if self.loops == 0 { Reg::R8 } else { Reg::R7 };
        let rounds = 1 + self.choices.below(6) as i32;
        push!(self, mov(Width::W64, counter, Operand::Imm(rounds)));
        self.kept.push(counter);
        self.loops += 1;
        match self.choices.below(3) {
            0 => self.loop_with_test_at_end(counter),
            1 => self.loop_with_test_at_beginning(counter),
            _ => self.loop_that_skips(counter),
        }
        self.loops -= 1;
        self.kept.pop();
    }

    fn count_down(&mut self, counter: Reg) {
        push!(self, alu(BinaryOp::Sub, Width::W64, counter, Operand::Imm(1)));
    }

    fn again(&mut self, counter: Reg, head: usize) {
        let width = self.width();
        let condition = self.choices.one_of(&[Condition::Ne, Condition::Gt, Condition::SGt]);
        let jump = push!(self, Insn::JumpIf { condition, width, dst: counter, src: Operand::Imm(0), offset: 0 });
        self.lead(jump, head);
    }

    fn loop_with_test_at_end(&mut self, counter: Reg) {
        let head = self.insns.len();
        self.some_pieces();
        self.count_down(counter);
        self.again(counter, head);
    }

    fn loop_with_test_at_beginning(&mut self, counter: Reg) {
        let head = self.insns.len();
        let jump =
            Insn::JumpIf { condition: Condition::Eq, width: Width::W64, dst: counter, src: Operand::Imm(0), offset: 0 };
        let out = push!(self, jump);
        self.some_pieces();
        let out_too = self.choices.once_in(3).then(|| {
            let test = self.test();
            push!(self, test)
        });
        self.some_pieces();
        self.count_down(counter);
        let back = push!(self, Insn::Jump { offset: 0, long: self.choices.once_in(4) });
        self.lead(back, head);
        self.land(out);
        if let Some(out) = out_too {
            self.land(out);
        }
    }

    /// The first test skips to the loop's end.
    fn loop_that_skips(&mut self, counter: Reg) {
        let head = self.insns.len();
        if self.choices.once_in(2) {
            self.access();
        }
        let test = self.test();
        let skip = push!(self, test);
        self.some_pieces();
        self.land(skip);
        self.count_down(counter);
        self.again(counter, head);
    }

    /// The end, early.
    pub(super) fn leave(&mut self) {
        let test = self.test();
        let jump = push!(self, test);
        if self.choices.once_in(2) {
            self.show();
        }
        push!(self, Insn::Exit);
        self.land(jump);
    }

    /// A function of the program. Functions call only those behind them.
    pub(super) fn call(&mut self) {
        if self.kept.contains(&Reg::R0) || self.functions == MOST_FUNCTIONS {
            return;
        }
        let arguments = self.choices.below(4) as u8;
        for number in 2..2 + arguments {
            if !self.kept.contains(&reg(number)) && self.choices.once_in(2) {
                let value = self.value();
                self.constant(reg(number), value);
            }
        }
        push!(self, mov(Width::W64, Reg::R1, Operand::Reg(super::BASE)));
        let at = push!(self, Insn::Call(CallTarget::Subprogram { offset: 0 }));
        self.calls.push((at, self.functions));
        self.functions += 1;
    }
}
