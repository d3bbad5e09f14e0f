//! Helpers, and pointers beyond plain accesses.

use super::{CONTEXT, DATA, DATA_END, Generator, NUMBERS, SIZES, VALUE_AT, W, number, reg};
use crate::choices::Choices;
use crate::setting::{ARRAY, HASH, RING, TABLE, VALUE};
use skep_abi::program_type::ProgramType;
use skep_isa::{BinaryOp, CallTarget, Condition, Imm64, Insn, Operand, Reg, Size, Width};

/// Offset, size and whether it may be written, of some fields.
const XDP_FIELDS: &[(i16, Size, bool)] = &[
    (12, Size::Word, false),
    (16, Size::Word, false),
    (12, Size::Half, false),
    (16, Size::Byte, false),
    (12, Size::Word, true),
    (20, Size::Word, false),
];
const SKB_FIELDS: &[(i16, Size, bool)] = &[
    (0, Size::Word, false),
    (0, Size::Half, false),
    (8, Size::Word, true),
    (16, Size::Word, false),
    (48, Size::Word, true),
    (52, Size::Double, true),
    (56, Size::Double, true),
    (48, Size::Byte, false),
    (16, Size::Word, true),
    (40, Size::Word, false),
];

impl<C: Choices> Generator<'_, C> {
    /// A field of the context, narrow or whole, now and then one that cannot be had so.
    pub(super) fn context_access(&mut self) {
        let fields = if self.program_type == ProgramType::Xdp { XDP_FIELDS } else { SKB_FIELDS };
        let (offset, size, written) = self.choices.one_of(fields);
        // Only whole fields of XDP programs can be read, and none behind the first seven words of others written.
        let xdp = self.program_type == ProgramType::Xdp;
        if self.safe && (if xdp { size != Size::Word || offset == 20 } else { written && offset == 16 }) {
            return;
        }
        if written && (self.program_type == ProgramType::SchedCls || !self.careful) && self.choices.once_in(2) {
            let src = self.a_number();
            self.emit(Insn::Store { size, base: reg(CONTEXT), offset, src: Operand::Reg(reg(src)) });
        } else if self.careful && size == Size::Double && offset == 52 {
            // Not aligned.
        } else {
            let dst = self.choices.below(NUMBERS.into()) as u8;
            self.load(size, dst, CONTEXT, offset.into());
            self.set |= 1 << dst;
        }
    }

    /// A pointer goes to the stack and comes back.
    pub(super) fn spill_pointer(&mut self) {
        let slot = self.choices.below(8);
        let offset = -8 - 8 * slot as i16;
        let pointer = self.choices.one_of(&[DATA, DATA_END, VALUE_AT, CONTEXT]);
        self.emit(Insn::Store { size: Size::Double, base: Reg::R10, offset, src: Operand::Reg(reg(pointer)) });
        self.spilled &= !(1 << slot);
        if self.choices.once_in(2) {
            self.arithmetic();
        }
        if self.slips(6) {
            self.emit(Insn::Store { size: Size::Byte, base: Reg::R10, offset, src: Operand::Imm(0) });
        }
        self.emit(Insn::Load { size: Size::Double, signed: false, dst: reg(pointer), base: Reg::R10, offset });
    }

    /// Two numbers a constant apart, of which one is compared and the other used.
    pub(super) fn linked(&mut self) {
        let first = self.a_number();
        let second = self.other(first);
        let width = self.choices.one_of(&W);
        self.alu(BinaryOp::Mov, width, second, Operand::Reg(reg(first)));
        let distance = self.choices.one_of(&[0, 1, 4, 7, -1, -4, i32::MAX, i32::MIN, 1 << 20]);
        let add = self.choices.one_of(&W);
        let changed = self.choices.one_of(&[first, second]);
        if distance != 0 {
            self.alu(BinaryOp::Add, add, changed, Operand::Imm(distance));
        }
        self.set |= 1 << second;
        let compared = self.choices.one_of(&[first, second]);
        let limit = self.choices.below(VALUE as u32 - 8) as i32;
        let (condition, width) = (
            self.choices.one_of(&[Condition::Lt, Condition::Le, Condition::Eq, Condition::SLt]),
            self.choices.one_of(&W),
        );
        let inside = self.jump_if(condition, width, compared, Operand::Imm(limit));
        let (set, other) = (self.set, if compared == first { second } else { first });
        for register in [compared, other] {
            self.set_number(register, 0);
        }
        self.set = set;
        self.land(inside);
        if self.choices.once_in(2) {
            self.bound(other, VALUE - 8);
        }
        if other != 0 && (!self.careful || self.choices.once_in(2)) {
            let address = self.other(other);
            if self.careful {
                self.bound(compared, VALUE - 8);
                self.bound(other, VALUE - 8);
            }
            self.address(VALUE_AT, other, address, VALUE - 8);
            self.access(Size::Byte, address, 0);
        }
    }

    /// A helper that reads or writes memory of a size that is computed.
    pub(super) fn helper_with_memory(&mut self) {
        let at = self.choices.below(3);
        let size = self.a_number();
        let limit = 1 + self.choices.below(63) as i32;
        self.bound(size, limit);
        if self.choices.once_in(2) {
            self.alu(BinaryOp::Add, Width::W64, size, Operand::Imm(1));
        }
        // r3 is the size, r2 the memory.
        self.mov(3, size);
        let stack = self.choices.once_in(2);
        if stack {
            for slot in 0..8 {
                let offset = (-160 + 8 * slot) as i16;
                self.emit(Insn::Store { size: Size::Double, base: Reg::R10, offset, src: Operand::Imm(slot) });
            }
            self.mov(2, 10);
            self.alu(BinaryOp::Add, Width::W64, 2, Operand::Imm(-160));
        } else {
            self.mov(2, VALUE_AT);
        }
        if self.careful {
            self.alu(BinaryOp::And, Width::W64, 3, Operand::Imm(31));
        }
        match at {
            0 => {
                // bpf_ringbuf_output(ring, data, size, flags)
                self.emit(Insn::LoadImm64 { dst: Reg::R1, imm: Imm64::MapFd(RING) });
                self.alu(BinaryOp::Mov, Width::W64, 4, Operand::Imm(0));
                self.emit(Insn::Call(CallTarget::Helper(130)));
            }
            1 if self.program_type == ProgramType::Xdp => {
                // bpf_xdp_load_bytes(context, offset, buffer, len): the length must not be zero.
                self.mov(4, 3);
                self.alu(BinaryOp::Or, Width::W64, 4, Operand::Imm(1));
                self.mov(3, 2);
                self.alu(BinaryOp::Mov, Width::W64, 2, Operand::Imm(0));
                self.mov(1, CONTEXT);
                self.emit(Insn::Call(CallTarget::Helper(189)));
            }
            _ => {
                // bpf_csum_diff(from, from_size, to, to_size, seed)
                if self.careful {
                    self.alu(BinaryOp::And, Width::W64, 3, Operand::Imm(28));
                }
                self.mov(1, 2);
                self.mov(2, 3);
                self.alu(BinaryOp::Mov, Width::W64, 3, Operand::Imm(0));
                self.alu(BinaryOp::Mov, Width::W64, 4, Operand::Imm(0));
                self.alu(BinaryOp::Mov, Width::W64, 5, Operand::Imm(0));
                self.emit(Insn::Call(CallTarget::Helper(28)));
            }
        }
        self.returned();
    }

    /// An element of a hash is written or removed.
    pub(super) fn change_map(&mut self) {
        let key = self.choices.below(3) as i32;
        self.emit(Insn::Store { size: Size::Word, base: Reg::R10, offset: -4, src: Operand::Imm(key) });
        self.spilled &= !1;
        let map = self.choices.one_of(&[HASH, TABLE]);
        self.emit(Insn::LoadImm64 { dst: Reg::R1, imm: Imm64::MapFd(map) });
        self.mov(2, 10);
        self.alu(BinaryOp::Add, Width::W64, 2, Operand::Imm(-4));
        self.mov(3, VALUE_AT);
        self.alu(BinaryOp::Mov, Width::W64, 4, Operand::Imm(0));
        self.emit(Insn::Call(CallTarget::Helper(2)));
        self.returned();
    }

    /// A record of a ring buffer is reserved, written and given back.
    pub(super) fn ring_record(&mut self) {
        const BYTES: i32 = 40;
        let may_leave = std::mem::replace(&mut self.may_leave, false);
        self.emit(Insn::LoadImm64 { dst: Reg::R1, imm: Imm64::MapFd(RING) });
        self.alu(BinaryOp::Mov, Width::W64, 2, Operand::Imm(BYTES));
        self.alu(BinaryOp::Mov, Width::W64, 3, Operand::Imm(0));
        self.emit(Insn::Call(CallTarget::Helper(131)));
        self.returned();
        let none = self.jump_if(Condition::Eq, Width::W64, 0, Operand::Imm(0));
        self.set &= !1;
        self.emit(Insn::Store { size: Size::Double, base: Reg::R10, offset: -240, src: Operand::Reg(Reg::R0) });
        let index = 1 + self.choices.below(4) as u8;
        self.unknown(index);
        self.bound(index, BYTES - 8);
        self.emit(Insn::Load { size: Size::Double, signed: false, dst: Reg::R0, base: Reg::R10, offset: -240 });
        self.set &= !1;
        let address = if index == 1 { 2 } else { 1 };
        self.address(0, index, address, BYTES - 8);
        let size = self.choices.one_of(&SIZES);
        let src = Operand::Imm(number(self.choices));
        self.emit(Insn::Store { size, base: reg(address), offset: 0, src });
        self.emit(Insn::Load { size: Size::Double, signed: false, dst: Reg::R1, base: Reg::R10, offset: -240 });
        self.alu(BinaryOp::Mov, Width::W64, 2, Operand::Imm(0));
        if !self.slips(10) {
            let helper = self.choices.one_of(&[132, 133]);
            self.emit(Insn::Call(CallTarget::Helper(helper)));
        }
        self.set &= !0x3f;
        self.set_number(0, 2);
        self.land(none);
        self.set_number(0, 3);
        self.may_leave = may_leave;
    }

    /// Load-acquire and store-release.
    pub(super) fn ordered_access(&mut self) {
        let size = self.choices.one_of(&SIZES);
        let offset = 8 * self.choices.below(VALUE as u32 / 8) as i16;
        let number = self.a_number();
        if self.choices.once_in(2) {
            self.emit(Insn::StoreRelease { size, base: reg(VALUE_AT), offset, src: reg(number) });
        } else {
            self.emit(Insn::LoadAcquire { size, dst: reg(number), base: reg(VALUE_AT), offset });
        }
    }

    /// The distance of two pointers, or a comparison of them.
    pub(super) fn compare_pointers(&mut self) {
        match self.choices.below(4) {
            0 => {
                let dst = self.choices.below(NUMBERS.into()) as u8;
                self.mov(dst, DATA_END);
                self.alu(BinaryOp::Sub, Width::W64, dst, Operand::Reg(reg(DATA)));
                self.set |= 1 << dst;
            }
            1 => {
                self.emit(Insn::LoadImm64 { dst: Reg::R1, imm: Imm64::MapValue { fd: ARRAY, offset: 8 } });
                self.set &= !2;
                let condition = self.choices.one_of(&[Condition::Eq, Condition::Ne]);
                let jump = self.jump_if(condition, Width::W64, VALUE_AT, Operand::Reg(Reg::R1));
                self.land(jump);
            }
            2 => {
                let condition = self.choices.one_of(&[Condition::Eq, Condition::Ne]);
                let jump = self.jump_if(condition, Width::W64, VALUE_AT, Operand::Imm(0));
                let set = self.set;
                self.arithmetic();
                self.set &= set;
                self.land(jump);
            }
            _ => self.change_map(),
        }
    }
}
