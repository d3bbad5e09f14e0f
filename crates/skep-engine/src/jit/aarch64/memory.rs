//! Loads and stores.

use skep_isa::{Size, Width};

use super::Emitter;
use super::assembler::{Access, Alu, Flags, Gpr, Mem, Reach, When};
use super::registers::{SCRATCH, gpr};
use crate::interpret::READABLE;
use crate::jit::inst::{Address, Extension, Register, Source};

impl Emitter<'_> {
    /// The address as an access of that size can have it. The first two scratch registers may be lost.
    fn mem(&mut self, address: Address, size: Size) -> Mem {
        let [sum, constant, ..] = SCRATCH;
        let base = match address.index {
            None => gpr(address.base),
            Some(index) if address.offset == 0 && (index.shift == 0 || 1 << index.shift == size.bytes()) => {
                let scaled = index.shift != 0;
                return Mem::Index { base: gpr(address.base), index: gpr(index.register), scaled };
            }
            Some(index) => {
                let index = (gpr(index.register), index.shift);
                self.asm.alu_shifted(Alu::Add, Width::W64, sum, gpr(address.base), index);
                sum
            }
        };
        if Mem::reaches(size, address.offset) {
            return Mem::new(base, address.offset);
        }
        self.asm.mov_imm(constant, i64::from(address.offset).cast_unsigned());
        Mem::Index { base, index: constant, scaled: false }
    }

    /// A register that holds the address. The first two scratch registers may be lost.
    pub(super) fn place(&mut self, address: Address) -> Gpr {
        if address.index.is_none() && address.offset == 0 {
            return gpr(address.base);
        }
        let [place, ..] = SCRATCH;
        self.lea(place, address);
        place
    }

    pub(super) fn load(&mut self, size: Size, extension: Extension, dst: Register, address: Address) {
        let from = self.mem(address, size);
        self.load_from(size, extension, gpr(dst), from);
    }

    pub(super) fn load_from(&mut self, size: Size, extension: Extension, dst: Gpr, from: Mem) {
        match extension {
            Extension::Zero => self.asm.access(Access::Load, size, dst, from),
            Extension::Sign => self.asm.access(Access::LoadSigned, size, dst, from),
            Extension::SwappedZero => {
                self.asm.access(Access::Load, size, dst, from);
                self.swap_extended(size, dst);
            }
        }
    }

    /// A load that gives 0 where no host maps anything for a kernel struct.
    pub(super) fn probing_load(&mut self, size: Size, extension: Extension, dst: Register, address: Address) {
        let place = self.probing(size, address);
        self.load_from(size, extension, gpr(dst), Mem::new(place.address, 0));
        self.probed(place, gpr(dst));
    }

    /// Computes the address and jumps over what follows where nothing can be read.
    pub(super) fn probing(&mut self, size: Size, address: Address) -> Probe {
        let [place, relative, limit, _] = SCRATCH;
        self.lea(place, address);
        self.add_imm(Width::W64, relative, place, -(READABLE.start as i64));
        self.asm.mov_imm(limit, READABLE.end - READABLE.start - u64::from(size.bytes()));
        self.asm.alu(Alu::Subs, Width::W64, Gpr::ZERO, relative, limit);
        let unreadable = self.asm.jump(When::Flags(Flags::Above));
        Probe { address: place, unreadable }
    }

    /// The end of what [`Emitter::probing`] jumps over.
    pub(super) fn probed(&mut self, probe: Probe, dst: Gpr) {
        let done = self.asm.jump(When::Always);
        self.asm.land(probe.unreadable, Reach::Conditional);
        self.asm.mov_imm(dst, 0);
        self.asm.land(done, Reach::Always);
    }

    pub(super) fn store(&mut self, size: Size, address: Address, src: Source) {
        let to = self.mem(address, size);
        let src = match src {
            Source::Reg(src) => gpr(src),
            Source::Imm(imm) => self.constant_for_store(size, imm),
        };
        self.asm.access(Access::Store, size, src, to);
    }

    /// A register whose low bytes are those of the number; the third scratch register may be lost.
    fn constant_for_store(&mut self, size: Size, imm: i32) -> Gpr {
        let value = size.truncate(i64::from(imm).cast_unsigned());
        if value == 0 {
            return Gpr::ZERO;
        }
        let [_, _, scratch, _] = SCRATCH;
        self.asm.mov_imm(scratch, value);
        scratch
    }
}

/// A probing load in the making.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    /// Holds the address, which can be read.
    pub(super) address: Gpr,
    unreadable: usize,
}
