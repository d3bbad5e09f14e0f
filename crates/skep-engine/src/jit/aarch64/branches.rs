//! Comparisons and jumps.

use skep_isa::Width;

use super::assembler::{Alu, AluImm, Flags, Gpr, Logical, Mem, Reach, When};
use super::immediates::{bitmask, unsigned12};
use super::registers::{SCRATCH, gpr};
use super::{Emitter, Fixup, Landing};
use crate::jit::inst::{Condition, Register, Source, Test};

impl Emitter<'_> {
    /// Jumps, by way of an unconditional branch where the conditional one may not reach.
    pub(super) fn jump(&mut self, when: When, to: Landing) {
        let reach = when.reach();
        if reach == Reach::Always || self.distance(to) <= reach.bytes() {
            let at = self.asm.jump(when) as u32;
            self.fixups.push(Fixup { at, reach, to });
            return;
        }
        let over = self.asm.jump(when.inverted());
        let at = self.asm.jump(When::Always) as u32;
        self.fixups.push(Fixup { at, reach: Reach::Always, to });
        self.asm.land(over, reach);
    }

    /// A call of a function of the program.
    pub(super) fn call_function(&mut self, slot: u32) {
        let at = self.asm.position() as u32;
        self.asm.call();
        self.fixups.push(Fixup { at, reach: Reach::Always, to: Landing::Function(slot) });
    }

    /// How far it is at most from here.
    fn distance(&self, to: Landing) -> u32 {
        let from = self.remaining[self.slot];
        match to {
            Landing::Slot(target) if target as usize <= self.slot => {
                self.asm.position() as u32 - self.offsets[target as usize]
            }
            Landing::Slot(target) => from.saturating_sub(self.remaining[target as usize]),
            Landing::End => from,
            // Those of earlier slots come before.
            Landing::Unaligned(_) => self.remaining[0],
            Landing::Function(_) => u32::MAX,
        }
    }

    /// Compares or tests, unless the jump itself does, and says when the condition holds.
    pub(super) fn compare(&mut self, test: Test) -> When {
        match jump_that_compares(test) {
            Some(when) => when,
            None => When::Flags(self.compare_flags(test)),
        }
    }

    /// Compares or tests and says which flags mean that the condition holds.
    pub(super) fn compare_flags(&mut self, Test { condition, width, left, right }: Test) -> Flags {
        let left = gpr(left);
        match right {
            Source::Reg(right) => self.compare_registers(condition, width, left, gpr(right)),
            Source::Imm(imm) => self.compare_imm(condition, width, left, imm),
        }
        flags(condition)
    }

    fn compare_registers(&mut self, condition: Condition, width: Width, left: Gpr, right: Gpr) {
        let op = if is_test(condition) { Alu::Ands } else { Alu::Subs };
        self.asm.alu(op, width, Gpr::ZERO, left, right);
    }

    fn compare_imm(&mut self, condition: Condition, width: Width, left: Gpr, imm: i32) {
        let value = width.truncate(i64::from(imm).cast_unsigned());
        let encoded = if is_test(condition) { bitmask(width, value) } else { unsigned12(imm.unsigned_abs().into()) };
        match encoded {
            Some(bits) if is_test(condition) => self.asm.logical(Logical::Ands, width, Gpr::ZERO, left, bits),
            // Comparing with a negative number adds its opposite, which sets the same flags unless that is zero.
            Some(bits) => {
                let op = if imm < 0 { AluImm::Adds } else { AluImm::Subs };
                self.asm.alu_imm(op, width, Gpr::ZERO, left, bits);
            }
            None => {
                let [scratch, ..] = SCRATCH;
                self.asm.mov_imm(scratch, value);
                self.compare_registers(condition, width, left, scratch);
            }
        }
    }

    /// `dst = value` where the comparison holds.
    pub(super) fn select(&mut self, test: Test, dst: Register, value: Source) {
        let flags = self.compare_flags(test);
        let dst = gpr(dst);
        match value {
            Source::Reg(value) => self.asm.select(flags, dst, gpr(value), dst),
            Source::Imm(0) => self.asm.select(flags, dst, Gpr::ZERO, dst),
            Source::Imm(1) => self.asm.select_incremented(flags.inverted(), dst, dst, Gpr::ZERO),
            Source::Imm(imm) => {
                let [scratch, ..] = SCRATCH;
                self.asm.mov_imm(scratch, i64::from(imm).cast_unsigned());
                self.asm.select(flags, dst, scratch, dst);
            }
        }
    }

    /// `dst` = 1 where the comparison holds, else 0.
    pub(super) fn flag(&mut self, test: Test, dst: Register) {
        let flags = self.compare_flags(test);
        self.asm.select_incremented(flags.inverted(), gpr(dst), Gpr::ZERO, Gpr::ZERO);
    }

    /// `dst += left < right`
    pub(super) fn add_carry(&mut self, width: Width, left: Register, right: Source, dst: Register) {
        let flags = self.compare_flags(Test { condition: Condition::Lt, width, left, right });
        self.asm.select_incremented(flags.inverted(), gpr(dst), gpr(dst), gpr(dst));
    }

    /// Takes one from the loop budget; what was none is *below* one.
    pub(super) fn take_from_budget(&mut self, target: u32) {
        let [left, ..] = SCRATCH;
        // The budget is the lowest word of the frame.
        let budget = Mem::new(Gpr::SP, 0);
        self.asm.load64(left, budget);
        self.asm.alu_imm(AluImm::Subs, Width::W64, left, left, 1);
        self.jump(When::Flags(Flags::Below), Landing::Slot(target));
        self.asm.store64(budget, left);
    }
}

/// The jump that makes the comparison itself, if there is one: of a register with zero, of a bit.
fn jump_that_compares(Test { condition, width, left, right }: Test) -> Option<When> {
    let (left, Source::Imm(imm)) = (gpr(left), right) else { return None };
    let value = width.truncate(i64::from(imm).cast_unsigned());
    let sign = (width.bits() - 1) as u8;
    let bit = value.trailing_zeros() as u8;
    match (condition, imm) {
        (Condition::Eq, 0) => Some(When::Zero(width, left)),
        (Condition::Ne, 0) => Some(When::NotZero(width, left)),
        (Condition::SLt, 0) | (Condition::SLe, -1) => Some(When::BitSet(left, sign)),
        (Condition::SGe, 0) | (Condition::SGt, -1) => Some(When::BitClear(left, sign)),
        (Condition::Set, _) if value.is_power_of_two() => Some(When::BitSet(left, bit)),
        (Condition::Clear, _) if value.is_power_of_two() => Some(When::BitClear(left, bit)),
        _ => None,
    }
}

fn is_test(condition: Condition) -> bool {
    matches!(condition, Condition::Set | Condition::Clear)
}

fn flags(condition: Condition) -> Flags {
    match condition {
        Condition::Eq | Condition::Clear => Flags::Equal,
        Condition::Ne | Condition::Set => Flags::NotEqual,
        Condition::Gt => Flags::Above,
        Condition::Ge => Flags::AboveOrEqual,
        Condition::Lt => Flags::Below,
        Condition::Le => Flags::BelowOrEqual,
        Condition::SGt => Flags::Greater,
        Condition::SGe => Flags::GreaterOrEqual,
        Condition::SLt => Flags::Less,
        Condition::SLe => Flags::LessOrEqual,
    }
}
