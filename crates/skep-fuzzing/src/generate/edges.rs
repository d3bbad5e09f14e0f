//! What shows a verifier that is nearly right: numbers at the very ends of their ranges, and paths that meet although one
//! of them must not go on.

use super::{CONDITIONS, Generator, NUMBERS, VALUE_AT, W};
use crate::choices::Choices;
use crate::setting::{RING, VALUE};
use skep_isa::{AtomicOp, BinaryOp, CallTarget, Condition, Imm64, Insn, Operand, Reg, Size, Width};

impl<C: Choices> Generator<'_, C> {
    /// One of them.
    pub(super) fn edge(&mut self) {
        match self.choices.below(6) {
            0 => self.compare_at_bound(),
            1 => self.shift_at_bound(),
            2 => self.signed_product(),
            3 => self.sign_mask(),
            4 => self.change_known_slot(),
            _ => self.link_on_one_path(true),
        }
    }

    /// Two paths meet of which the second, and only that, does something wrong afterwards: the program is refused, unless
    /// the second path is taken for one like the first.
    pub(super) fn trap(&mut self) {
        match self.choices.below(4) {
            0 => {
                let index = self.on_two_paths(|g, index| g.set_number(index, 5), Self::unknown_whole);
                self.use_as_index(index);
            }
            1 => {
                let size = self.on_two_paths(|g, size| g.set_number(size, 8), Self::unknown_whole);
                self.use_as_size(size);
            }
            2 => {
                self.on_two_paths(|_, _| (), |g, number| g.mov(VALUE_AT, number));
                let dst = self.choices.below(NUMBERS.into()) as u8;
                self.load(Size::Byte, dst, VALUE_AT, 0);
                self.set |= 1 << dst;
            }
            _ => self.link_on_one_path(false),
        }
    }

    /// A number of all sizes.
    fn unknown_whole(&mut self, dst: u8) {
        let offset = self.choices.below(VALUE as u32 / 8) as i32 * 8;
        self.load(Size::Double, dst, VALUE_AT, offset);
        self.set |= 1 << dst;
    }

    /// A number to which one thing is done or another: the first on the path that is followed first.
    fn on_two_paths(&mut self, first: impl FnOnce(&mut Self, u8), second: impl FnOnce(&mut Self, u8)) -> u8 {
        let (decides, number) = (self.a_number(), self.a_number());
        let (condition, width) = (self.choices.one_of(&CONDITIONS), self.choices.one_of(&W));
        let src = self.operand();
        let jump = self.jump_if(condition, width, decides, src);
        first(self, number);
        let over = self.emit(Insn::Jump { offset: 0, long: false });
        self.land(jump);
        second(self, number);
        self.land(over);
        number
    }

    fn use_as_index(&mut self, index: u8) {
        let address = self.other(index);
        self.mov(address, VALUE_AT);
        self.set &= !(1 << address);
        self.alu(BinaryOp::Add, Width::W64, address, Operand::Reg(super::reg(index)));
        self.access(Size::Byte, address, 0);
    }

    /// `bpf_ringbuf_output(ring, value, size, 0)`
    fn use_as_size(&mut self, size: u8) {
        self.mov(3, size);
        self.mov(2, VALUE_AT);
        self.emit(Insn::LoadImm64 { dst: Reg::R1, imm: Imm64::MapFd(RING) });
        self.alu(BinaryOp::Mov, Width::W64, 4, Operand::Imm(0));
        self.emit(Insn::Call(CallTarget::Helper(130)));
        self.returned();
    }

    /// A number in a small range, whose ends are often met.
    fn small(&mut self) -> (u8, i32) {
        let (register, bound) = (self.a_number(), 1 + self.choices.below(20) as i32);
        if self.choices.once_in(2) {
            let mask = (1 << (1 + self.choices.below(5))) - 1;
            self.alu(BinaryOp::And, Width::W64, register, Operand::Imm(mask));
            return (register, mask);
        }
        let inside = self.jump_if(Condition::Le, Width::W64, register, Operand::Imm(bound));
        self.set_number(register, bound);
        self.land(inside);
        (register, bound)
    }

    /// A comparison with a number just inside or outside of the range; what is learnt stays in force for a while.
    fn compare_at_bound(&mut self) {
        let (register, bound) = self.small();
        for _ in 0..=self.choices.below(2) {
            let limit = self.choices.one_of(&[0, 1, bound - 1, bound, bound + 1]);
            let (condition, width) = (self.choices.one_of(&CONDITIONS), self.choices.one_of(&W));
            let jump = self.jump_if(condition, width, register, Operand::Imm(limit));
            let (set, spilled) = (self.set, self.spilled);
            self.arithmetic();
            self.land(jump);
            (self.set, self.spilled) = (self.set & set, self.spilled & spilled);
        }
    }

    /// A shift that loses what is at the top of the range.
    fn shift_at_bound(&mut self) {
        let (register, _) = self.small();
        let (width, all) = if self.choices.once_in(2) { (Width::W32, 32) } else { (Width::W64, 64) };
        let by = all - 1 - self.choices.below(6) as i32;
        let op = self.choices.one_of(&[BinaryOp::Lsh, BinaryOp::Lsh, BinaryOp::Rsh, BinaryOp::Arsh]);
        self.alu(op, width, register, Operand::Imm(by));
        self.arithmetic();
    }

    /// A number between two small ones of either sign.
    fn small_signed(&mut self, register: u8) {
        let (low, high) = (-1 - self.choices.below(9) as i32, self.choices.below(9) as i32);
        self.unknown(register);
        let first = self.jump_if(Condition::SLt, Width::W64, register, Operand::Imm(low));
        let second = self.jump_if(Condition::SLe, Width::W64, register, Operand::Imm(high));
        self.land(first);
        let end = self.choices.one_of(&[low, high]);
        self.set_number(register, end);
        self.land(second);
    }

    /// The product, sum or difference of two numbers of either sign.
    fn signed_product(&mut self) {
        let first = self.a_number();
        let second = self.other(first);
        self.small_signed(first);
        self.small_signed(second);
        // What is not a constant on any path: the sum of one with a bit of something unknown.
        let bit = (0..NUMBERS).find(|register| *register != first && *register != second).unwrap_or(0);
        self.unknown(bit);
        self.alu(BinaryOp::And, Width::W64, bit, Operand::Imm(3));
        for register in [first, second] {
            self.alu(BinaryOp::Sub, Width::W64, register, Operand::Reg(super::reg(bit)));
        }
        let op = self.choices.one_of(&[BinaryOp::Mul, BinaryOp::Mul, BinaryOp::Add, BinaryOp::Sub]);
        let width = self.choices.one_of(&W);
        self.alu(op, width, first, Operand::Reg(super::reg(second)));
    }

    /// All zeros or all ones, by the sign of something, choose a number.
    fn sign_mask(&mut self) {
        let register = self.a_number();
        self.unknown_whole(register);
        let (width, sign) = self.choices.one_of(&[(Width::W64, 63), (Width::W32, 31)]);
        self.alu(BinaryOp::Arsh, width, register, Operand::Imm(sign));
        let op = self.choices.one_of(&[BinaryOp::And, BinaryOp::Or]);
        let number = super::number(self.choices);
        self.alu(op, width, register, Operand::Imm(number));
    }

    /// A constant on the stack that is changed in place.
    fn change_known_slot(&mut self) {
        const SLOT: u32 = 5;
        let offset = -8 - 8 * SLOT as i16;
        let number = Operand::Imm(super::number(self.choices));
        self.emit(Insn::Store { size: Size::Double, base: Reg::R10, offset, src: number });
        self.spilled |= 1 << SLOT;
        let src = super::reg(self.a_number());
        let fetch = self.choices.once_in(2);
        let op = self.choices.one_of(&[AtomicOp::Add { fetch }, AtomicOp::Xor { fetch }, AtomicOp::Xchg]);
        let size = self.choices.one_of(&[Size::Word, Size::Double]);
        self.emit(Insn::Atomic { op, size, base: Reg::R10, offset, src });
        let dst = self.choices.below(NUMBERS.into()) as u8;
        self.load(Size::Double, dst, 10, offset.into());
        self.set |= 1 << dst;
    }

    /// Two numbers that are the same on one path only; one is compared, the other used.
    fn link_on_one_path(&mut self, safe: bool) {
        let first = self.a_number();
        let second = self.other(first);
        self.unknown_whole(first);
        let decides = self.other(first);
        self.unknown(decides);
        let (condition, limit) = (self.choices.one_of(&CONDITIONS), super::number(self.choices));
        let jump = self.jump_if(condition, Width::W64, decides, Operand::Imm(limit));
        self.mov(second, first);
        let over = self.emit(Insn::Jump { offset: 0, long: false });
        self.land(jump);
        self.unknown_whole(second);
        self.land(over);
        self.set |= 1 << second;
        let inside = self.jump_if(Condition::Le, Width::W64, first, Operand::Imm(VALUE - 1));
        self.set_number(first, 0);
        self.set_number(second, 0);
        self.land(inside);
        if safe {
            self.make_sure(second, VALUE - 1);
        }
        self.use_as_index(second);
    }
}
