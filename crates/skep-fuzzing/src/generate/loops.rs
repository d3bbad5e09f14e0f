//! Loops of every kind.

use super::{Function, Generator, NUMBERS, reg};
use crate::choices::Choices;
use crate::setting::{HASH, TABLE};
use skep_isa::{BinaryOp, CallTarget, Condition, Imm64, Insn, Operand, Reg, Size, Width};

/// Where the eight bytes are that callbacks get the address of.
const SHARED: i16 = -72;
/// Iterators, one for each depth of loops.
const ITERATOR: i32 = -176;

impl<C: Choices> Generator<'_, C> {
    /// A loop with a counter on the stack.
    pub(super) fn counted_loop(&mut self, depth: u32) {
        const COUNTER: i16 = -88;
        let offset = COUNTER - 8 * depth as i16;
        let rounds = 1 + self.choices.below(6) as i32;
        self.emit(Insn::Store { size: Size::Double, base: Reg::R10, offset, src: Operand::Imm(0) });
        let top = self.insns.len();
        let before = (self.set, self.spilled);
        let count = 1 + self.choices.below(3);
        self.statements(count, depth);
        let counter = self.choices.below(NUMBERS.into()) as u8;
        self.emit(Insn::Load { size: Size::Double, signed: false, dst: reg(counter), base: Reg::R10, offset });
        self.alu(BinaryOp::Add, Width::W64, counter, Operand::Imm(1));
        self.emit(Insn::Store { size: Size::Double, base: Reg::R10, offset, src: Operand::Reg(reg(counter)) });
        self.set |= 1 << counter;
        self.restore(before.0);
        let condition = self.choices.one_of(&[Condition::Lt, Condition::SLt, Condition::Ne]);
        let back = self.jump_if(condition, Width::W64, counter, Operand::Imm(rounds));
        self.point(back, top);
    }

    /// Registers that a loop's body used up are given something for the next round.
    fn restore(&mut self, before: u16) {
        for register in 0..NUMBERS {
            if before & !self.set & 1 << register != 0 {
                self.unknown(register);
            }
        }
    }

    /// A loop that only the kernel's patience ends, or some number.
    pub(super) fn may_goto_loop(&mut self, depth: u32) {
        let top = self.insns.len();
        let out = self.emit(Insn::MayGoto { offset: 0 });
        let before = (self.set, self.spilled);
        let count = 1 + self.choices.below(2);
        self.statements(count, depth);
        self.restore(before.0);
        // Without an end of its own it runs for very long.
        let number = self.a_number();
        let limit = self.choices.below(5) as i32;
        let ends = self.jump_if(Condition::Gt, Width::W64, number, Operand::Imm(limit));
        let back = self.emit(Insn::Jump { offset: 0, long: false });
        self.point(back, top);
        self.land(out);
        self.land(ends);
        (self.set, self.spilled) = (before.0 & self.set, before.1 & self.spilled);
    }

    /// `bpf_loop`
    pub(super) fn kernel_loop(&mut self) {
        let number = self.a_number();
        self.mov(1, number);
        self.alu(BinaryOp::And, Width::W64, 1, Operand::Imm(7));
        self.call_with_callback(Function::LoopBody, 2, 181);
    }

    /// `bpf_for_each_map_elem`
    pub(super) fn for_each_element(&mut self) {
        let map = self.choices.one_of(&[HASH, TABLE]);
        self.emit(Insn::LoadImm64 { dst: Reg::R1, imm: Imm64::MapFd(map) });
        self.call_with_callback(Function::ElementBody, 2, 164);
    }

    fn call_with_callback(&mut self, function: Function, at: u8, helper: i32) {
        let start = number_of(self);
        self.emit(Insn::Store { size: Size::Double, base: Reg::R10, offset: SHARED, src: start });
        let address = self.emit(Insn::LoadImm64 { dst: reg(at), imm: Imm64::Function { offset: 0 } });
        self.calls.push((address, self.functions.len()));
        self.functions.push(function);
        self.mov(at + 1, 10);
        self.alu(BinaryOp::Add, Width::W64, at + 1, Operand::Imm(SHARED.into()));
        self.alu(BinaryOp::Mov, Width::W64, at + 2, Operand::Imm(0));
        self.emit(Insn::Call(CallTarget::Helper(helper)));
        self.returned();
        if self.choices.once_in(2) {
            self.emit(Insn::Load { size: Size::Double, signed: false, dst: Reg::R0, base: Reg::R10, offset: SHARED });
        }
    }

    /// A loop over the numbers that `bpf_iter_num_next` gives.
    pub(super) fn iterator_loop(&mut self, depth: u32) {
        let Some(functions) = self.iterator else { return self.counted_loop(depth) };
        let at = ITERATOR - 8 * depth as i32;
        let call = |generator: &mut Self, id: i32| {
            generator.mov(1, 10);
            generator.alu(BinaryOp::Add, Width::W64, 1, Operand::Imm(at));
            generator.emit(Insn::Call(CallTarget::Kfunc { id, btf: 0 }));
            generator.returned();
        };
        let (from, len) = (self.choices.below(3) as i32, self.choices.below(6) as i32);
        self.alu(BinaryOp::Mov, Width::W64, 2, Operand::Imm(from));
        self.alu(BinaryOp::Mov, Width::W64, 3, Operand::Imm(from + len));
        call(self, functions.new);
        let may_leave = std::mem::replace(&mut self.may_leave, false);
        let top = self.insns.len();
        let before = (self.set & !0x3f, self.spilled);
        call(self, functions.next);
        let out = self.jump_if(Condition::Eq, Width::W64, 0, Operand::Imm(0));
        let element = self.choices.below(NUMBERS.into()) as u8;
        self.emit(Insn::Load { size: Size::Word, signed: false, dst: reg(element), base: Reg::R0, offset: 0 });
        self.set = before.0 | 1 << element;
        let count = 1 + self.choices.below(2);
        self.statements(count, depth);
        let back = self.emit(Insn::Jump { offset: 0, long: false });
        self.point(back, top);
        self.land(out);
        self.may_leave = may_leave;
        (self.set, self.spilled) = (before.0, before.1 & self.spilled);
        if !self.slips(15) {
            call(self, functions.destroy);
        }
        self.set_number(0, 1);
    }
}

/// What the shared bytes are at first.
fn number_of<C: Choices>(generator: &mut Generator<'_, C>) -> Operand {
    if generator.choices.once_in(2) {
        Operand::Imm(generator.choices.below(10) as i32)
    } else {
        Operand::Reg(reg(generator.a_number()))
    }
}
