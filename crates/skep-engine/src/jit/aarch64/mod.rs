//! The back end for AArch64.

mod arithmetic;
mod assembler;
mod atomics;
mod branches;
mod calls;
mod division;
mod frame;
mod immediates;
mod memory;
mod registers;
mod stubs;
#[cfg(test)]
mod tests;

use assembler::{Assembler, Reach};
use atomics::Unaligned;
use calls::Runtime;
use frame::Frame;
use registers::gpr;
pub(super) use stubs::build as build_stubs;

use super::inst::Inst;
use super::select::Leader;
use super::{Emitted, Program, Stubs};
use skep_isa::Width;

/// Most bytes of code: how far a branch reaches.
pub(super) const MAX_CODE: usize = Reach::Always.bytes() as usize;

/// What the processor can do.
#[derive(Clone, Copy, Debug)]
struct Features {
    /// Atomic operations in one instruction (FEAT_LSE).
    atomics: bool,
}

impl Features {
    #[cfg(target_arch = "aarch64")]
    fn of_host() -> Features {
        Features { atomics: std::arch::is_aarch64_feature_detected!("lse") }
    }

    /// Nobody runs the code here.
    #[cfg(not(target_arch = "aarch64"))]
    fn of_host() -> Features {
        Features { atomics: false }
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
    /// To what is done where an atomic access is not aligned.
    Unaligned(u32),
}

/// A displacement to be filled in.
#[derive(Clone, Copy, Debug)]
struct Fixup {
    /// Position of the branch.
    at: u32,
    reach: Reach,
    to: Landing,
}

/// A program becoming machine code.
struct Emitter<'p> {
    asm: Assembler,
    program: &'p Program,
    stubs: &'p Stubs,
    runtime: Runtime,
    features: Features,
    frame: Frame,
    /// The slot that is being translated.
    slot: usize,
    /// A branch for which an earlier instruction has cared.
    done: Option<usize>,
    /// By slot: where its code begins.
    offsets: Vec<u32>,
    /// By slot: at most how many bytes its code and that of all after it take.
    remaining: Vec<u32>,
    /// By function: where it is entered.
    entries: Vec<u32>,
    fixups: Vec<Fixup>,
    unaligned: Vec<Unaligned>,
}

const LOOP_ALIGNMENT: usize = 16;

/// Translates a program.
pub(super) fn emit(program: &Program, stubs: &Stubs) -> Emitted {
    emit_for(program, stubs, Runtime::of_engine(), Features::of_host())
}

fn emit_for(program: &Program, stubs: &Stubs, runtime: Runtime, features: Features) -> Emitted {
    let slots = program.insts.len();
    let mut emitter = Emitter {
        asm: Assembler::with_capacity(slots * 2 + 64),
        program,
        stubs,
        runtime,
        features,
        frame: Frame::default(),
        slot: 0,
        done: None,
        offsets: vec![0; slots],
        remaining: bytes_from(program),
        entries: Vec::with_capacity(program.functions.len()),
        fixups: Vec::with_capacity(slots / 4),
        unaligned: Vec::new(),
    };
    emitter.run();
    emitter.finish()
}

