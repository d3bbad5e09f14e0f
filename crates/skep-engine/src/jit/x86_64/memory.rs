//! Loads, stores and atomic operations.

use skep_isa::{AtomicOp, Size};

use super::Emitter;
use super::assembler::{Flags, Gpr, Group1, Mem, Opcode, Wide};
use super::registers::{SCRATCH, gpr, mem};
use crate::interpret::READABLE;
use crate::jit::inst::{Address, Extension, Register, Registers, Source};

impl Emitter<'_> {
    pub(super) fn load(&mut self, size: Size, extension: Extension, dst: Register, address: Address) {
        self.load_from(size, extension, gpr(dst), mem(address));
    }

    fn load_from(&mut self, size: Size, extension: Extension, dst: Gpr, from: Mem) {
        match (extension, size) {
            (Extension::SwappedZero, Size::Word | Size::Double) if self.features.movbe => {
                let wide = if size == Size::Double { Wide::Yes } else { Wide::No };
                self.asm.rm(Opcode::three(0xf0), wide, dst, from);
            }
            (Extension::SwappedZero, _) => {
                self.load_from(size, Extension::Zero, dst, from);
                self.swap_register(size, dst);
            }
            (Extension::Zero, Size::Byte) => self.asm.rm(Opcode::two(0xb6), Wide::No, dst, from),
            (Extension::Zero, Size::Half) => self.asm.rm(Opcode::two(0xb7), Wide::No, dst, from),
            (Extension::Zero, Size::Word) => self.asm.load32(dst, from),
            (Extension::Sign, Size::Byte) => self.asm.rm(Opcode::two(0xbe), Wide::Yes, dst, from),
            (Extension::Sign, Size::Half) => self.asm.rm(Opcode::two(0xbf), Wide::Yes, dst, from),
            (Extension::Sign, Size::Word) => self.asm.rm(Opcode::one(0x63), Wide::Yes, dst, from),
            (_, Size::Double) => self.asm.load64(dst, from),
        }
    }

    /// A load that gives 0 where no host maps anything for a kernel struct.
    pub(super) fn probing_load(&mut self, size: Size, extension: Extension, dst: Register, address: Address) {
        let [place, relative, limit] = SCRATCH;
        let dst = gpr(dst);
        self.asm.lea(place, mem(address));
        self.asm.lea(relative, Mem::new(place, -(READABLE.start as i32)));
        self.asm.mov_imm(limit, READABLE.end - READABLE.start - u64::from(size.bytes()));
        self.asm.group1(Group1::Cmp, Wide::Yes, relative, limit);
        let unreadable = self.asm.short_jump(Some(Flags::Above));
        self.load_from(size, extension, dst, Mem::new(place, 0));
        let done = self.asm.short_jump(None);
        self.asm.land(unreadable);
        self.asm.zero(dst);
        self.asm.land(done);
    }

    pub(super) fn store(&mut self, size: Size, address: Address, src: Source) {
        match src {
            Source::Reg(src) => self.store_register(size, mem(address), gpr(src)),
            Source::Imm(imm) => self.store_imm(size, mem(address), imm),
        }
    }

    fn store_register(&mut self, size: Size, to: Mem, src: Gpr) {
        match size {
            Size::Byte => self.asm.rm(Opcode::one(0x88).rex(), Wide::No, src, to),
            Size::Half => self.asm.rm(Opcode::one(0x89).prefix(0x66), Wide::No, src, to),
            Size::Word => self.asm.rm(Opcode::one(0x89), Wide::No, src, to),
            Size::Double => self.asm.store64(to, src),
        }
    }

    fn store_imm(&mut self, size: Size, to: Mem, imm: i32) {
        match size {
            Size::Byte => {
                self.asm.rm(Opcode::one(0xc6), Wide::No, 0, to);
                self.asm.byte(imm as u8);
            }
            Size::Half => {
                self.asm.rm(Opcode::one(0xc7).prefix(0x66), Wide::No, 0, to);
                self.asm.put(u64::from(imm as u16), 2);
            }
            Size::Word => self.asm.store32_imm(to, imm),
            Size::Double => {
                self.asm.rm(Opcode::one(0xc7), Wide::Yes, 0, to);
                self.asm.imm32(imm);
            }
        }
    }

    /// Loads and stores of this machine are acquire and release as they are.
    pub(super) fn load_acquire(&mut self, size: Size, probing: bool, dst: Register, address: Address) {
        if probing {
            self.probing_load(size, Extension::Zero, dst, address);
        } else {
            self.load(size, Extension::Zero, dst, address);
        }
    }

    pub(super) fn atomic(&mut self, op: AtomicOp, size: Size, address: Address, src: Register, live: Registers) {
        let wide = if size == Size::Double { Wide::Yes } else { Wide::No };
        let (place, value) = (mem(address), gpr(src));
        let lock = |opcode: Opcode| opcode.prefix(0xf0);
        match op {
            AtomicOp::Add { fetch: false } => self.asm.rm(lock(Opcode::one(0x01)), wide, value, place),
            AtomicOp::Or { fetch: false } => self.asm.rm(lock(Opcode::one(0x09)), wide, value, place),
            AtomicOp::And { fetch: false } => self.asm.rm(lock(Opcode::one(0x21)), wide, value, place),
            AtomicOp::Xor { fetch: false } => self.asm.rm(lock(Opcode::one(0x31)), wide, value, place),
            AtomicOp::Add { fetch: true } => self.asm.rm(lock(Opcode::two(0xc1)), wide, value, place),
            // An exchange is locked without being told.
            AtomicOp::Xchg => self.asm.rm(Opcode::one(0x87), wide, value, place),
            AtomicOp::Cmpxchg => {
                self.asm.rm(lock(Opcode::two(0xb1)), wide, value, place);
                if wide == Wide::No {
                    // Where it did exchange, the machine leaves rax alone, upper half included.
                    self.asm.mov(wide, Gpr::RAX, Gpr::RAX);
                }
            }
            AtomicOp::Or { fetch: true } => self.fetch_and(Group1::Or, wide, address, src, live),
            AtomicOp::And { fetch: true } => self.fetch_and(Group1::And, wide, address, src, live),
            AtomicOp::Xor { fetch: true } => self.fetch_and(Group1::Xor, wide, address, src, live),
        }
    }

    /// What has no instruction of its own: compute and exchange until nobody came between.
    fn fetch_and(&mut self, operation: Group1, wide: Wide, address: Address, src: Register, live: Registers) {
        let [saved_rax, result, place] = SCRATCH;
        self.asm.lea(place, mem(address));
        let operand = if src == Register::R0 { saved_rax } else { gpr(src) };
        if src == Register::R0 || live.contains(Register::R0) {
            self.asm.mov(Wide::Yes, saved_rax, Gpr::RAX);
        }
        let load = Opcode::one(0x8b);
        self.asm.rm(load, wide, Gpr::RAX, Mem::new(place, 0));
        let again = self.asm.position();
        self.asm.mov(wide, result, Gpr::RAX);
        self.asm.group1(operation, wide, result, operand);
        self.asm.rm(Opcode::two(0xb1).prefix(0xf0), wide, result, Mem::new(place, 0));
        self.asm.short_jump_back(Flags::NotEqual, again);
        if src != Register::R0 {
            self.asm.mov(wide, gpr(src), Gpr::RAX);
            if live.contains(Register::R0) {
                self.asm.mov(Wide::Yes, Gpr::RAX, saved_rax);
            }
        }
    }
}
