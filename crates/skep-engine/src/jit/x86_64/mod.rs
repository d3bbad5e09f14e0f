//! The back end for x86-64.

mod arithmetic;
mod assembler;
mod calls;
mod division;
mod frame;
mod fuse;
mod memory;
mod registers;
mod stubs;

use std::collections::BTreeMap;

use assembler::{Assembler, Flags, Wide};
use frame::Frame;
use registers::gpr;
pub(super) use stubs::build as build_stubs;

use skep_isa::{BinaryOp, Width};

use super::inst::{Condition, Extension, Inst, Registers, Source, Test};
use super::select::Leader;
use super::{Emitted, Program, Stubs};

/// Most bytes of code: how far a jump reaches.
pub(super) const MAX_CODE: usize = i32::MAX as usize;

/// What the processor can do.
#[derive(Clone, Copy, Debug)]
struct Features {
    bmi2: bool,
    movbe: bool,
}

impl Features {
    /// What all have.
    const BASELINE: Features = Features { bmi2: false, movbe: false };

    fn of_host() -> Features {
        Features {
            bmi2: std::arch::is_x86_feature_detected!("bmi2"),
            movbe: std::arch::is_x86_feature_detected!("movbe"),
        }
    }
}

/// Where a jump leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Landing {
    /// To an instruction of the program.
    Slot(u32),
    /// To the beginning of a function.
    Function(u32),
    /// To where the run is ended.
    End,
}

/// A displacement to be filled in.
#[derive(Clone, Copy, Debug)]
struct Fixup {
    /// Where; the jump is relative to its end.
    at: u32,
    len: u8,
    to: Landing,
}

/// Which form forward jumps have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Jumps {
    /// The short one if [`longest`] says that it reaches.
    ShortWhereBoundsSay,
    Long,
}

/// A program becoming machine code.
struct Emitter<'p> {
    jumps: Jumps,
    asm: Assembler,
    program: &'p Program,
    stubs: &'p Stubs,
    features: Features,
    frame: Frame,
    /// The slot being translated.
    slot: usize,
    /// A slot that was translated with one before it.
    done: usize,
    /// About how many bytes each loop has, by its first slot.
    loop_bytes: BTreeMap<u32, u32>,
    /// By slot: where its code begins.
    offsets: Vec<u32>,
    /// By function: where it is entered.
    entries: Vec<u32>,
    fixups: Vec<Fixup>,
}

/// Most bytes that an instruction of the program takes, loops' alignment included: how far a jump is before its target
/// is reached.
fn longest(inst: &Inst, leader: Leader) -> u32 {
    let alignment = if leader == Leader::Loop { LINE as u32 } else { 0 };
    alignment
        + match inst {
            Inst::Nop => 0,
            Inst::Move { .. } => 3,
            Inst::Extend { .. } => 4,
            Inst::Binary { op, .. } if is_division(*op) => 120,
            // Older processors move the count around.
            Inst::Binary { op: BinaryOp::Lsh | BinaryOp::Rsh | BinaryOp::Arsh, src: Source::Reg(_), .. } => 12,
            Inst::Binary { op, src, .. }
                if *op != BinaryOp::Mul && matches!(src, Source::Reg(_) | Source::Imm(-128..128)) =>
            {
                10
            }
            Inst::Constant { .. } | Inst::Binary { .. } | Inst::Negate { .. } => 12,
            Inst::Lea { .. } | Inst::ShiftedMove { .. } => 9,
            Inst::Load { probing: false, extension: Extension::Zero, address, .. }
                if i8::try_from(address.offset).is_ok() =>
            {
                6
            }
            Inst::Load { probing: false, .. } | Inst::Store { .. } | Inst::Swap { .. } => 20,
            Inst::Branch { test, .. } => 6 + longest_comparison(*test),
            Inst::Jump { .. } => 5,
            Inst::Select { .. } | Inst::Flag { .. } | Inst::AddCarry { .. } => 24,
            _ => 1000,
        }
}

fn longest_comparison(Test { condition, right, .. }: Test) -> u32 {
    let short = match (condition, right) {
        (_, Source::Reg(_)) => true,
        (Condition::Set | Condition::Clear, Source::Imm(mask)) => (0..0x80).contains(&mask),
        (_, Source::Imm(imm)) => i8::try_from(imm).is_ok(),
    };
    if short { 4 } else { 7 }
}

const LOOP_ALIGNMENT: usize = 16;
/// Bytes of a line of code.
const LINE: usize = 64;

fn is_division(op: BinaryOp) -> bool {
    use BinaryOp::{Div, Mod, SDiv, SMod};
    matches!(op, Div | Mod | SDiv | SMod)
}

