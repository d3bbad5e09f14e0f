//! Accesses to map values, packets and the stack.

use super::{CONTEXT, DATA, DATA_END, Generator, NUMBERS, SIZES, VALUE_AT, W, number, reg};
use crate::choices::Choices;
use crate::setting::VALUE;
use skep_abi::program_type::ProgramType;
use skep_isa::{AtomicOp, BinaryOp, CallTarget, Condition, Insn, Operand, Reg, Size, Width};

impl<C: Choices> Generator<'_, C> {
    /// Moves `base` by an index; forwards or back.
    pub(super) fn address(&mut self, base: u8, index: u8, address: u8, far: i32) {
        self.mov(address, base);
        self.set &= !(1 << address);
        // What is subtracted from a map value leaves a range with no end: a safe program does without.
        let seldom = if self.safe { 64 } else { 4 };
        let back = if base == 10 { self.slips(40) } else { self.choices.once_in(seldom) };
        if back {
            self.alu(BinaryOp::Add, Width::W64, address, Operand::Imm(far));
            self.alu(BinaryOp::Sub, Width::W64, address, Operand::Reg(reg(index)));
        } else {
            self.alu(BinaryOp::Add, Width::W64, address, Operand::Reg(reg(index)));
        }
    }

    pub(super) fn access(&mut self, size: Size, address: u8, offset: i32) {
        if self.choices.once_in(3) {
            let src = self.a_number();
            let src = if src == address { Operand::Imm(-2) } else { Operand::Reg(reg(src)) };
            self.emit(Insn::Store { size, base: reg(address), offset: offset as i16, src });
        } else {
            let dst = self.choices.below(NUMBERS.into()) as u8;
            self.load(size, dst, address, offset);
            self.set |= 1 << dst;
        }
    }

    pub(super) fn value_access(&mut self) {
        let size = self.choices.one_of(&SIZES);
        let bytes = i32::from(size.bytes());
        let far = VALUE - bytes;
        let below = if self.choices.once_in(2) { far } else { 1 + self.choices.below(far as u32) as i32 };
        let (index, address) = self.index(below);
        self.address(VALUE_AT, index, address, below);
        let slack = far - below + i32::from(self.slips(20));
        let mut offset = if slack > 0 { self.choices.below(slack as u32 + 1) as i32 } else { 0 };
        if self.choices.once_in(if self.safe { 64 } else { 4 }) {
            // As far as a verifier may let it that believes too small a bound.
            offset += self.choices.below(below as u32 + 1) as i32;
        }
        self.access(size, address, offset);
    }

    pub(super) fn packet_access(&mut self) {
        let size = self.choices.one_of(&SIZES);
        let bytes = i32::from(size.bytes());
        let offset = self.choices.below(40) as i32;
        let reach = offset + bytes - i32::from(self.slips(25));
        let address = if self.choices.once_in(2) {
            let below = self.choices.one_of(&[7, 15, 31, 63, 255, 0x7fff, 0xffff]);
            let (index, address) = self.index(below);
            self.mov(address, DATA);
            self.alu(BinaryOp::Add, Width::W64, address, Operand::Reg(reg(index)));
            address
        } else {
            let address = self.choices.below(NUMBERS.into()) as u8;
            self.mov(address, DATA);
            address
        };
        self.set &= !(1 << address);
        let end = self.other(address);
        self.mov(end, address);
        self.set &= !(1 << end);
        self.alu(BinaryOp::Add, Width::W64, end, Operand::Imm(reach));
        let condition = self.choices.one_of(&[Condition::Gt, Condition::Gt, Condition::Gt, Condition::Ge]);
        let (left, right, condition) = match self.choices.below(3) {
            0 if condition == Condition::Gt => (DATA_END, end, Condition::Lt),
            _ => (end, DATA_END, condition),
        };
        let jump = self.jump_if(condition, Width::W64, left, Operand::Reg(reg(right)));
        let (set, spilled) = (self.set, self.spilled);
        self.access(size, address, offset);
        if self.choices.once_in(2) {
            self.access(Size::Byte, address, 0);
        }
        self.land(jump);
        (self.set, self.spilled) = (self.set & set, self.spilled & spilled);
    }

    pub(super) fn stack_access(&mut self) {
        let size = self.choices.one_of(&SIZES);
        let bytes = i32::from(size.bytes());
        // A block of 64 bytes at the bottom of what is used, all written first.
        const BLOCK: i32 = 64;
        const BOTTOM: i32 = -160;
        if self.choices.once_in(2) {
            for at in 0..BLOCK / 8 {
                let src = Operand::Imm(at * 0x0101_0101);
                let offset = (BOTTOM + at * 8) as i16;
                self.emit(Insn::Store { size: Size::Double, base: Reg::R10, offset, src });
            }
        }
        let far = BLOCK - bytes;
        let (index, address) = self.index(far / bytes);
        if !self.slips(20) {
            let (width, shift) = (self.choices.one_of(&W), bytes.ilog2().cast_signed());
            self.alu(BinaryOp::Lsh, width, index, Operand::Imm(shift));
        }
        self.address(10, index, address, far);
        self.access(size, address, BOTTOM);
    }

    pub(super) fn spill_or_fill(&mut self) {
        let slot = self.choices.below(8);
        let offset = -8 - 8 * slot as i32;
        if self.spilled & 1 << slot != 0 && self.choices.once_in(2) {
            let dst = self.choices.below(NUMBERS.into()) as u8;
            let size = self.choices.one_of(&[Size::Double, Size::Double, Size::Word, Size::Half, Size::Byte]);
            let inner = self.choices.below(8 / u32::from(size.bytes())) as i32 * i32::from(size.bytes());
            self.load(size, dst, 10, offset + inner);
            self.set |= 1 << dst;
            return;
        }
        let size = self.choices.one_of(&[Size::Double, Size::Double, Size::Word, Size::Half, Size::Byte]);
        let src = if self.choices.once_in(4) {
            Operand::Imm(number(self.choices))
        } else {
            Operand::Reg(reg(self.a_number()))
        };
        self.emit(Insn::Store { size, base: Reg::R10, offset: offset as i16, src });
        if size == Size::Double {
            self.spilled |= 1 << slot;
        }
    }

    pub(super) fn atomic(&mut self) {
        let fetch = self.choices.once_in(2);
        let op = self.choices.one_of(&[
            AtomicOp::Add { fetch },
            AtomicOp::Or { fetch },
            AtomicOp::And { fetch },
            AtomicOp::Xor { fetch },
            AtomicOp::Xchg,
            AtomicOp::Cmpxchg,
        ]);
        let size = self.choices.one_of(&[Size::Word, Size::Double]);
        if op == AtomicOp::Cmpxchg && self.set & 1 == 0 {
            self.set_number(0, 1);
        }
        let src = self.a_number();
        let slot = self.choices.below(8);
        let (base, offset) = if self.spilled & 1 << slot != 0 && self.choices.once_in(2) {
            (10, -8 - 8 * slot as i32)
        } else {
            (VALUE_AT, 8 * self.choices.below(VALUE as u32 / 8) as i32)
        };
        self.emit(Insn::Atomic { op, size, base: reg(base), offset: offset as i16, src: reg(src) });
    }

    /// Packet pointers are worth nothing afterwards; now and then they are used all the same.
    pub(super) fn move_packet(&mut self) {
        // bpf_xdp_adjust_head, bpf_xdp_adjust_tail; bpf_skb_pull_data
        let helpers: &[i32] = if self.program_type == ProgramType::Xdp { &[44, 65] } else { &[39] };
        let delta = self.choices.one_of(&[-8, -4, 4, 8, 14]);
        let helper = self.choices.one_of(helpers);
        self.mov(1, CONTEXT);
        self.set_number(2, delta);
        self.emit(Insn::Call(CallTarget::Helper(helper)));
        self.returned();
        if !self.slips(5) {
            self.packet_pointers();
        }
    }
}
