//! What the machine does in one instruction where the program needs two: comparisons with memory, sums with their carry.

use skep_isa::{Size, Width};

use super::Emitter;
use super::assembler::{Flags, Group1, Opcode, Wide};
use super::registers::{gpr, mem};
use crate::jit::inst::{Address, Condition, Extension, Index, Inst, Register, Source, Test};

impl Emitter<'_> {
    /// A sum whose carry is added next: the addition itself leaves it in the flags.
    pub(super) fn add_with_carry(&mut self, dst: Register, address: Address) -> bool {
        let Address { base, index: Some(Index { register, shift: 0 }), offset: 0 } = address else { return false };
        let Some((_, Inst::AddCarry { .. })) = self.program.next_inst(self.slot) else { return false };
        let added = if dst == register { base } else { register };
        if dst != base && dst != register {
            self.asm.mov(Wide::Yes, gpr(dst), gpr(base));
        }
        self.asm.group1(Group1::Add, Wide::Yes, gpr(dst), gpr(added));
        if !self.carry_of(dst, added) && dst != base {
            self.carry_of(dst, base);
        }
        true
    }

    /// `sum` was just computed by adding `added` to something: a comparison of the two that only tells whether that was too
    /// much is done with. Says whether there is one.
    pub(super) fn carry_of(&mut self, sum: Register, added: Register) -> bool {
        let Some((next, Inst::AddCarry { width: Width::W64, left, right, dst })) = self.program.next_inst(self.slot)
        else {
            return false;
        };
        let fits = left == sum && right == Source::Reg(added) && added != sum;
        if fits {
            self.asm.group1_imm(Group1::Adc, Wide::Yes, gpr(dst), 0);
            self.done = next;
        }
        fits
    }

    /// A load whose result is compared at once and not needed any more: the comparison reads the memory itself. That
    /// branch is then done with, but for its jump.
    pub(super) fn compare_with_memory(
        &mut self,
        size: Size,
        extension: Extension,
        loaded: Register,
        address: Address,
    ) -> Option<(Flags, u32)> {
        let (next, test, target) = self.program.next_branch(self.slot).filter(|_| extension == Extension::Zero)?;
        if self.program.liveness.after(next).contains(loaded) {
            return None;
        }
        let flags = match test.right {
            Source::Imm(imm) if test.left == loaded => self.compare_memory_with_imm(size, test, address, imm)?,
            Source::Reg(right) if right == loaded && test.left != loaded => {
                self.compare_register_with_memory(size, test, address)?
            }
            _ => return None,
        };
        self.done = next;
        Some((flags, target))
    }

    fn compare_memory_with_imm(&mut self, size: Size, test: Test, address: Address, imm: i32) -> Option<Flags> {
        let place = mem(address);
        let tests = matches!(test.condition, Condition::Set | Condition::Clear);
        let flags = flags(test.condition);
        match (size, test.width) {
            // Both sides are numbers of eight bits: signed or not makes no difference.
            (Size::Byte, _) if (0..=0xff).contains(&imm) => {
                let opcode = Opcode::one(if tests { 0xf6 } else { 0x80 });
                self.asm.rm(opcode, Wide::No, if tests { 0 } else { Group1::Cmp as u8 }, place);
                self.asm.byte(imm as u8);
                Some(unsigned(flags))
            }
            (Size::Word, Width::W32) | (Size::Double, Width::W64) => {
                let wide = test.width.into();
                if tests {
                    self.asm.rm(Opcode::one(0xf7), wide, 0, place);
                    self.asm.imm32(imm);
                } else {
                    self.asm.group1_memory_imm(Group1::Cmp, wide, place, imm);
                }
                Some(flags)
            }
            _ => None,
        }
    }

    fn compare_register_with_memory(&mut self, size: Size, test: Test, address: Address) -> Option<Flags> {
        let fits = matches!((size, test.width), (Size::Word, Width::W32) | (Size::Double, Width::W64));
        if !fits || matches!(test.condition, Condition::Set | Condition::Clear) {
            return None;
        }
        self.asm.rm(Opcode::one(0x3b), test.width.into(), gpr(test.left), mem(address));
        Some(flags(test.condition))
    }
}

/// The flags that mean that a condition holds.
pub(super) const fn flags(condition: Condition) -> Flags {
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

/// The same comparison of numbers without a sign.
const fn unsigned(flags: Flags) -> Flags {
    match flags {
        Flags::Greater => Flags::Above,
        Flags::GreaterOrEqual => Flags::AboveOrEqual,
        Flags::Less => Flags::Below,
        Flags::LessOrEqual => Flags::BelowOrEqual,
        other => other,
    }
}
