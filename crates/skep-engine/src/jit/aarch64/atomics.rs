//! Atomic operations, and loads and stores whose order others see.
//!
//! Fetching operations are fully ordered and the others not at all, as in [`crate::atomic`]. The machine refuses addresses that are not
//! aligned to the size; what is done there instead, in several steps, stands behind the program, where it is in nobody's
//! way.

use skep_isa::{AtomicOp, Size, Width};

use super::assembler::{Access, Alu, Atomic, Flags, Gpr, Logical, Mem, Ordered, Reach, When};
use super::immediates::bitmask;
use super::registers::{R0, SCRATCH, gpr};
use super::{Emitter, Landing};
use crate::jit::inst::{Address, Extension, Register};

/// What is done where an address is not aligned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unaligned {
    what: What,
    size: Size,
    /// Holds the address; not changed before.
    place: Gpr,
    /// What is stored, combined with what is there, or loaded.
    register: Gpr,
    /// Where to go on.
    back: usize,
}

#[derive(Clone, Copy, Debug)]
enum What {
    LoadAcquire,
    StoreRelease,
    ReadModifyWrite(AtomicOp),
}

/// Operations but for exchanges, by what they make of old and operand.
fn alu(op: AtomicOp) -> Option<Alu> {
    match op {
        AtomicOp::Add { .. } => Some(Alu::Add),
        AtomicOp::Or { .. } => Some(Alu::Or),
        AtomicOp::And { .. } => Some(Alu::And),
        AtomicOp::Xor { .. } => Some(Alu::Xor),
        AtomicOp::Xchg | AtomicOp::Cmpxchg => None,
    }
}

