//! Where BPF's registers live.
//!
//! r0 to r5 are where the System V ABI has the result and the first five arguments, so that a helper is called without a
//! move; r6 to r9 and the frame pointer are callee-saved there, too. r12 holds the running [`crate::Machine`]. r9, r10
//! and r11 belong to nobody: their contents never outlive one instruction of the program.

use super::assembler::{Gpr, Mem};
use crate::jit::inst::{Address, Register};

/// The running machine.
pub(super) const MACHINE: Gpr = Gpr::R12;
/// Scratch registers.
pub(super) const SCRATCH: [Gpr; 3] = [Gpr::R11, Gpr::R10, Gpr::R9];

const GPRS: [Gpr; Register::COUNT] = [
    Gpr::RAX,
    Gpr::RDI,
    Gpr::RSI,
    Gpr::RDX,
    Gpr::RCX,
    Gpr::R8,
    Gpr::RBX,
    Gpr::R13,
    Gpr::R14,
    Gpr::R15,
    Gpr::RBP,
    // The one for blinding, and no more.
    Gpr::R11,
    Gpr::R11,
    Gpr::R11,
    Gpr::R11,
    Gpr::R11,
];

/// The machine register of a register.
pub(super) const fn gpr(register: Register) -> Gpr {
    GPRS[register.index()]
}

/// The machine address of an address.
pub(super) fn mem(address: Address) -> Mem {
    Mem {
        base: gpr(address.base),
        index: address.index.map(|index| (gpr(index.register), index.shift)),
        offset: address.offset,
    }
}
