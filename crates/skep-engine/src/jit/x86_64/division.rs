//! Division. Dividing by zero gives 0, and the remainder is then the dividend; the lowest number divided by -1 stays.
//!
//! The machine divides rdx:rax, which are r3 and r0; what they hold is kept in scratch registers where it is needed.
//! Unsigned division by a number that is known multiplies instead (Granlund and Montgomery, PLDI 1994).

use skep_isa::{BinaryOp, Width};

use super::Emitter;
use super::assembler::{Flags, Gpr, Group1, Opcode, Wide};
use super::registers::{SCRATCH, gpr};
use crate::jit::inst::{Register, Registers, Source};
use crate::jit::magic::Magic;

impl Emitter<'_> {
    pub(super) fn divide(&mut self, op: BinaryOp, width: Width, dst: Register, src: Source, live: Registers) {
        match (op, src) {
            (BinaryOp::Div | BinaryOp::Mod, Source::Imm(imm)) => {
                self.divide_by_known(op, width, dst, width.truncate(i64::from(imm).cast_unsigned()), live);
            }
            _ => self.divide_by_register(op, width, dst, src, live),
        }
    }

    fn divide_by_known(&mut self, op: BinaryOp, width: Width, dst: Register, by: u64, live: Registers) {
        let wide = width.into();
        match (op, by) {
            (BinaryOp::Div, 0) | (BinaryOp::Mod, 1) => self.asm.zero(gpr(dst)),
            // The number itself; 32-bit results clear the upper half.
            (_, 0 | 1) if width == Width::W64 => {}
            (_, 0 | 1) => self.asm.mov(Wide::No, gpr(dst), gpr(dst)),
            (BinaryOp::Div, _) if by.is_power_of_two() => {
                self.shift_imm(5, wide, gpr(dst), by.trailing_zeros() as u8);
            }
            (BinaryOp::Mod, _) if by.is_power_of_two() => match i32::try_from(by - 1) {
                Ok(mask) => self.asm.group1_imm(Group1::And, Wide::No, gpr(dst), mask),
                Err(_) => {
                    self.asm.mov_imm(SCRATCH[0], by - 1);
                    self.asm.group1(Group1::And, wide, gpr(dst), SCRATCH[0]);
                }
            },
            _ if width == Width::W32 => self.multiply_instead_32(op, dst, by),
            _ if self.features.bmi2 => self.multiply_instead_64(op, dst, by, live),
            _ => {
                self.asm.mov_imm(SCRATCH[0], by);
                self.divide_machine(op, width, dst, SCRATCH[0], live);
            }
        }
    }

    fn multiply_instead_32(&mut self, op: BinaryOp, dst: Register, by: u64) {
        let magic = Magic::new(by, 32);
        let [quotient, other, _] = SCRATCH;
        let dividend = gpr(dst);
        self.asm.mov(Wide::No, quotient, dividend);
        self.asm.mov_imm(other, magic.factor as u64);
        self.asm.rr(Opcode::two(0xaf), Wide::Yes, other, quotient);
        self.shift_imm(5, Wide::Yes, other, 32);
        if magic.adds {
            self.add_half(Wide::No, quotient, other, magic.shift - 1);
        } else {
            self.asm.mov(Wide::No, quotient, other);
            self.shift_imm(5, Wide::Yes, quotient, magic.shift);
        }
        self.take_result(op, Wide::No, dividend, quotient, by);
    }

    fn multiply_instead_64(&mut self, op: BinaryOp, dst: Register, by: u64, live: Registers) {
        let magic = Magic::new(by, 64);
        let [quotient, other, saved] = SCRATCH;
        let dividend = gpr(dst);
        let saves = dividend != Gpr::RDX && live.contains(Register::R3);
        if saves {
            self.asm.mov(Wide::Yes, saved, Gpr::RDX);
        }
        if dividend != Gpr::RDX {
            self.asm.mov(Wide::Yes, Gpr::RDX, dividend);
        }
        self.asm.mov_imm(other, magic.factor as u64);
        self.asm.multiply_high(other, other);
        if saves {
            self.asm.mov(Wide::Yes, Gpr::RDX, saved);
        }
        self.asm.mov(Wide::Yes, quotient, if magic.adds { dividend } else { other });
        if magic.adds {
            self.add_half(Wide::Yes, quotient, other, magic.shift - 1);
        } else {
            self.shift_imm(5, Wide::Yes, quotient, magic.shift);
        }
        if by > u64::from(i32::MAX.cast_unsigned()) && op == BinaryOp::Mod {
            self.asm.mov_imm(other, by);
            self.asm.rr(Opcode::two(0xaf), Wide::Yes, quotient, other);
            self.asm.group1(Group1::Sub, Wide::Yes, dividend, quotient);
        } else {
            self.take_result(op, Wide::Yes, dividend, quotient, by);
        }
    }

    /// `dividend` (a copy) becomes `((dividend - high) / 2 + high) >> shift`: the quotient of a factor that is one bit too
    /// long.
    fn add_half(&mut self, wide: Wide, dividend: Gpr, high: Gpr, shift: u8) {
        self.asm.group1(Group1::Sub, wide, dividend, high);
        self.shift_imm(5, wide, dividend, 1);
        self.asm.group1(Group1::Add, wide, dividend, high);
        self.shift_imm(5, wide, dividend, shift);
    }

    /// Quotient or remainder into the register of the dividend; `by` fits an immediate, or is taken modulo 2^32.
    fn take_result(&mut self, op: BinaryOp, wide: Wide, dividend: Gpr, quotient: Gpr, by: u64) {
        if op == BinaryOp::Div {
            self.asm.mov(wide, dividend, quotient);
        } else {
            self.multiply_imm(wide, quotient, quotient, by as u32 as i32);
            self.asm.group1(Group1::Sub, wide, dividend, quotient);
        }
    }

    fn divide_by_register(&mut self, op: BinaryOp, width: Width, dst: Register, src: Source, live: Registers) {
        let wide: Wide = width.into();
        let divisor = match src {
            Source::Imm(imm) => {
                self.asm.mov_imm(SCRATCH[0], width.truncate(i64::from(imm).cast_unsigned()));
                SCRATCH[0]
            }
            Source::Reg(register) if matches!(gpr(register), Gpr::RAX | Gpr::RDX) => {
                self.asm.mov(wide, SCRATCH[0], gpr(register));
                SCRATCH[0]
            }
            Source::Reg(register) => gpr(register),
        };
        let keeps = |op| matches!(op, BinaryOp::Mod | BinaryOp::SMod);
        self.asm.test(wide, divisor, divisor);
        let zero = self.asm.short_jump(Some(Flags::Equal));
        let minus_one = matches!(op, BinaryOp::SDiv | BinaryOp::SMod).then(|| {
            self.asm.group1_imm(Group1::Cmp, wide, divisor, -1);
            self.asm.short_jump(Some(Flags::Equal))
        });
        self.divide_machine(op, width, dst, divisor, live);
        let done = self.asm.short_jump(None);
        let done_too = minus_one.map(|jump| {
            self.asm.land(jump);
            if keeps(op) {
                self.asm.zero(gpr(dst));
            } else {
                self.negate(width, dst);
            }
            self.asm.short_jump(None)
        });
        self.asm.land(zero);
        if !keeps(op) {
            self.asm.zero(gpr(dst));
        } else if wide == Wide::No {
            self.asm.mov(wide, gpr(dst), gpr(dst));
        }
        self.asm.land(done);
        if let Some(jump) = done_too {
            self.asm.land(jump);
        }
    }

    /// The machine's own division, by a register that is neither rax nor rdx nor zero.
    fn divide_machine(&mut self, op: BinaryOp, width: Width, dst: Register, divisor: Gpr, live: Registers) {
        let wide: Wide = width.into();
        let [_, saved_rax, saved_rdx] = SCRATCH;
        let dst = gpr(dst);
        let saves_rax = dst != Gpr::RAX && live.contains(Register::R0);
        let saves_rdx = dst != Gpr::RDX && live.contains(Register::R3);
        if saves_rax {
            self.asm.mov(Wide::Yes, saved_rax, Gpr::RAX);
        }
        if saves_rdx {
            self.asm.mov(Wide::Yes, saved_rdx, Gpr::RDX);
        }
        if dst != Gpr::RAX {
            self.asm.mov(wide, Gpr::RAX, dst);
        }
        let (extension, result) = match op {
            BinaryOp::SDiv => (7, Gpr::RAX),
            BinaryOp::SMod => (7, Gpr::RDX),
            BinaryOp::Mod => (6, Gpr::RDX),
            _ => (6, Gpr::RAX),
        };
        if extension == 7 {
            self.asm.sign_into_rdx(wide);
        } else {
            self.asm.zero(Gpr::RDX);
        }
        self.asm.rr(Opcode::one(0xf7), wide, extension, divisor);
        if dst != result {
            self.asm.mov(wide, dst, result);
        }
        if saves_rax {
            self.asm.mov(Wide::Yes, Gpr::RAX, saved_rax);
        }
        if saves_rdx {
            self.asm.mov(Wide::Yes, Gpr::RDX, saved_rdx);
        }
    }
}