/// Translates a program.
pub(super) fn emit(program: &Program, stubs: &Stubs) -> Emitted {
    let (emitted, all_reach) = translate(program, stubs, Jumps::ShortWhereBoundsSay);
    // A short jump that does not reach would lead anywhere: should a bound be wrong, no jump is short.
    if all_reach { emitted } else { translate(program, stubs, Jumps::Long).0 }
}

/// The code, and whether all short jumps reach what they lead to.
fn translate(program: &Program, stubs: &Stubs, jumps: Jumps) -> (Emitted, bool) {
    let slots = program.insts.len();
    let mut emitter = Emitter {
        jumps,
        asm: Assembler::with_capacity(slots * 8 + 256),
        program,
        stubs,
        features: if program.baseline { Features::BASELINE } else { Features::of_host() },
        frame: Frame::default(),
        slot: 0,
        done: 0,
        loop_bytes: BTreeMap::new(),
        offsets: vec![0; slots],
        entries: Vec::with_capacity(program.functions.len()),
        fixups: Vec::with_capacity(slots / 4),
    };
    emitter.run();
    emitter.finish()
}

impl Emitter<'_> {
    fn run(&mut self) {
        let program = self.program;
        let remaining = bytes_from(program);
        self.loop_bytes = loop_bytes(program, &remaining);
        let mut checked = (0, 0);
        for (slot, inst) in program.insts.iter().enumerate() {
            let position = self.asm.position();
            // What is translated with the one before it is counted with it, too.
            if slot > self.done {
                let most = (remaining[checked.0] - remaining[slot]) as usize;
                debug_assert!(
                    position - checked.1 <= most,
                    "{:?} takes more than {most} bytes",
                    program.insts[checked.0]
                );
                checked = (slot, position);
            }
            self.asm.make_room();
            if program.leaders[slot] != Leader::No {
                self.begin(slot);
            }
            self.offsets[slot] = self.asm.position() as u32;
            self.slot = slot;
            for prelude in program.preludes.of(slot) {
                self.asm.make_room();
                self.inst(prelude, slot, &remaining);
            }
            self.asm.make_room();
            if slot == 0 || slot != self.done {
                self.inst(inst, slot, &remaining);
            }
        }
    }

    /// What a slot begins: a function, a loop.
    fn begin(&mut self, slot: usize) {
        let program = self.program;
        if let Ok(index) = program.functions.binary_search(&(slot as u32)) {
            self.align(LOOP_ALIGNMENT);
            self.entries.push(self.asm.position() as u32);
            let main = index == 0 && !program.calls_main();
            self.frame = Frame::new(main, &program.usage[index], program.frames);
            self.enter();
        }
        if let Some(bytes) = self.loop_bytes.get(&(slot as u32)) {
            // A loop that fits into a line of code is read in one go, if it begins well.
            let position = self.asm.position();
            let crosses = position % LINE + *bytes as usize > LINE;
            self.align(if crosses { LINE } else { LOOP_ALIGNMENT });
        }
        self.asm.make_room();
    }

    fn align(&mut self, to: usize) {
        self.asm.make_room();
        let position = self.asm.position();
        self.asm.nops(position.next_multiple_of(to) - position);
    }

    fn inst(&mut self, inst: &Inst, slot: usize, remaining: &[u32]) {
        let live = || self.program.liveness.after(slot);
        match *inst {
            Inst::Nop => {}
            Inst::Move { dst, src } => self.asm.mov(Wide::Yes, gpr(dst), gpr(src)),
            Inst::Constant { dst, value } => self.constant(dst, value),
            Inst::Binary { op, width, dst, src } => {
                self.binary(op, width, dst, src, live());
                if let (BinaryOp::Add, Width::W64, Source::Reg(src)) = (op, width, src) {
                    self.carry_of(dst, src);
                }
            }
            Inst::Lea { dst, address } => {
                if !self.add_with_carry(dst, address) {
                    self.lea(dst, address);
                }
            }
            Inst::ShiftedMove { dst, src, shift } => self.shifted_move(dst, src, shift),
            Inst::Extend { dst, src, size, signed, width } => self.extend((dst, src), size, signed, width),
            Inst::Negate { width, dst } => self.negate(width, dst),
            Inst::Swap { size, dst } => self.swap(size, dst),
            Inst::Load { size, extension, probing: false, dst, address } => {
                if let Some((flags, target)) = self.compare_with_memory(size, extension, dst, address) {
                    self.jump_if(flags, Landing::Slot(target), self.distance(slot, target, remaining));
                } else {
                    self.load(size, extension, dst, address);
                }
            }
            Inst::Load { size, extension, probing: true, dst, address } => {
                self.probing_load(size, extension, dst, address);
            }
            Inst::Store { size, address, src } => self.store(size, address, src),
            Inst::LoadAcquire { size, probing, dst, address } => self.load_acquire(size, probing, dst, address),
            Inst::StoreRelease { size, address, src } => {
                self.store(size, address, super::inst::Source::Reg(src));
            }
            Inst::Atomic { op, size, address, src } => {
                let live: Registers = live();
                self.atomic(op, size, address, src, live);
            }
            Inst::LoadPacket { size, from } => self.load_packet(size, from),
            Inst::Jump { target } => self.jump(target, slot, remaining),
            Inst::Branch { test, target } => {
                let flags = self.compare(test);
                self.jump_if(flags, Landing::Slot(target), self.distance(slot, target, remaining));
            }
            Inst::Select { test, dst, value } => self.select(test, dst, value),
            Inst::Flag { test, dst } => self.flag(test, dst),
            Inst::AddCarry { width, left, right, dst } => self.add_carry(width, left, right, dst),
            Inst::MayGoto { target } => self.take_from_budget(target),
            Inst::Call(index) => {
                let live = live();
                if let Some(call) = self.program.calls.get(index as usize) {
                    self.call(*call, live);
                }
            }
            Inst::Exit => {
                self.leave();
                self.asm.ret();
            }
        }
    }

    fn jump(&mut self, target: u32, slot: usize, remaining: &[u32]) {
        if target as usize == slot + 1 {
            return;
        }
        if let Some(displacement) = self.back(target, slot, 2) {
            self.asm.put(0xeb | (displacement as u64 & 0xff) << 8, 2);
        } else if self.distance(slot, target, remaining) < 120 {
            self.asm.put(0xeb, 2);
            self.land_later(Landing::Slot(target), 1);
        } else {
            self.asm.put(0xe9, 5);
            self.land_later(Landing::Slot(target), 4);
        }
    }

    /// A conditional jump; `distance` is at least how far it is, if it leads forwards.
    fn jump_if(&mut self, flags: Flags, to: Landing, distance: u32) {
        let back = match to {
            Landing::Slot(target) => self.back(target, self.offsets.len(), 2),
            _ => None,
        };
        if let Some(displacement) = back {
            self.asm.put(0x70 | flags as u64 | (displacement as u64 & 0xff) << 8, 2);
        } else if distance < 120 {
            self.asm.put(0x70 | flags as u64, 2);
            self.land_later(to, 1);
        } else {
            self.asm.put(0x0f | (0x80 | flags as u64) << 8, 6);
            self.land_later(to, 4);
        }
    }

    /// How far it is at most from behind one slot to another that comes later.
    fn distance(&self, slot: usize, target: u32, remaining: &[u32]) -> u32 {
        match remaining.get(target as usize) {
            Some(there) if target as usize > slot && self.jumps == Jumps::ShortWhereBoundsSay => {
                remaining[slot + 1].saturating_sub(*there)
            }
            _ => u32::MAX,
        }
    }

    /// The displacement of a jump of `len` bytes, if it leads back and a byte holds it.
    fn back(&self, target: u32, slot: usize, len: usize) -> Option<i8> {
        let known = (target as usize) <= slot && self.offsets[target as usize] > 0;
        let to = i64::from(self.offsets[target as usize]);
        known.then(|| i8::try_from(to - (self.asm.position() + len) as i64).ok()).flatten()
    }

    /// The displacement at the end of what was just written is filled in at the end.
    fn land_later(&mut self, to: Landing, len: u8) {
        let at = (self.asm.position() - usize::from(len)) as u32;
        self.fixups.push(Fixup { at, len, to });
    }

    fn finish(mut self) -> (Emitted, bool) {
        let end = self.end_stub();
        let mut all_reach = true;
        for Fixup { at, len, to } in std::mem::take(&mut self.fixups) {
            let target = match to {
                Landing::Slot(slot) => self.offsets[slot as usize],
                Landing::Function(slot) => self.entry(slot),
                Landing::End => end,
            };
            let displacement = i64::from(target) - i64::from(at) - i64::from(len);
            let reaches = len > 1 || i8::try_from(displacement).is_ok();
            debug_assert!(reaches, "jump of {displacement} bytes is no short one");
            all_reach &= reaches;
            self.asm.patch(at as usize, displacement as i32, len.into());
        }
        (Emitted { code: self.asm.finish(), offsets: self.offsets, entries: self.entries }, all_reach)
    }

    fn entry(&self, slot: u32) -> u32 {
        let index = self.program.functions.binary_search(&slot).ok();
        index.and_then(|index| self.entries.get(index)).copied().unwrap_or(0)
    }

    /// Where a run that is ended leaves, if it can be: all frames are dropped.
    fn end_stub(&mut self) -> u32 {
        let at = self.asm.position() as u32;
        if self.fixups.iter().any(|fixup| fixup.to == Landing::End) {
            self.asm.mov_imm(registers::SCRATCH[0], self.stubs.end);
            self.asm.jump_register(registers::SCRATCH[0]);
        }
        at
    }
}

