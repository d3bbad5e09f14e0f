//! Random instruction sequences for the passes of the compiler, below the verifier: what the passes look for, over and
//! over, with all that may come between.
//!
//! No access faults and every loop ends, by construction. Registers: r0 to r8 hold numbers, r9 the memory's address in
//! every function. The memory has [`MEMORY`] bytes; programs use the first half of it freely, and the second for what
//! registers hold at the end. No number depends on where the stack is.

/// Adds an instruction whose parts are chosen on the way; gives its place.
macro_rules! push {
    ($generator:expr, $insn:expr) => {{
        let insn = $insn;
        $generator.push(insn)
    }};
}

mod arithmetic;
mod control;
mod memory;

use crate::choices::{Choices, interesting};
use skep_isa::{BinaryOp, CallTarget, Condition, Imm64, Insn, Operand, Reg, Size, Slot, Width, encode_program};

/// Bytes of memory that a program is run with.
pub const MEMORY: usize = 256;

/// Bytes of it that programs read and write at random.
const SHARED: u32 = 128;
/// Holds the memory's address.
const BASE: Reg = Reg::R9;
/// Registers that hold numbers: r0 to r8.
const NUMBERS: u8 = 9;
/// Functions beside the main one.
const MOST_FUNCTIONS: usize = 3;

const SIZES: [Size; 4] = [Size::Byte, Size::Half, Size::Word, Size::Double];
const OPS: [BinaryOp; 14] = [
    BinaryOp::Add,
    BinaryOp::Sub,
    BinaryOp::Mul,
    BinaryOp::Div,
    BinaryOp::SDiv,
    BinaryOp::Mod,
    BinaryOp::SMod,
    BinaryOp::Or,
    BinaryOp::And,
    BinaryOp::Xor,
    BinaryOp::Lsh,
    BinaryOp::Rsh,
    BinaryOp::Arsh,
    BinaryOp::Mov,
];
const CONDITIONS: [Condition; 11] = [
    Condition::Eq,
    Condition::Ne,
    Condition::Set,
    Condition::Gt,
    Condition::Ge,
    Condition::Lt,
    Condition::Le,
    Condition::SGt,
    Condition::SGe,
    Condition::SLt,
    Condition::SLe,
];

/// A random program, for [`skep_engine::conformance::run`] over [`MEMORY`] bytes.
pub fn sequence(choices: &mut impl Choices) -> Vec<Slot> {
    let mut generator =
        Generator { choices, insns: Vec::new(), kept: Vec::new(), calls: Vec::new(), functions: 0, loops: 0, room: 0 };
    generator.program();
    generator.finish()
}

struct Generator<'c, C> {
    choices: &'c mut C,
    insns: Vec<Insn>,
    /// Registers that nothing may write now: counters of loops.
    kept: Vec<Reg>,
    /// Calls, with the number of the function.
    calls: Vec<(usize, usize)>,
    /// How many functions are called so far.
    functions: usize,
    /// Depth of loops.
    loops: u32,
    /// How many more pieces there may be.
    room: u32,
}

