//! Memory and stack.

use super::{BASE, Generator, SHARED, alu, mov};
use crate::choices::Choices;
use skep_isa::{AtomicOp, BinaryOp, Insn, Operand, Reg, Size, SwapKind, Width};

/// Bytes of the stack that programs use, so few that accesses overlap.
const STACK: u32 = 40;

const ATOMICS: [AtomicOp; 10] = [
    AtomicOp::Add { fetch: false },
    AtomicOp::Or { fetch: false },
    AtomicOp::And { fetch: false },
    AtomicOp::Xor { fetch: false },
    AtomicOp::Add { fetch: true },
    AtomicOp::Or { fetch: true },
    AtomicOp::And { fetch: true },
    AtomicOp::Xor { fetch: true },
    AtomicOp::Xchg,
    AtomicOp::Cmpxchg,
];

impl<C: Choices> Generator<'_, C> {
    /// Base and offset of an access that is in bounds.
    fn place(&mut self, size: Size) -> (Reg, i16) {
        let bytes = u32::from(size.bytes());
        let aligned = |offset: u32, often: bool| if often { offset / bytes * bytes } else { offset };
        let often = !self.choices.once_in(4);
        if self.choices.once_in(2) {
            let below = aligned(self.choices.below(STACK - bytes + 1), often);
            (Reg::R10, (below as i16) - STACK as i16)
        } else {
            (BASE, aligned(self.choices.below(SHARED - bytes + 1), often) as i16)
        }
    }

    /// Any load or store.
    pub(super) fn access(&mut self) {
        let size = self.size();
        let (base, offset) = self.place(size);
        let insn = if self.choices.once_in(2) {
            let signed = size != Size::Double && self.choices.once_in(3);
            Insn::Load { size, signed, dst: self.target(), base, offset }
        } else {
            Insn::Store { size, base, offset, src: self.operand() }
        };
        push!(self, insn);
    }

    /// Spills and fills, near each other, some of them through a copy of the frame pointer.
    pub(super) fn stack(&mut self) {
        for _ in 0..2 + self.choices.below(5) {
            let size = self.size();
            let below = self.choices.below(16) as i16 / i16::from(size.bytes()) * i16::from(size.bytes());
            let offset = below - 16 - if self.choices.once_in(8) { 3 } else { 0 };
            match self.choices.below(5) {
                0 | 1 => push!(self, Insn::Store { size, base: Reg::R10, offset, src: self.operand() }),
                2 | 3 => {
                    let signed = size != Size::Double && self.choices.once_in(4);
                    push!(self, Insn::Load { size, signed, dst: self.target(), base: Reg::R10, offset })
                }
                _ => self.through_a_copy(size, offset),
            };
        }
    }

    /// The copy goes afterwards: what depends on where the stack is would differ from run to run.
    fn through_a_copy(&mut self, size: Size, offset: i16) -> usize {
        let copy = self.target();
        push!(self, mov(Width::W64, copy, Operand::Reg(Reg::R10)));
        let add = self.choices.one_of(&[0, -8, -16, 24]);
        if add != 0 || self.choices.once_in(2) {
            push!(self, alu(BinaryOp::Add, Width::W64, copy, Operand::Imm(add)));
        }
        let offset = offset - add as i16;
        let src = self.operand();
        // The copy is no number.
        let src = if src == Operand::Reg(copy) { Operand::Imm(5) } else { src };
        push!(self, Insn::Store { size, base: copy, offset, src });
        if self.choices.once_in(2) {
            push!(self, Insn::Load { size, signed: false, dst: copy, base: copy, offset })
        } else {
            push!(self, mov(Width::W64, copy, Operand::Imm(offset.into())))
        }
    }

    /// A number put together from its bytes, in one of both orders or almost, with something in between now and then.
    pub(super) fn bytes(&mut self) {
        let count = self.choices.one_of(&[2_u32, 2, 4, 4, 8, 3]);
        let unit = if count > 2 && self.choices.once_in(3) { Size::Half } else { Size::Byte };
        let parts = count / u32::from(unit.bytes());
        let big = self.choices.once_in(2);
        let width = if count == 8 || self.choices.once_in(2) { Width::W64 } else { Width::W32 };
        let (base, start) = self.place(Size::Double);
        let all = self.target();
        let part = self.target_beside(all);
        let backwards = self.choices.once_in(2);
        for step in 0..parts {
            let at = if backwards { parts - 1 - step } else { step };
            let weight = if big { parts - 1 - at } else { at };
            let weight = if self.choices.once_in(24) { weight ^ 1 } else { weight };
            let dst = if step == 0 { all } else { part };
            let offset = start + (at * u32::from(unit.bytes())) as i16;
            let signed = self.choices.once_in(24);
            push!(self, Insn::Load { size: unit, signed, dst, base, offset });
            if big && unit == Size::Half && !self.choices.once_in(4) {
                push!(self, Insn::Swap { kind: SwapKind::ToBig, size: Size::Half, dst });
            }
            if self.choices.once_in(24) {
                self.access();
            }
            let by = ((weight * u32::from(unit.bits())) & (width.bits() - 1)) as i32;
            if by != 0 || self.choices.once_in(8) {
                push!(self, alu(BinaryOp::Lsh, width, dst, Operand::Imm(by)));
            }
            if step > 0 {
                let or = self.choices.one_of(&[BinaryOp::Or, BinaryOp::Or, BinaryOp::Or, BinaryOp::Add]);
                push!(self, alu(or, width, all, Operand::Reg(part)));
            }
        }
        if self.choices.once_in(3) {
            let size = self.choices.one_of(&[Size::Half, Size::Word, Size::Double]);
            push!(self, Insn::Swap { kind: SwapKind::ToBig, size, dst: all });
        }
    }

    /// An access with an index of known bounds.
    pub(super) fn indexed(&mut self) {
        let index = self.target();
        let address = self.target_beside(index);
        let src = self.number();
        push!(self, mov(self.width_of_copy(), index, Operand::Reg(src)));
        push!(self, alu(BinaryOp::And, Width::W64, index, Operand::Imm(7)));
        let shift = self.choices.below(4) as i32;
        let size = self.size();
        let offset = self.choices.below(SHARED - 7 * 8 - 8) as i32;
        let stack = self.choices.once_in(4);
        let (base, offset) = if stack { (Reg::R10, -64) } else { (BASE, offset) };
        if self.choices.once_in(2) {
            // The index is scaled in a copy of it.
            push!(self, mov(Width::W64, address, Operand::Reg(index)));
            push!(self, alu(BinaryOp::Lsh, Width::W64, address, Operand::Imm(shift)));
            if self.choices.once_in(4) {
                push!(self, alu(BinaryOp::Add, Width::W64, index, Operand::Imm(1)));
            }
            push!(self, alu(BinaryOp::Add, Width::W64, address, Operand::Reg(base)));
        } else {
            push!(self, mov(Width::W64, address, Operand::Reg(base)));
            push!(self, alu(BinaryOp::Lsh, Width::W64, index, Operand::Imm(shift)));
            if self.choices.once_in(3) {
                push!(self, alu(BinaryOp::Add, Width::W64, address, Operand::Imm(8)));
                push!(self, alu(BinaryOp::Sub, Width::W64, address, Operand::Imm(8)));
            }
            push!(self, alu(BinaryOp::Add, Width::W64, address, Operand::Reg(index)));
        }
        let offset = offset as i16;
        if self.choices.once_in(2) {
            push!(self, Insn::Store { size, base: address, offset, src: Operand::Reg(index) });
        }
        let dst = if self.choices.once_in(2) { address } else { self.target_beside(address) };
        push!(self, Insn::Load { size, signed: false, dst, base: address, offset });
        if stack && dst != address {
            push!(self, mov(Width::W64, address, Operand::Imm(0)));
        }
    }

    fn width_of_copy(&mut self) -> Width {
        if self.choices.once_in(4) { Width::W32 } else { Width::W64 }
    }

    /// `x = memory; if x == … goto …`, where x is needed afterwards or not.
    pub(super) fn compare_with_memory(&mut self) {
        let size = self.size();
        let (base, offset) = self.place(size);
        let dst = self.target();
        let signed = size != Size::Double && self.choices.once_in(8);
        push!(self, Insn::Load { size, signed, dst, base, offset });
        let test = match self.test() {
            Insn::JumpIf { condition, width, src, offset, .. } if self.choices.once_in(2) => {
                Insn::JumpIf { condition, width, dst, src, offset }
            }
            Insn::JumpIf { condition, width, dst: left, offset, .. } => {
                Insn::JumpIf { condition, width, dst: left, src: Operand::Reg(dst), offset }
            }
            other => other,
        };
        let jump = push!(self, test);
        if !self.choices.once_in(4) {
            let value = self.value();
            self.constant(dst, value);
        }
        let join = push!(self, Insn::Jump { offset: 0, long: false });
        self.land(jump);
        if !self.choices.once_in(4) {
            let value = self.value();
            self.constant(dst, value);
        }
        self.operation();
        self.land(join);
    }

    /// Atomic operations of all kinds.
    pub(super) fn atomic(&mut self) {
        let op = self.choices.one_of(&ATOMICS);
        let src = self.target();
        if op == AtomicOp::Cmpxchg && self.kept.contains(&Reg::R0) {
            return;
        }
        let size = self.choices.one_of(&[Size::Word, Size::Double]);
        let (base, offset) = self.place(size);
        if op == AtomicOp::Cmpxchg && self.choices.once_in(2) {
            // So that it does exchange.
            let signed = size == Size::Word && self.choices.once_in(2);
            push!(self, Insn::Load { size, signed, dst: Reg::R0, base, offset });
        }
        push!(self, Insn::Atomic { op, size, base, offset, src });
    }

    /// Loads and stores with an order.
    pub(super) fn ordered(&mut self) {
        let size = self.size();
        let (base, offset) = self.place(size);
        let insn = if self.choices.once_in(2) {
            Insn::LoadAcquire { size, dst: self.target(), base, offset }
        } else {
            Insn::StoreRelease { size, base, offset, src: self.number() }
        };
        push!(self, insn);
    }
}
