//! Where BPF's registers live.
//!
//! r1 to r5 are where the procedure call standard (AAPCS64) has the first five arguments, so that a helper is called
//! without a move; its result comes in x0 and is moved to r0. r6 to r9 are callee-saved there, too. The frame pointer is
//! x29, the standard's own: the program's stack begins below the frame record that x29 points to, so that whoever walks
//! the stack finds the chain of frames whole. x23 holds the running [`crate::Machine`]. x9 to x12 belong to nobody: their
//! contents never outlive one instruction of the program. x18 is the platform's and left alone.

use super::assembler::Gpr;
use crate::jit::inst::Register;

/// The running machine.
pub(super) const MACHINE: Gpr = Gpr(23);
/// Scratch registers.
pub(super) const SCRATCH: [Gpr; 4] = [Gpr(9), Gpr(10), Gpr(11), Gpr(12)];
/// r0.
pub(super) const R0: Gpr = Gpr(7);
/// The frame pointer, r10.
pub(super) const FRAME: Gpr = Gpr(29);
/// Where a call leaves the address to return to.
pub(super) const LINK: Gpr = Gpr(30);
/// Where numbers are put together that are blinded: for one instruction, which may use the others meanwhile.
const BLINDED: Gpr = Gpr(13);

const GPRS: [Gpr; Register::COUNT] = [
    R0,
    Gpr(0),
    Gpr(1),
    Gpr(2),
    Gpr(3),
    Gpr(4),
    Gpr(19),
    Gpr(20),
    Gpr(21),
    Gpr(22),
    FRAME,
    BLINDED,
    // There are no more registers.
    BLINDED,
    BLINDED,
    BLINDED,
    BLINDED,
];

/// The machine register of a register.
pub(super) const fn gpr(register: Register) -> Gpr {
    GPRS[register.index()]
}
