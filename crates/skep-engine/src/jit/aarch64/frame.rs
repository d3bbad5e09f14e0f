//! Entering and leaving functions.
//!
//! The main function is entered from [`super::stubs`], which keep the registers of whoever runs the program: it saves no
//! more than the address to return to, where it calls. Other functions save those of r6 to r9 that they change, and the
//! frame pointer.
//!
//! ```text
//!   saved r6 to r9
//!   frame record: x29, x30
//!   ── frame pointer (x29) ──
//!   stack of the program
//!   loop budget of may_goto
//!   ── stack pointer ──             always a multiple of 16
//! ```
//!
//! In *lent* frames the program's stack lies in the chunk that the machine was given, where the interpreter would put it.

use super::Emitter;
use super::assembler::{AluImm, Gpr, Mem, Pair};
use super::calls::state;
use super::registers::{FRAME, LINK, MACHINE, SCRATCH, gpr};
use crate::interpret::MAY_GOTO_BUDGET;
use crate::jit::Frames;
use crate::jit::inst::{Register, Registers};
use crate::jit::native;
use crate::jit::usage::Usage;
use crate::machine::Machine;
use crate::stack::GAP_WORDS;
use skep_isa::Width;
use std::mem::offset_of;

/// The frame of a function.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Frame {
    main: bool,
    /// The frame record is written.
    record: bool,
    saved: Registers,
    /// The frame pointer is used.
    has_base: bool,
    /// Bytes of the program's stack, rounded up to whole words.
    stack_bytes: u32,
    /// By how much the stack pointer is lowered below the record.
    lowered: u32,
    lent: bool,
    zeroed: bool,
    zeroed_registers: Registers,
    loops: bool,
}

impl Frame {
    pub(super) fn new(main: bool, usage: &Usage, frames: Frames) -> Frame {
        let stack_bytes = u32::from(usage.stack_bytes).next_multiple_of(8);
        let lent = frames == Frames::Lent;
        let has_base = usage.registers.contains(Register::FRAME) || lent;
        // What was never written reads as zero in the interpreter; no verified program looks.
        let zero = Registers::ARGUMENTS.union(Register::FRAME.bit());
        let zeroed_registers = if lent { usage.registers.without(zero) } else { Registers::NONE };
        let changed = usage.defined.union(zeroed_registers).intersection(Registers::CALLEE_SAVED);
        let saved = if main { Registers::NONE } else { changed };
        let record = usage.calls || has_base && !main;
        let own = if has_base && !lent { stack_bytes.next_multiple_of(16) } else { 0 };
        let lowered = own + if usage.loops { 16 } else { 0 };
        let (zeroed, loops) = (usage.zeroed, usage.loops);
        Frame { main, record, saved, has_base, stack_bytes, lowered, lent, zeroed, zeroed_registers, loops }
    }

    pub(super) fn is_main(&self) -> bool {
        self.main
    }

    /// Registers to save from the stack pointer upwards, the frame record first.
    fn pushed(&self) -> Vec<Gpr> {
        let record = if self.record { &[FRAME, LINK][..] } else { &[] };
        record.iter().copied().chain(self.saved.iter().map(gpr)).collect()
    }
}

impl Emitter<'_> {
    pub(super) fn enter(&mut self) {
        let frame = self.frame;
        self.push_all(&frame.pushed());
        if frame.lent {
            self.borrow_frame();
        } else if frame.record || frame.has_base {
            self.asm.mov_from_sp(FRAME);
        }
        if frame.lowered > 0 {
            self.asm.alu_imm(AluImm::Sub, Width::W64, Gpr::SP, Gpr::SP, frame.lowered);
        }
        if frame.loops {
            let [budget, ..] = SCRATCH;
            self.asm.mov_imm(budget, MAY_GOTO_BUDGET.into());
            self.asm.store64(Mem::new(Gpr::SP, 0), budget);
        }
        if frame.has_base && (frame.zeroed || frame.lent) {
            self.zero_frame();
        }
        for register in frame.zeroed_registers.iter() {
            self.asm.mov_imm(gpr(register), 0);
        }
    }

    /// The first pair makes room for all.
    fn push_all(&mut self, registers: &[Gpr]) {
        let bytes = 16 * registers.len().div_ceil(2) as i32;
        for (index, pair) in registers.chunks(2).enumerate() {
            let how = if index == 0 { Pair::Before } else { Pair::Offset };
            let offset = if index == 0 { -bytes } else { 16 * index as i32 };
            let second = pair.get(1).copied().unwrap_or(Gpr::ZERO);
            self.asm.store_pair(how, (pair[0], second), Gpr::SP, offset);
        }
    }

    fn pop_all(&mut self, registers: &[Gpr]) {
        let bytes = 16 * registers.len().div_ceil(2) as i32;
        for (index, pair) in registers.chunks(2).enumerate().rev() {
            let how = if index == 0 { Pair::After } else { Pair::Offset };
            let offset = if index == 0 { bytes } else { 16 * index as i32 };
            let second = pair.get(1).copied().unwrap_or(Gpr::ZERO);
            self.asm.load_pair(how, (pair[0], second), Gpr::SP, offset);
        }
    }

    fn borrow_frame(&mut self) {
        let [top, ..] = SCRATCH;
        let bytes = self.frame.stack_bytes + 8 * GAP_WORDS as u32;
        self.asm.load64(FRAME, state!(frame_top));
        self.asm.alu_imm(AluImm::Sub, Width::W64, top, FRAME, bytes);
        self.asm.store64(state!(frame_top), top);
    }

    fn zero_frame(&mut self) {
        let words = (self.frame.stack_bytes / 8) as i32;
        if words >= 4 {
            self.asm.zero_vector();
        }
        for quad in 1..=words / 4 {
            self.asm.store_vector_twice(FRAME, -32 * quad);
        }
        match words % 4 {
            0 => {}
            _ if words == 1 => self.asm.store64(Mem::new(FRAME, -8), Gpr::ZERO),
            // Some words a second time.
            rest => {
                if rest == 3 {
                    self.zero_pair(words - 1);
                }
                self.zero_pair(words);
            }
        }
    }

    /// The word that far below the frame pointer, and the one above.
    fn zero_pair(&mut self, words: i32) {
        self.asm.store_pair(Pair::Offset, (Gpr::ZERO, Gpr::ZERO), FRAME, -8 * words);
    }

    /// Everything but the return. Only scratch registers and those that are restored change.
    pub(super) fn leave(&mut self) {
        let frame = self.frame;
        if frame.lent {
            self.asm.store64(state!(frame_top), FRAME);
        }
        if frame.lowered > 0 {
            self.asm.alu_imm(AluImm::Add, Width::W64, Gpr::SP, Gpr::SP, frame.lowered);
        }
        self.pop_all(&frame.pushed());
    }
}
