//! The few functions of machine code that all programs share.

use std::mem::offset_of;

use super::assembler::{Assembler, Gpr, Mem, Pair};
use super::calls::state;
use super::registers::{FRAME, LINK, MACHINE, R0, SCRATCH};
use crate::jit::native;
use crate::machine::Machine;
use skep_isa::Width;

/// Pairs of registers that hold r6 to r9.
const PROGRAMS: [(Gpr, Gpr); 2] = [(Gpr(19), Gpr(20)), (Gpr(21), Gpr(22))];
/// Bytes of the frames here: the frame record, r6 to r9, and two words more.
const FRAME_BYTES: i32 = 64;
const LAST: i32 = 48;

/// The code, and the offsets of its functions: see [`crate::jit::Stubs`].
pub(in crate::jit) fn build() -> (Vec<u8>, [usize; 3]) {
    let mut asm = Assembler::with_capacity(64);
    let enter = asm.position();
    enter_program(&mut asm);
    let end = asm.position();
    let [scratch, ..] = SCRATCH;
    asm.load64(scratch, state!(exit_sp));
    asm.mov_to_sp(scratch);
    leave_program(&mut asm);
    let tail_call = asm.position();
    tail_call_from_function(&mut asm);
    (asm.finish(), [enter, end, tail_call])
}

/// A frame whose record is where x29 points, at the stack pointer.
fn push_frame(asm: &mut Assembler) {
    asm.store_pair(Pair::Before, (FRAME, LINK), Gpr::SP, -FRAME_BYTES);
    for (index, pair) in PROGRAMS.into_iter().enumerate() {
        asm.store_pair(Pair::Offset, pair, Gpr::SP, 16 + 16 * index as i32);
    }
    asm.mov_from_sp(FRAME);
}

fn pop_frame(asm: &mut Assembler) {
    for (index, pair) in PROGRAMS.into_iter().enumerate() {
        asm.load_pair(Pair::Offset, pair, Gpr::SP, 16 + 16 * index as i32);
    }
    asm.load_pair(Pair::After, (FRAME, LINK), Gpr::SP, FRAME_BYTES);
}

/// `extern "C" fn(r1, r2, r3, r4, r5, machine, code) -> r0`
fn enter_program(asm: &mut Assembler) {
    let [outer, ..] = SCRATCH;
    let (machine, code) = (Gpr(5), Gpr(6));
    push_frame(asm);
    // An inner run, of a callback, is left to its own caller.
    let Mem::Offset { offset, .. } = state!(exit_sp) else { return };
    asm.load64(outer, Mem::new(machine, offset));
    asm.store_pair(Pair::Offset, (MACHINE, outer), Gpr::SP, LAST);
    asm.mov(Width::W64, MACHINE, machine);
    asm.store64(state!(exit_sp), FRAME);
    asm.call_register(code);
    leave_program(asm);
}

fn leave_program(asm: &mut Assembler) {
    let [outer, ..] = SCRATCH;
    asm.load64(outer, Mem::new(Gpr::SP, LAST + 8));
    asm.store64(state!(exit_sp), outer);
    asm.load64(MACHINE, Mem::new(Gpr::SP, LAST));
    asm.mov(Width::W64, Gpr(0), R0);
    pop_frame(asm);
    asm.ret();
}

/// Runs the program whose code r0 holds in the place of a function that has left its frame, and keeps what that
/// function's caller needs: its registers, and which program it belongs to.
fn tail_call_from_function(asm: &mut Assembler) {
    let [program, ..] = SCRATCH;
    push_frame(asm);
    asm.load64(program, state!(previous));
    asm.store64(Mem::new(Gpr::SP, LAST), program);
    asm.call_register(R0);
    asm.load64(program, Mem::new(Gpr::SP, LAST));
    asm.store64(state!(current), program);
    pop_frame(asm);
    asm.ret();
}