impl Emitter<'_> {
    fn run(&mut self) {
        let program = self.program;
        for (slot, inst) in program.insts.iter().enumerate() {
            self.slot = slot;
            if program.leaders[slot] != Leader::No {
                self.begin(slot);
            }
            let begin = self.asm.position();
            self.offsets[slot] = begin as u32;
            for prelude in program.preludes.of(slot) {
                self.inst(prelude);
            }
            if self.done != Some(slot) {
                self.inst(inst);
            }
            let bound = longest_with_preludes(program, slot, inst);
            debug_assert!(self.asm.position() - begin <= bound as usize, "{inst:?} is longer than thought");
        }
    }

    /// What a slot begins: a function, a loop.
    fn begin(&mut self, slot: usize) {
        let program = self.program;
        if let Ok(index) = program.functions.binary_search(&(slot as u32)) {
            self.align(LOOP_ALIGNMENT);
            let begin = self.asm.position();
            self.entries.push(begin as u32);
            let main = index == 0 && !program.calls_main();
            self.frame = Frame::new(main, &program.usage[index], program.frames);
            self.enter();
            debug_assert!(self.asm.position() - begin <= LONGEST_ENTRY as usize, "entrance longer than thought");
        }
        if program.leaders[slot] == Leader::Loop {
            self.align(LOOP_ALIGNMENT);
        }
    }

    fn align(&mut self, to: usize) {
        while !self.asm.position().is_multiple_of(to) {
            self.asm.nop();
        }
    }

    fn inst(&mut self, inst: &Inst) {
        let live = || self.program.liveness.after(self.slot);
        match *inst {
            Inst::Nop => {}
            Inst::Move { dst, src } => self.asm.mov(Width::W64, gpr(dst), gpr(src)),
            Inst::Constant { dst, value } => self.asm.mov_imm(gpr(dst), value),
            Inst::Binary { op, width, dst, src } => self.binary(op, width, dst, src),
            Inst::Lea { dst, address } => self.lea(gpr(dst), address),
            Inst::ShiftedMove { dst, src, shift } => {
                self.asm.shift_left(Width::W64, gpr(dst), gpr(src), shift.into());
            }
            Inst::Extend { dst, src, size, signed, width } => self.extend((dst, src), size, signed, width),
            Inst::Negate { width, dst } => self.negate(width, dst),
            Inst::Swap { size, dst } => self.swap(size, gpr(dst)),
            Inst::Load { size, extension, probing: false, dst, address } => self.load(size, extension, dst, address),
            Inst::Load { size, extension, probing: true, dst, address } => {
                self.probing_load(size, extension, dst, address);
            }
            Inst::Store { size, address, src } => self.store(size, address, src),
            Inst::LoadAcquire { size, probing, dst, address } => self.load_acquire(size, probing, dst, address),
            Inst::StoreRelease { size, address, src } => self.store_release(size, address, src),
            Inst::Atomic { op, size, address, src } => self.atomic(op, size, address, src),
            Inst::LoadPacket { size, from } => self.load_packet(size, from),
            Inst::Jump { target } => {
                if target as usize != self.slot + 1 {
                    self.jump(assembler::When::Always, Landing::Slot(target));
                }
            }
            Inst::Branch { test, target } => {
                let when = self.compare(test);
                self.jump(when, Landing::Slot(target));
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

    fn finish(mut self) -> Emitted {
        let end = self.end_stub();
        let unaligned = self.unaligned_accesses();
        for Fixup { at, reach, to } in std::mem::take(&mut self.fixups) {
            let target = match to {
                Landing::Slot(slot) => self.offsets[slot as usize],
                Landing::Function(slot) => self.entry(slot),
                Landing::End => end,
                Landing::Unaligned(index) => unaligned[index as usize],
            };
            self.asm.patch(at as usize, i64::from(target) - i64::from(at), reach);
        }
        Emitted { code: self.asm.finish(), offsets: self.offsets, entries: self.entries }
    }

    fn entry(&self, slot: u32) -> u32 {
        let index = self.program.functions.binary_search(&slot).ok();
        index.and_then(|index| self.entries.get(index)).copied().unwrap_or(0)
    }

    /// Where a run that is ended leaves, if it can be: all frames are dropped.
    fn end_stub(&mut self) -> u32 {
        let at = self.asm.position() as u32;
        if self.fixups.iter().any(|fixup| fixup.to == Landing::End) {
            let [scratch, ..] = registers::SCRATCH;
            self.asm.mov_imm(scratch, self.stubs.end);
            self.asm.jump_register(scratch);
        }
        at
    }
}

/// Most bytes of the beginning of a function.
const LONGEST_ENTRY: u32 = 4 * 36;

/// Most bytes that an instruction of the program takes, what is done where it meets an unaligned address included.
fn longest(inst: &Inst) -> u32 {
    let instructions = match inst {
        Inst::Nop => 0,
        Inst::Move { .. } | Inst::Extend { .. } | Inst::Negate { .. } | Inst::ShiftedMove { .. } => 1,
        Inst::Swap { .. } | Inst::Jump { .. } => 2,
        Inst::Constant { .. } => 4,
        Inst::Binary { op, .. } if division::is_division(*op) => 16,
        Inst::Binary { .. } | Inst::Lea { .. } => 6,
        Inst::Load { probing: false, .. } | Inst::Store { .. } => 8,
        Inst::Branch { .. } | Inst::Select { .. } | Inst::Flag { .. } | Inst::AddCarry { .. } => 6,
        Inst::Exit => 8,
        _ => 48,
    };
    4 * instructions
}

fn longest_with_preludes(program: &Program, slot: usize, inst: &Inst) -> u32 {
    longest(inst) + program.preludes.of(slot).map(longest).sum::<u32>()
}

/// For each slot, at most how many bytes its code and that of all after it take.
fn bytes_from(program: &Program) -> Vec<u32> {
    let mut remaining = vec![0; program.insts.len() + 1];
    // Where a run is ended.
    let mut sum = 4 * 8_u32;
    remaining[program.insts.len()] = sum;
    for (slot, inst) in program.insts.iter().enumerate().rev() {
        sum = sum.saturating_add(longest_with_preludes(program, slot, inst));
        if program.leaders[slot] != Leader::No {
            sum = sum.saturating_add(LOOP_ALIGNMENT as u32);
            if program.functions.binary_search(&(slot as u32)).is_ok() {
                sum = sum.saturating_add(LONGEST_ENTRY + LOOP_ALIGNMENT as u32);
            }
        }
        remaining[slot] = sum;
    }
    remaining
}
