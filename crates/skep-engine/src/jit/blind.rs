//! Constant blinding: numbers that whoever loads a program chose do not stand in its machine code.
//!
//! Otherwise a program could be written so that its numbers, read as instructions from a byte in their middle, do what
//! their author wants, and wait for a jump there. So each number `n` becomes `n ^ key` with a key from chance, and is put
//! together again in a register when it is needed. This is the last pass: it changes operands, and adds *preludes*, which
//! back ends translate before the instruction of their slot.
//!
//! What stays as it is: zero; the six bits of a shift count; the sixteen bits of an address's offset; numbers of helpers
//! and kernel functions, which the verifier has checked to exist. Passes that join numbers to others do not run before
//! this one ([`fold`](super::fold), [`convert`](super::convert)), nor are lookups in arrays done in place, whose sizes
//! were chosen by the loader, too.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use skep_isa::{BinaryOp, PacketOffset, Reg, Width};
use skep_verifier::CallSite;

use super::inst::{Inst, Register, Source, Test};
use crate::direct::{Direct, Linker};

/// Instructions to be translated before that of a slot, ascending by slot.
#[derive(Debug, Default)]
pub(super) struct Preludes(Vec<(u32, Inst)>);

impl Preludes {
    /// Those of a slot, in order.
    pub(super) fn of(&self, slot: usize) -> impl ExactSizeIterator<Item = &Inst> {
        let slot = slot as u32;
        let begin = self.0.partition_point(|(other, _)| *other < slot);
        let len = self.0[begin..].partition_point(|(other, _)| *other == slot);
        self.0[begin..begin + len].iter().map(|(_, inst)| inst)
    }
}

/// Blinds all instructions.
pub(super) fn blind(insts: &mut [Inst]) -> Preludes {
    let mut blinding = Blinding { keys: RandomState::new(), used: 0, slot: 0, preludes: Preludes::default() };
    for (slot, inst) in insts.iter_mut().enumerate() {
        blinding.slot = slot as u32;
        *inst = blinding.inst(*inst);
    }
    blinding.preludes
}

struct Blinding {
    /// Keyed by the system's randomness.
    keys: RandomState,
    used: u64,
    slot: u32,
    preludes: Preludes,
}

impl Blinding {
    fn key(&mut self) -> u64 {
        self.used += 1;
        self.keys.hash_one(self.used)
    }

    /// A key that leaves no byte of the number as it is where that can be avoided: not zero.
    fn short_key(&mut self) -> i32 {
        loop {
            let key = self.key() as i32;
            if key != 0 {
                return key;
            }
        }
    }

    fn before(&mut self, inst: Inst) {
        self.preludes.0.push((self.slot, inst));
    }

    fn inst(&mut self, inst: Inst) -> Inst {
        match inst {
            Inst::Constant { dst, value } => self.constant(dst, value),
            Inst::Binary { op: BinaryOp::Lsh | BinaryOp::Rsh | BinaryOp::Arsh, src: Source::Imm(_), .. } => inst,
            Inst::Binary { op, width, dst, src } => Inst::Binary { op, width, dst, src: self.source(src) },
            Inst::Store { size, address, src } => Inst::Store { size, address, src: self.source(src) },
            Inst::Branch { test, target } => {
                Inst::Branch { test: Test { right: self.source(test.right), ..test }, target }
            }
            Inst::LoadPacket { size, from } => Inst::LoadPacket { size, from: self.packet_offset(from) },
            // No numbers of the loader's, or, of the last four, nothing that is made before this pass.
            Inst::Nop
            | Inst::Move { .. }
            | Inst::Extend { .. }
            | Inst::Negate { .. }
            | Inst::Swap { .. }
            | Inst::Load { .. }
            | Inst::LoadAcquire { .. }
            | Inst::StoreRelease { .. }
            | Inst::Atomic { .. }
            | Inst::Jump { .. }
            | Inst::MayGoto { .. }
            | Inst::Call(_)
            | Inst::Exit
            | Inst::ShiftedMove { .. }
            | Inst::Lea { .. }
            | Inst::Select { .. }
            | Inst::Flag { .. }
            | Inst::AddCarry { .. } => inst,
        }
    }

    /// The last step of making the constant, which is the instruction itself.
    fn constant(&mut self, dst: Register, value: u64) -> Inst {
        if value == 0 {
            return Inst::Constant { dst, value };
        }
        let xor = |width, src| Inst::Binary { op: BinaryOp::Xor, width, dst, src };
        if let Ok(short) = u32::try_from(value) {
            let key = self.short_key();
            self.before(Inst::Constant { dst, value: (short ^ key.cast_unsigned()).into() });
            return xor(Width::W32, Source::Imm(key));
        }
        if i32::try_from(value.cast_signed()).is_ok() {
            let key = self.short_key();
            self.before(Inst::Constant { dst, value: value ^ i64::from(key).cast_unsigned() });
            return xor(Width::W64, Source::Imm(key));
        }
        let key = self.key();
        self.before(Inst::Constant { dst, value: value ^ key });
        self.before(Inst::Constant { dst: Register::BLINDING, value: key });
        xor(Width::W64, Source::Reg(Register::BLINDING))
    }