/// For each slot, at most how many bytes its code and that of all after it take.
fn bytes_from(program: &Program) -> Vec<u32> {
    let mut remaining = vec![0; program.insts.len() + 1];
    let mut sum = 0_u32;
    for (slot, inst) in program.insts.iter().enumerate().rev() {
        sum = sum.saturating_add(longest(inst, program.leaders[slot]));
        sum = sum.saturating_add(program.preludes.of(slot).map(|prelude| longest(prelude, Leader::No)).sum());
        if program.leaders[slot] != Leader::No && program.functions.binary_search(&(slot as u32)).is_ok() {
            sum = sum.saturating_add(1000);
        }
        remaining[slot] = sum;
    }
    remaining
}

/// By first slot, about how many bytes a loop has.
fn loop_bytes(program: &Program, remaining: &[u32]) -> BTreeMap<u32, u32> {
    let mut loops = BTreeMap::new();
    for (slot, inst) in program.insts.iter().enumerate() {
        if let Inst::Branch { target, .. } | Inst::Jump { target } | Inst::MayGoto { target } = *inst
            && target as usize <= slot
        {
            // Bounds are about twice what instructions take; the alignment at the beginning is in them, too.
            let bound = remaining[target as usize] - remaining[slot + 1];
            loops.insert(target, bound.saturating_sub(LINE as u32) * 2 / 3);
        }
    }
    loops
}

