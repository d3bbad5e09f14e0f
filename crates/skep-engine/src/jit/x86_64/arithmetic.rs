//! Arithmetic but division.

use skep_isa::{BinaryOp, Size, Width};

use super::Emitter;
use super::assembler::{Flags, Gpr, Group1, Opcode, VexShift, Wide};
use super::fuse::flags;
use super::registers::{SCRATCH, gpr, mem};
use crate::jit::inst::{Address, Condition, Register, Registers, Source, Test};

impl Emitter<'_> {
    pub(super) fn binary(&mut self, op: BinaryOp, width: Width, dst: Register, src: Source, live: Registers) {
        match op {
            BinaryOp::Add => self.group1(Group1::Add, width, dst, src),
            BinaryOp::Sub => self.group1(Group1::Sub, width, dst, src),
            BinaryOp::Or => self.group1(Group1::Or, width, dst, src),
            BinaryOp::Xor => self.group1(Group1::Xor, width, dst, src),
            // With a mask that clears the upper half, the short form does it, too.
            BinaryOp::And if matches!(src, Source::Imm(0..)) => self.group1(Group1::And, Width::W32, dst, src),
            BinaryOp::And => self.group1(Group1::And, width, dst, src),
            BinaryOp::Lsh => self.shift(4, VexShift::Left, width, dst, src),
            BinaryOp::Rsh => self.shift(5, VexShift::Right, width, dst, src),
            BinaryOp::Arsh => self.shift(7, VexShift::Arithmetic, width, dst, src),
            BinaryOp::Mul => self.multiply(width, dst, src),
            BinaryOp::Div | BinaryOp::SDiv | BinaryOp::Mod | BinaryOp::SMod => {
                self.divide(op, width, dst, src, live);
            }
            // Selection makes moves something else.
            BinaryOp::Mov => match src {
                Source::Reg(src) => self.asm.mov(width.into(), gpr(dst), gpr(src)),
                Source::Imm(imm) => self.asm.mov_imm(gpr(dst), width.truncate(i64::from(imm).cast_unsigned())),
            },
        }
    }

    fn group1(&mut self, operation: Group1, width: Width, dst: Register, src: Source) {
        match src {
            Source::Reg(src) => self.asm.group1(operation, width.into(), gpr(dst), gpr(src)),
            Source::Imm(imm) => self.asm.group1_imm(operation, width.into(), gpr(dst), imm),
        }
    }

    fn shift(&mut self, extension: u8, vex: VexShift, width: Width, dst: Register, src: Source) {
        match src {
            Source::Imm(by) => self.shift_imm(extension, width.into(), gpr(dst), by as u8 & (width.bits() - 1) as u8),
            Source::Reg(count) if self.features.bmi2 => {
                self.asm.shift_by_register(vex, width.into(), gpr(dst), gpr(dst), gpr(count));
            }
            Source::Reg(count) => self.shift_by_cl(extension, width.into(), gpr(dst), gpr(count)),
        }
    }

    pub(super) fn shift_imm(&mut self, extension: u8, wide: Wide, dst: Gpr, by: u8) {
        match by {
            // A 32-bit result clears the upper half, however little is done.
            0 if wide == Wide::No => self.asm.mov(Wide::No, dst, dst),
            0 => {}
            1 => self.asm.rr(Opcode::one(0xd1), wide, extension, dst),
            _ => {
                self.asm.rr(Opcode::one(0xc1), wide, extension, dst);
                self.asm.byte(by);
            }
        }
    }

    /// Older processors shift by cl only.
    fn shift_by_cl(&mut self, extension: u8, wide: Wide, dst: Gpr, count: Gpr) {
        let [scratch, ..] = SCRATCH;
        let shifted = if dst == Gpr::RCX { scratch } else { dst };
        let moves = count != Gpr::RCX || dst == Gpr::RCX;
        if moves {
            self.asm.mov(Wide::Yes, scratch, Gpr::RCX);
            self.asm.mov(Wide::Yes, Gpr::RCX, count);
        }
        self.asm.rr(Opcode::one(0xd3), wide, extension, shifted);
        if moves {
            self.asm.mov(Wide::Yes, Gpr::RCX, scratch);
        }
    }

    fn multiply(&mut self, width: Width, dst: Register, src: Source) {
        let dst = gpr(dst);
        match src {
            Source::Reg(src) => self.asm.rr(Opcode::two(0xaf), width.into(), dst, gpr(src)),
            Source::Imm(imm) => self.multiply_imm(width.into(), dst, dst, imm),
        }
    }

    /// `dst = src * imm`
    pub(super) fn multiply_imm(&mut self, wide: Wide, dst: Gpr, src: Gpr, imm: i32) {
        let scale = match imm {
            3 => Some(1),
            5 => Some(2),
            9 => Some(3),
            _ => None,
        };
        if let Some(shift) = scale {
            let mem = super::assembler::Mem { base: src, index: Some((src, shift)), offset: 0 };
            self.asm.rm(Opcode::one(0x8d), wide, dst, mem);
        } else if imm > 0 && imm.cast_unsigned().is_power_of_two() {
            if dst != src {
                self.asm.mov(wide, dst, src);
            }
            self.shift_imm(4, wide, dst, imm.trailing_zeros() as u8);
        } else {
            self.asm.rri(0x6b, 0x69, wide, dst, src, imm);
        }
    }

    pub(super) fn constant(&mut self, dst: Register, value: u64) {
        if value == 0 { self.asm.zero(gpr(dst)) } else { self.asm.mov_imm(gpr(dst), value) }
    }

    pub(super) fn lea(&mut self, dst: Register, address: Address) {
        self.asm.lea(gpr(dst), mem(address));
    }

    pub(super) fn shifted_move(&mut self, dst: Register, src: Register, shift: u8) {
        self.asm.mov(Wide::Yes, gpr(dst), gpr(src));
        self.shift_imm(4, Wide::Yes, gpr(dst), shift);
    }

    pub(super) fn extend(&mut self, (dst, src): (Register, Register), size: Size, signed: bool, width: Width) {
        let (dst, src) = (gpr(dst), gpr(src));
        let wide = if signed { width.into() } else { Wide::No };
        match (size, signed) {
            (Size::Byte, false) => self.asm.rr(Opcode::two(0xb6).rex(), wide, dst, src),
            (Size::Byte, true) => self.asm.rr(Opcode::two(0xbe).rex(), wide, dst, src),
            (Size::Half, false) => self.asm.rr(Opcode::two(0xb7), wide, dst, src),
            (Size::Half, true) => self.asm.rr(Opcode::two(0xbf), wide, dst, src),
            (Size::Word, false) => self.asm.mov(Wide::No, dst, src),
            (Size::Word, true) => self.asm.rr(Opcode::one(0x63), wide, dst, src),
            (Size::Double, _) => self.asm.mov(Wide::Yes, dst, src),
        }
    }

    pub(super) fn negate(&mut self, width: Width, dst: Register) {
        self.asm.rr(Opcode::one(0xf7), width.into(), 3, gpr(dst));
    }

    pub(super) fn swap(&mut self, size: Size, dst: Register) {
        self.swap_register(size, gpr(dst));
    }

    /// Swaps the low bytes of a register and clears what is above.
    pub(super) fn swap_register(&mut self, size: Size, dst: Gpr) {
        match size {
            Size::Byte => self.asm.rr(Opcode::two(0xb6).rex(), Wide::No, dst, dst),
            Size::Half => {
                // Rotated by eight bits, then what is above goes.
                self.asm.rr(Opcode::one(0xc1).prefix(0x66), Wide::No, 0, dst);
                self.asm.byte(8);
                self.asm.rr(Opcode::two(0xb7), Wide::No, dst, dst);
            }
            Size::Word => self.asm.bswap(Wide::No, dst),
            Size::Double => self.asm.bswap(Wide::Yes, dst),
        }
    }

    /// Compares or tests and says which flags mean that the condition holds.
    pub(super) fn compare(&mut self, Test { condition, width, left, right }: Test) -> Flags {
        let flags = flags(condition);
        let wide = width.into();
        let left = gpr(left);
        match (condition, right) {
            (Condition::Set | Condition::Clear, Source::Reg(right)) => self.asm.test(wide, left, gpr(right)),
            (Condition::Set | Condition::Clear, Source::Imm(mask)) => self.asm.test_imm(wide, left, mask),
            // A test sets the flags as a comparison with 0 does.
            (_, Source::Imm(0)) => self.asm.test(wide, left, left),
            (_, Source::Imm(imm)) => self.asm.group1_imm(Group1::Cmp, wide, left, imm),
            (_, Source::Reg(right)) => self.asm.group1(Group1::Cmp, wide, left, gpr(right)),
        }
        flags
    }

    /// `dst = value` where the comparison holds.
    pub(super) fn select(&mut self, test: Test, dst: Register, value: Source) {
        let value = match value {
            Source::Reg(value) => gpr(value),
            Source::Imm(imm) => {
                self.asm.mov_imm(SCRATCH[0], i64::from(imm).cast_unsigned());
                SCRATCH[0]
            }
        };
        let flags = self.compare(test);
        self.asm.rr(Opcode::two(0x40 | flags as u8), Wide::Yes, gpr(dst), value);
    }

    /// `dst` = 1 where the comparison holds, else 0; `dst` is none of its operands.
    pub(super) fn flag(&mut self, test: Test, dst: Register) {
        self.asm.zero(gpr(dst));
        let flags = self.compare(test);
        self.asm.rr(Opcode::two(0x90 | flags as u8).rex(), Wide::No, 0, gpr(dst));
    }

    /// `dst += left < right`: the comparison borrows where that is so.
    pub(super) fn add_carry(&mut self, width: Width, left: Register, right: Source, dst: Register) {
        match right {
            Source::Reg(right) => self.asm.group1(Group1::Cmp, width.into(), gpr(left), gpr(right)),
            Source::Imm(imm) => self.asm.group1_imm(Group1::Cmp, width.into(), gpr(left), imm),
        }
        self.asm.group1_imm(Group1::Adc, Wide::Yes, gpr(dst), 0);
    }
}