    /// A number in the register for blinding.
    fn source(&mut self, source: Source) -> Source {
        match source {
            Source::Imm(imm) if imm != 0 => {
                self.put(Register::BLINDING, imm, Width::W64);
                Source::Reg(Register::BLINDING)
            }
            _ => source,
        }
    }

    /// Puts a number, extended by its sign, into a register.
    fn put(&mut self, dst: Register, imm: i32, width: Width) {
        let key = self.short_key();
        let value = width.truncate(i64::from(imm ^ key).cast_unsigned());
        self.before(Inst::Constant { dst, value });
        self.before(Inst::Binary { op: BinaryOp::Xor, width, dst, src: Source::Imm(key) });
    }

    /// The offset comes from one of the registers that a packet load clobbers.
    fn packet_offset(&mut self, from: PacketOffset) -> PacketOffset {
        let (index, offset) = match from {
            PacketOffset::Absolute(offset) => (None, offset),
            PacketOffset::Indirect(index, offset) => (Some(index), offset),
        };
        if offset == 0 {
            return from;
        }
        let free = if index == Some(Reg::R2) { Reg::R3 } else { Reg::R2 };
        let dst = Register::from(free);
        self.put(dst, offset, Width::W32);
        if let Some(index) = index {
            let src = Source::Reg(index.into());
            self.before(Inst::Binary { op: BinaryOp::Add, width: Width::W32, dst, src });
        }
        PacketOffset::Indirect(free, 0)
    }
}

/// A linker that offers nothing in the place of lookups in arrays.
pub(super) struct WithoutArrays<'l>(pub(super) &'l mut dyn Linker);

// SAFETY: the shortcuts are the other's.
unsafe impl Linker for WithoutArrays<'_> {
    fn resolve(&mut self, imm: skep_isa::Imm64) -> Option<u64> {
        self.0.resolve(imm)
    }

    fn direct(&mut self, helper: u32, map: Option<u32>, site: Option<&CallSite>) -> Option<Direct> {
        let direct = self.0.direct(helper, map, site)?;
        (!matches!(direct, Direct::Array { .. } | Direct::PerCpuArray { .. })).then_some(direct)
    }
}

#[cfg(test)]
mod tests {
    use crate::compile_options::CompileOptions;
    use crate::direct::References;
    use crate::executable::Executable;

    fn code(text: &str, blind: bool) -> Vec<u8> {
        let slots = skep_isa::text::assemble(text).expect("the text assembles");
        let executable = Executable::link(&slots, |_| None).expect("it links");
        let options = CompileOptions { blind, ..CompileOptions::default() };
        let compiled = executable.compile_trusted(&slots, &mut References(|_| None), &options).expect("it compiles");
        compiled.machine_code().expect("compiled").bytes().to_vec()
    }

    fn holds(code: &[u8], number: &[u8]) -> bool {
        code.windows(number.len()).any(|window| window == number)
    }

    /// One number in each place that a program can have one.
    const PLACES: [&str; 12] = [
        "r0 = 0x41424344\nexit",
        "w0 = 0x41424344\nexit",
        "r0 = 0x4142434445464748 ll\nexit",
        "r0 = r1\nr0 += 0x41424344\nexit",
        "r0 = r1\nw0 &= 0x41424344\nexit",
        "r0 = r1\nr0 *= 0x41424344\nexit",
        "r0 = r1\nr0 /= 0x41424344\nexit",
        "r0 = r1\nw0 s%= 0x41424344\nexit",
        "*(u32 *)(r1 + 0) = 0x41424344\nr0 = 0\nexit",
        "*(u64 *)(r10 - 8) = 0x41424344\nr0 = *(u64 *)(r10 - 8)\nexit",
        "r0 = 0\nif r1 > 0x41424344 goto +1\nr0 = 1\nexit",
        "r0 = 0\nif w1 & 0x41424344 goto +1\nr0 = 1\nexit",
    ];

    #[test]
    fn no_number_of_the_program_stands_in_its_code() {
        let numbers: [&[u8]; 3] = [&[0x44, 0x43, 0x42, 0x41], &[0x48, 0x47, 0x46, 0x45], &[0x41, 0x42, 0x43, 0x44]];
        let shows = |code: &[u8]| numbers.iter().any(|number| holds(code, number));
        // A blinded number is one in 2^32 to look like another, and there are several: not twice.
        let hides = |text: &str| !shows(&code(text, true)) || !shows(&code(text, true));
        for text in PLACES {
            assert!(hides(text), "{text}");
        }
        // The test can tell: most of them stand there otherwise. Divisions do not.
        assert!(PLACES.iter().filter(|text| shows(&code(text, false))).count() >= 8);
    }

    #[test]
    fn keys_differ_each_time() {
        assert_ne!(code(PLACES[0], true), code(PLACES[0], true));
        assert_eq!(code(PLACES[0], false), code(PLACES[0], false));
    }
}