impl<C: Choices> Generator<'_, C> {
    fn program(&mut self) {
        self.room = 4 + self.choices.below(28);
        push!(self, mov(Width::W64, BASE, Operand::Reg(Reg::R1)));
        for number in 0..NUMBERS {
            let value = self.value();
            self.constant(reg(number), value);
        }
        self.pieces();
        self.show();
        push!(self, Insn::Exit);
    }

    /// The functions that are called, behind what calls them, then the targets of the calls.
    fn finish(mut self) -> Vec<Slot> {
        let mut starts = Vec::new();
        while starts.len() < self.functions {
            starts.push(self.insns.len());
            self.function();
        }
        for (at, function) in std::mem::take(&mut self.calls) {
            self.lead(at, starts[function]);
        }
        encode_program(&self.insns)
    }

    /// What registers hold is written to the second half of the memory, or some of it.
    fn show(&mut self) {
        let shown = if self.choices.once_in(2) { u32::MAX } else { self.choices.below(1 << NUMBERS) };
        for number in (0..NUMBERS).filter(|number| shown & 1 << number != 0) {
            let offset = (SHARED + 8 * u32::from(number)) as i16;
            push!(self, Insn::Store { size: Size::Double, base: BASE, offset, src: Operand::Reg(reg(number)) });
        }
    }

    fn function(&mut self) {
        self.room = 1 + self.choices.below(10);
        push!(self, mov(Width::W64, BASE, Operand::Reg(Reg::R1)));
        // Some registers are written before they are read; r6 to r9 must come back as they were, others read as zero.
        for number in 0..NUMBERS {
            if self.choices.once_in(2) {
                let value = self.value();
                self.constant(reg(number), value);
            }
        }
        // What r1 was is a number like any other, and so is what other arguments are.
        self.pieces();
        if self.choices.once_in(3) {
            self.show();
        }
        push!(self, Insn::Exit);
    }

    fn pieces(&mut self) {
        while self.room > 0 {
            self.room -= 1;
            self.piece();
        }
    }

    fn piece(&mut self) {
        match self.choices.below(26) {
            0 | 1 => self.operation(),
            2 | 3 => self.move_chain(),
            4 => self.shifts(),
            5 => self.mask_and_test(),
            6 => self.sums(),
            7 => self.carry(),
            8 => self.division(),
            9 => self.conversion(),
            10 | 11 => self.diamond(),
            12 => self.branch(),
            13 => self.loops(),
            14 => self.call(),
            15 => self.leave(),
            16 | 17 => self.bytes(),
            18 => self.indexed(),
            19 | 20 => self.stack(),
            21 => self.access(),
            22 => self.compare_with_memory(),
            23 => self.atomic(),
            24 => self.ordered(),
            _ => self.unwind(),
        }
    }

    fn push(&mut self, insn: Insn) -> usize {
        self.insns.push(insn);
        self.insns.len() - 1
    }

    /// A jump or call leads to another instruction.
    fn lead(&mut self, at: usize, to: usize) {
        let slots = |range: &[Insn]| range.iter().map(Insn::slots).sum::<usize>() as i32;
        let offset = if to > at { slots(&self.insns[at + 1..to]) } else { -slots(&self.insns[to..=at]) };
        if let Some(insn) = self.insns[at].with_target(offset) {
            self.insns[at] = insn;
        }
    }

    /// A jump leads behind the last instruction.
    fn land(&mut self, at: usize) {
        self.lead(at, self.insns.len());
    }

    fn width(&mut self) -> Width {
        if self.choices.once_in(2) { Width::W32 } else { Width::W64 }
    }

    fn size(&mut self) -> Size {
        self.choices.one_of(&SIZES)
    }

    /// A register to be read.
    fn number(&mut self) -> Reg {
        reg(self.choices.below(NUMBERS.into()) as u8)
    }

    /// A register to be written.
    fn target(&mut self) -> Reg {
        let first = self.choices.below(NUMBERS.into()) as u8;
        let free = |number: &u8| !self.kept.contains(&reg(*number));
        (first..NUMBERS).chain(0..first).find(free).map_or(Reg::R0, reg)
    }

    /// One that is not `other`.
    fn target_beside(&mut self, other: Reg) -> Reg {
        self.kept.push(other);
        let target = self.target();
        self.kept.pop();
        target
    }

    /// A number near a border, or small.
    fn value(&mut self) -> u64 {
        if self.choices.once_in(3) { self.choices.below(4).into() } else { interesting(self.choices) }
    }

    fn immediate(&mut self) -> i32 {
        match self.choices.below(4) {
            0 => self.choices.below(3) as i32 - 1,
            1 => self.choices.one_of(&[0xff, 0xffff, 0xff00, 0x7f, 0x80, -128, 127, 128, i32::MIN, i32::MAX, 3, 7, 10]),
            _ => interesting(self.choices) as i32,
        }
    }

    fn operand(&mut self) -> Operand {
        if self.choices.once_in(2) { Operand::Reg(self.number()) } else { Operand::Imm(self.immediate()) }
    }

    /// `dst = value`, in one of the forms that can hold it.
    fn constant(&mut self, dst: Reg, value: u64) {
        let insn = match (i32::try_from(value.cast_signed()), u32::try_from(value)) {
            (Ok(imm), _) => mov(Width::W64, dst, Operand::Imm(imm)),
            (_, Ok(imm)) => mov(Width::W32, dst, Operand::Imm(imm.cast_signed())),
            _ => Insn::LoadImm64 { dst, imm: Imm64::Value(value) },
        };
        push!(self, insn);
    }

    fn test(&mut self) -> Insn {
        let (dst, src) = (self.number(), self.operand());
        Insn::JumpIf { condition: self.choices.one_of(&CONDITIONS), width: self.width(), dst, src, offset: 0 }
    }

    /// Helper 5 gives its argument back, and ends the program if that is zero.
    fn unwind(&mut self) {
        if self.kept.contains(&Reg::R0) || self.kept.contains(&Reg::R1) {
            return;
        }
        let value = if self.choices.once_in(8) { self.value() } else { 1 + self.value() / 2 };
        self.constant(Reg::R1, value);
        push!(self, Insn::Call(CallTarget::Helper(5)));
    }
}

const fn reg(number: u8) -> Reg {
    match Reg::new(number) {
        Some(reg) => reg,
        None => Reg::R0,
    }
}

const fn mov(width: Width, dst: Reg, src: Operand) -> Insn {
    alu(BinaryOp::Mov, width, dst, src)
}

const fn alu(op: BinaryOp, width: Width, dst: Reg, src: Operand) -> Insn {
    Insn::Alu { op, width, dst, src }
}
