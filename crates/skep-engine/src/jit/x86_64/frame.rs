//! Entering and leaving functions.
//!
//! The main function is entered from [`super::stubs`], which keep the registers of whoever runs the program: it saves none. Other
//! functions save those of r6 to r9 that they change, and the frame pointer.
//!
//! ```text
//!   return address
//!   saved registers
//!   ── frame pointer (rbp) ──
//!   stack of the program
//!   loop budget of may_goto
//!   ── stack pointer ──             aligned to 16 bytes where the function calls
//! ```
//!
//! In *lent* frames the program's stack lies in the chunk that the machine was given, where the interpreter would put it.

use super::Emitter;
use super::assembler::{Gpr, Group1, Mem, Opcode, Wide};
use super::calls::state;
use super::registers::{MACHINE, SCRATCH, gpr};
use crate::interpret::MAY_GOTO_BUDGET;
use crate::jit::Frames;
use crate::jit::inst::{Register, Registers};
use crate::jit::native;
use crate::jit::usage::Usage;
use crate::machine::Machine;
use crate::stack::GAP_WORDS;
use std::mem::offset_of;

/// Bytes below the stack pointer that a function which calls nothing may use (System V ABI, 3.2.2).
const RED_ZONE: u32 = 128;

/// The frame of a function.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Frame {
    main: bool,
    saved: Registers,
    /// The frame pointer is used.
    has_base: bool,
    /// Bytes of the program's stack, rounded up to whole words.
    stack_bytes: u32,
    /// By how much the stack pointer is lowered.
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
        let has_base = usage.registers.contains(Register::FRAME) || usage.loops || lent;
        // What was never written reads as zero in the interpreter; no verified program looks.
        let zero = Registers::ARGUMENTS.union(Register::FRAME.bit());
        let zeroed_registers = if lent { usage.registers.without(zero) } else { Registers::NONE };
        let changed = usage.defined.union(zeroed_registers).intersection(Registers::CALLEE_SAVED);
        let saved = if main { Registers::NONE } else { changed };
        let own = if has_base && !lent { stack_bytes } else { 0 } + if usage.loops { 8 } else { 0 };
        let pushed = if main { 0 } else { 8 * (saved.len() + u32::from(has_base)) };
        let lowered = if usage.calls {
            // With the return address, all of it must be a multiple of 16.
            let all = 8 + pushed + own;
            own + all.next_multiple_of(16) - all
        } else if own <= RED_ZONE {
            0
        } else {
            own
        };
        let (zeroed, loops) = (usage.zeroed, usage.loops);
        Frame { main, saved, has_base, stack_bytes, lowered, lent, zeroed, zeroed_registers, loops }
    }

    pub(super) fn is_main(&self) -> bool {
        self.main
    }

    /// The loop budget, from the frame pointer or, with lent frames, the stack pointer.
    fn budget(&self) -> Mem {
        if self.lent {
            return Mem::new(Gpr::RSP, self.lowered as i32 - 8);
        }
        Mem::new(gpr(Register::FRAME), -(self.stack_bytes as i32) - 8)
    }
}

impl Emitter<'_> {
    pub(super) fn enter(&mut self) {
        let frame = self.frame;
        let base = gpr(Register::FRAME);
        if !frame.main {
            if frame.has_base {
                self.asm.push(base);
            }
            for register in frame.saved.iter() {
                self.asm.push(gpr(register));
            }
        }
        if frame.lent {
            self.borrow_frame();
        } else if frame.has_base {
            self.asm.mov(Wide::Yes, base, Gpr::RSP);
        }
        if frame.lowered > 0 {
            self.asm.group1_imm(Group1::Sub, Wide::Yes, Gpr::RSP, frame.lowered as i32);
        }
        if frame.loops {
            self.asm.rm(Opcode::one(0xc7), Wide::Yes, 0, frame.budget());
            self.asm.imm32(MAY_GOTO_BUDGET.cast_signed());
        }
        if frame.has_base && (frame.zeroed || frame.lent) {
            self.zero_frame();
        }
        for register in frame.zeroed_registers.iter() {
            self.asm.zero(gpr(register));
        }
    }

    fn borrow_frame(&mut self) {
        let [scratch, ..] = SCRATCH;
        let base = gpr(Register::FRAME);
        let bytes = self.frame.stack_bytes as i32 + 8 * GAP_WORDS as i32;
        self.asm.load64(base, state!(frame_top));
        self.asm.lea(scratch, Mem::new(base, -bytes));
        self.asm.store64(state!(frame_top), scratch);
    }

    fn zero_frame(&mut self) {
        let base = gpr(Register::FRAME);
        let words = (self.frame.stack_bytes / 8) as i32;
        if words > 1 {
            // xorps xmm0, xmm0; movups [..], xmm0
            self.asm.put(0xc0_570f, 3);
        }
        for pair in 1..=words / 2 {
            self.asm.make_room();
            self.asm.rm(Opcode::two(0x11), Wide::No, 0, Mem::new(base, -16 * pair));
        }
        if words % 2 == 1 {
            self.asm.rm(Opcode::one(0xc7), Wide::Yes, 0, Mem::new(base, -8 * words));
            self.asm.imm32(0);
        }
    }

    /// Everything but the return.
    pub(super) fn leave(&mut self) {
        let frame = self.frame;
        let base = gpr(Register::FRAME);
        if frame.lent {
            self.asm.store64(state!(frame_top), base);
        }
        if frame.lowered > 0 {
            self.asm.group1_imm(Group1::Add, Wide::Yes, Gpr::RSP, frame.lowered as i32);
        }
        if !frame.main {
            let saved: Vec<Register> = frame.saved.iter().collect();
            for register in saved.iter().rev() {
                self.asm.pop(gpr(*register));
            }
            if frame.has_base {
                self.asm.pop(base);
            }
        }
    }

    /// Takes one from the loop budget; the flags say *below* where nothing was left.
    pub(super) fn take_from_budget(&mut self, target: u32) {
        let [left, ..] = SCRATCH;
        let budget = self.frame.budget();
        self.asm.load64(left, budget);
        self.asm.group1_imm(Group1::Sub, Wide::Yes, left, 1);
        self.jump_if(super::assembler::Flags::Below, super::Landing::Slot(target), u32::MAX);
        self.asm.store64(budget, left);
    }
}
