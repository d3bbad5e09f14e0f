//! The few functions of machine code that all programs share.

use std::mem::offset_of;

use super::assembler::{Assembler, Gpr, Group1, Mem, Wide};
use super::calls::state;
use super::registers::MACHINE;
use crate::jit::native;
use crate::machine::Machine;

/// What a function of the System V ABI must give back as it was.
const CALLEE_SAVED: [Gpr; 6] = [Gpr::RBP, Gpr::RBX, Gpr::R12, Gpr::R13, Gpr::R14, Gpr::R15];

/// The code, and the offsets of its functions: see [`crate::jit::Stubs`].
pub(in crate::jit) fn build() -> (Vec<u8>, [usize; 3]) {
    let mut asm = Assembler::with_capacity(256);
    let enter = asm.position();
    enter_program(&mut asm);
    let end = asm.position();
    asm.load64(Gpr::RSP, state!(exit_sp));
    leave_program(&mut asm);
    let tail_call = asm.position();
    tail_call_from_function(&mut asm);
    (asm.finish(), [enter, end, tail_call])
}

/// `extern "C" fn(r1, r2, r3, r4, r5, machine, code) -> r0`
fn enter_program(asm: &mut Assembler) {
    // Its seventh argument is on the stack.
    asm.load64(Gpr::RAX, Mem::new(Gpr::RSP, 8));
    for register in CALLEE_SAVED {
        asm.push(register);
    }
    asm.mov(Wide::Yes, MACHINE, Gpr::R9);
    // An inner run, of a callback, is left to its own caller.
    asm.rm(super::assembler::Opcode::one(0xff), Wide::No, 6, state!(exit_sp));
    asm.store64(state!(exit_sp), Gpr::RSP);
    // Seven pushes and the return address: aligned.
    asm.call_register(Gpr::RAX);
    leave_program(asm);
}

fn leave_program(asm: &mut Assembler) {
    asm.rm(super::assembler::Opcode::one(0x8f), Wide::No, 0, state!(exit_sp));
    for register in CALLEE_SAVED.iter().rev() {
        asm.pop(*register);
    }
    asm.ret();
}

/// Runs the program whose code is at rax in the place of a function that has left its frame, and keeps what that
/// function's caller needs: its registers, and which program it belongs to.
fn tail_call_from_function(asm: &mut Assembler) {
    let saved = [Gpr::RBP, Gpr::RBX, Gpr::R13, Gpr::R14, Gpr::R15];
    for register in saved {
        asm.push(register);
    }
    asm.load64(Gpr::R11, state!(previous));
    asm.push(Gpr::R11);
    asm.group1_imm(Group1::Sub, Wide::Yes, Gpr::RSP, 8);
    asm.call_register(Gpr::RAX);
    asm.group1_imm(Group1::Add, Wide::Yes, Gpr::RSP, 8);
    asm.pop(Gpr::R11);
    asm.store64(state!(current), Gpr::R11);
    for register in saved.iter().rev() {
        asm.pop(*register);
    }
    asm.ret();
}