impl Emitter<'_> {
    pub(super) fn load_acquire(&mut self, size: Size, probing: bool, dst: Register, address: Address) {
        let dst = gpr(dst);
        let probe = probing.then(|| self.probing(size, address));
        let place = match probe {
            Some(probe) => probe.address,
            None => self.place(address),
        };
        self.aligned_or(What::LoadAcquire, size, place, address, dst, |emitter| {
            emitter.asm.ordered(Ordered::LoadAcquire, size, dst, place);
        });
        if let Some(probe) = probe {
            self.probed(probe, dst);
        }
    }

    pub(super) fn store_release(&mut self, size: Size, address: Address, src: Register) {
        let place = self.place(address);
        self.aligned_or(What::StoreRelease, size, place, address, gpr(src), |emitter| {
            emitter.asm.ordered(Ordered::StoreRelease, size, gpr(src), place);
        });
    }

    pub(super) fn atomic(&mut self, op: AtomicOp, size: Size, address: Address, src: Register) {
        let place = self.place(address);
        let src = gpr(src);
        self.aligned_or(What::ReadModifyWrite(op), size, place, address, src, |emitter| {
            if emitter.features.atomics {
                emitter.atomic_at_once(op, size, place, src);
            } else {
                emitter.atomic_in_a_loop(op, size, place, src);
            }
        });
    }

    /// Does the one thing where the address is aligned, the other where it is not. The second scratch register is lost.
    fn aligned_or(
        &mut self,
        what: What,
        size: Size,
        place: Gpr,
        address: Address,
        register: Gpr,
        aligned: impl FnOnce(&mut Self),
    ) {
        let mask = bitmask(Width::W64, u64::from(size.bytes()) - 1);
        // Frames begin at addresses that are aligned.
        let known =
            address.base == Register::FRAME && address.index.is_none() && address.offset % i32::from(size.bytes()) == 0;
        let check = mask.filter(|_| !known);
        if let Some(mask) = check {
            self.asm.logical(Logical::Ands, Width::W64, Gpr::ZERO, place, mask);
            self.jump(When::Flags(Flags::NotEqual), Landing::Unaligned(self.unaligned.len() as u32));
        }
        aligned(self);
        if check.is_some() {
            let back = self.asm.position();
            self.unaligned.push(Unaligned { what, size, place, register, back });
        }
    }

    /// With the large system extension.
    fn atomic_at_once(&mut self, op: AtomicOp, size: Size, place: Gpr, src: Gpr) {
        let [.., inverted] = SCRATCH;
        let (atomic, operand) = match op {
            AtomicOp::Add { .. } => (Atomic::Add, src),
            AtomicOp::Or { .. } => (Atomic::Set, src),
            AtomicOp::Xor { .. } => (Atomic::Xor, src),
            AtomicOp::Xchg => (Atomic::Swap, src),
            AtomicOp::And { .. } => {
                self.asm.alu(Alu::OrNot, Width::W64, inverted, Gpr::ZERO, src);
                (Atomic::Clear, inverted)
            }
            AtomicOp::Cmpxchg => return self.asm.compare_and_swap(size, R0, src, place),
        };
        let old = if op.fetches() { src } else { Gpr::ZERO };
        self.asm.atomic(atomic, op.fetches(), size, (operand, old), place);
    }

    /// With exclusive loads and stores, until nobody came between.
    fn atomic_in_a_loop(&mut self, op: AtomicOp, size: Size, place: Gpr, src: Gpr) {
        // The place may be the first scratch register.
        let [_, status, old, new] = SCRATCH;
        let width = size.width();
        let ordered = op.fetches();
        let load = if ordered { Ordered::LoadAcquireExclusive } else { Ordered::LoadExclusive };
        let again = self.asm.position();
        self.asm.ordered(load, size, old, place);
        let stored = match alu(op) {
            Some(alu) => {
                self.asm.alu(alu, width, new, old, src);
                new
            }
            None => src,
        };
        let other = (op == AtomicOp::Cmpxchg).then(|| {
            self.asm.alu(Alu::Subs, width, Gpr::ZERO, old, R0);
            self.asm.jump(When::Flags(Flags::NotEqual))
        });
        self.asm.store_exclusive(ordered, size, status, stored, place);
        self.asm.jump_back(When::NotZero(Width::W32, status), again);
        if let Some(other) = other {
            self.asm.land(other, Reach::Conditional);
        }
        self.keep_old(op, width, src, old);
    }

    /// What was there goes to the register that fetches it.
    fn keep_old(&mut self, op: AtomicOp, width: Width, src: Gpr, old: Gpr) {
        if op == AtomicOp::Cmpxchg {
            self.asm.mov(width, R0, old);
        } else if op.fetches() {
            self.asm.mov(width, src, old);
        }
    }

    /// Writes what is done at unaligned addresses. Gives where each begins.
    pub(super) fn unaligned_accesses(&mut self) -> Vec<u32> {
        let all = std::mem::take(&mut self.unaligned);
        all.iter().map(|unaligned| self.unaligned_access(unaligned)).collect()
    }

    fn unaligned_access(&mut self, unaligned: &Unaligned) -> u32 {
        let Unaligned { what, size, place, register, back } = *unaligned;
        let begin = self.asm.position() as u32;
        let memory = Mem::new(place, 0);
        match what {
            What::LoadAcquire => {
                self.load_from(size, Extension::Zero, register, memory);
                self.asm.load_barrier();
            }
            What::StoreRelease => {
                self.asm.barrier();
                self.asm.access(Access::Store, size, register, memory);
            }
            What::ReadModifyWrite(op) => self.read_modify_write(op, size, memory, register),
        }
        self.asm.jump_back(When::Always, back);
        begin
    }

    fn read_modify_write(&mut self, op: AtomicOp, size: Size, memory: Mem, src: Gpr) {
        let [_, _, old, new] = SCRATCH;
        let width = size.width();
        self.load_from(size, Extension::Zero, old, memory);
        let stored = match alu(op) {
            Some(alu) => {
                self.asm.alu(alu, width, new, old, src);
                new
            }
            None => src,
        };
        let other = (op == AtomicOp::Cmpxchg).then(|| {
            self.asm.alu(Alu::Subs, width, Gpr::ZERO, old, R0);
            self.asm.jump(When::Flags(Flags::NotEqual))
        });
        self.asm.access(Access::Store, size, stored, memory);
        if let Some(other) = other {
            self.asm.land(other, Reach::Conditional);
        }
        self.keep_old(op, width, src, old);
    }
}
