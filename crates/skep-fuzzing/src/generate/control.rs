//! Branches and functions.

use super::{CONDITIONS, DATA, Function, Generator, VALUE_AT, W, reg};
use crate::choices::Choices;
use crate::setting::VALUE;
use skep_isa::{BinaryOp, CallTarget, Insn, Operand, Size, Width};

impl<C: Choices> Generator<'_, C> {
    pub(super) fn branch(&mut self, depth: u32) {
        let dst = self.a_number();
        let (condition, width) = (self.choices.one_of(&CONDITIONS), self.choices.one_of(&W));
        let src = self.operand();
        let jump = self.jump_if(condition, width, dst, src);
        let before = (self.set, self.spilled);
        let count = 1 + self.choices.below(3);
        self.statements(count, depth);
        let after = (self.set, self.spilled);
        let long = self.choices.once_in(4);
        let over = self.emit(Insn::Jump { offset: 0, long });
        self.land(jump);
        (self.set, self.spilled) = before;
        let count = self.choices.below(3);
        self.statements(count, depth);
        self.land(over);
        (self.set, self.spilled) = (self.set & after.0, self.spilled & after.1);
    }

    pub(super) fn call(&mut self) {
        let function = self.choices.below(self.functions.len() as u32) as usize;
        if self.functions[function] != Function::Static {
            return;
        }
        let number = self.a_number();
        self.mov(2, number);
        self.mov(1, VALUE_AT);
        if self.choices.once_in(2) {
            self.bound(2, VALUE - 8);
        }
        let call = self.emit(Insn::Call(CallTarget::Subprogram { offset: 0 }));
        self.calls.push((call, function));
        self.returned();
    }

    /// A call came back: r0 is a number, r1 to r5 are gone.
    pub(super) fn returned(&mut self) {
        self.set = (self.set & !0x3f) | 1;
    }

    /// All functions that something refers to.
    pub(super) fn function_bodies(&mut self) {
        for function in 0..self.functions.len() {
            if !self.calls.iter().any(|call| call.1 == function) {
                continue;
            }
            let start = self.insns.len();
            for at in 0..self.calls.len() {
                if self.calls[at].1 == function {
                    self.point(self.calls[at].0, start);
                }
            }
            self.spilled = 0;
            match self.functions[function] {
                Function::Static => self.static_function(),
                Function::LoopBody => self.loop_body(),
                Function::ElementBody => self.element_body(),
            }
        }
    }

    fn static_function(&mut self) {
        self.set = 1 << 2;
        self.mov(VALUE_AT, 1);
        self.small_statements();
        let result = self.a_number();
        self.mov(0, result);
        self.emit(Insn::Exit);
    }

    /// r1 is the number of the round, r2 the address of eight bytes on the caller's stack.
    fn loop_body(&mut self) {
        self.set = 1 << 1;
        self.mov(VALUE_AT, 2);
        self.with_callers_slot(1);
        self.end_callback();
    }

    /// r1 to r4 are the map, key, value and address of eight bytes on the caller's stack.
    fn element_body(&mut self) {
        self.mov(DATA, 4);
        self.mov(VALUE_AT, 3);
        self.load(Size::Word, 1, 2, 0);
        self.set = 1 << 1;
        self.small_statements();
        self.mov(VALUE_AT, DATA);
        let number = self.a_number();
        self.with_callers_slot(number);
        self.end_callback();
    }

    /// Computes with what is in the caller's slot, whose address is where a value's usually is.
    fn with_callers_slot(&mut self, number: u8) {
        let other = self.other(number);
        self.load(Size::Double, other, VALUE_AT, 0);
        self.set |= 1 << other;
        for _ in 0..self.choices.below(4) {
            self.arithmetic();
        }
        if self.choices.once_in(2) {
            self.emit(Insn::Store {
                size: Size::Double,
                base: reg(VALUE_AT),
                offset: 0,
                src: Operand::Reg(reg(other)),
            });
        }
    }

    /// Goes on, stops, or decides by a number.
    fn end_callback(&mut self) {
        match self.choices.below(3) {
            0 => {
                let number = self.a_known_number();
                self.mov(0, number);
                self.alu(BinaryOp::And, Width::W64, 0, Operand::Imm(1));
            }
            1 if self.slips(4) => {}
            result => self.set_number(0, i32::from(result == 1)),
        }
        self.emit(Insn::Exit);
    }

    fn small_statements(&mut self) {
        for _ in 0..=self.choices.below(4) {
            match self.choices.below(5) {
                0 => self.value_access(),
                1 => self.stack_access(),
                2 => self.spill_or_fill(),
                _ => self.arithmetic(),
            }
        }
    }
}