#[cfg(test)]
mod tests {
    use crate::compile_options::CompileOptions;
    use crate::conformance;
    use crate::mode::Mode;
    use skep_isa::Slot;

    /// What the sandbox and compiled code answer.
    fn answers(text: &str, memory: &[u8]) -> [u64; 3] {
        let slots = skep_isa::text::assemble(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let program = Slot::write_program(&slots);
        let engines = [(Mode::Sandbox, false), (Mode::Jit, false), (Mode::Jit, true)];
        engines.map(|(mode, baseline)| {
            let options = CompileOptions { baseline, ..CompileOptions::default() };
            let answer = conformance::run_with(mode, &options, &program, &mut memory.to_vec());
            answer.unwrap_or_else(|error| panic!("{mode}: {error}\n{text}"))
        })
    }

    /// Jumps over so many instructions that the short form just does, or just does not.
    #[test]
    fn short_jumps_reach() {
        let far = "r5 = 0x1122334455667788 ll\nr0 += r5\n".repeat(12);
        for over in [
            "if r2 & -128 goto far",
            "if w2 & 127 goto far",
            "if r2 & 128 goto far",
            "if r2 > -128 goto far",
            "if r2 s> 1000 goto far",
            "r3 <<= r4",
            "r0 s>>= r3",
            "r3 += 127",
            "w3 *= 9",
            "r4 = *(u8 *)(r1 + 0)\nr0 += r4",
            "r4 = *(u16 *)(r1 + 0)\nif r4 == r2 goto far",
        ] {
            for count in 5..30 {
                let body = format!("{over}\n").repeat(count);
                let text = format!(
                    "r0 = 1\nr3 = 3\nr4 = 4\nif r2 == 2 goto landing\n{body}landing:\nr0 += r3\nr0 += r4\n\
                     if r2 == 9 goto far\nexit\nr0 = 5\n{far}far:\nr0 += 7\nexit\n"
                );
                for memory in [&[7, 8][..], &[7, 8, 9]] {
                    let [sandbox, jit, baseline] = answers(&text, memory);
                    assert_eq!((jit, baseline), (sandbox, sandbox), "{count} times {over}");
                }
            }
        }
    }

    #[test]
    fn the_main_function_may_be_called() {
        let text = "r6 = r2\nr7 = 7\n*(u64 *)(r10 - 8) = r6\nif r2 == 0 goto out\nr2 -= 1\ncall pc-6\nr0 += r6\n\
                    r0 += r7\nr1 = *(u64 *)(r10 - 8)\nr0 += r1\nexit\nout:\nr0 = 1\nexit\n";
        assert_eq!(answers(text, &[0; 3]), [1 + 3 * 7 + 2 * (1 + 2 + 3); 3]);
    }
}
