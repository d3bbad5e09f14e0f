//! Machine code of x86-64, byte by byte (Intel SDM volume 2). Only encodings; what they are for is decided elsewhere.
//!
//! Invariant: between two instructions there is room for [`ROOM`] more bytes, so that an instruction is written with
//! plain stores.

/// Most bytes between two calls of [`Assembler::make_room`].
const ROOM: usize = 256;

/// A general register by its number in encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gpr(pub(super) u8);

impl Gpr {
    pub(super) const RAX: Gpr = Gpr(0);
    pub(super) const RCX: Gpr = Gpr(1);
    pub(super) const RDX: Gpr = Gpr(2);
    pub(super) const RBX: Gpr = Gpr(3);
    pub(super) const RSP: Gpr = Gpr(4);
    pub(super) const RBP: Gpr = Gpr(5);
    pub(super) const RSI: Gpr = Gpr(6);
    pub(super) const RDI: Gpr = Gpr(7);
    pub(super) const R8: Gpr = Gpr(8);
    pub(super) const R9: Gpr = Gpr(9);
    pub(super) const R10: Gpr = Gpr(10);
    pub(super) const R11: Gpr = Gpr(11);
    pub(super) const R12: Gpr = Gpr(12);
    pub(super) const R13: Gpr = Gpr(13);
    pub(super) const R14: Gpr = Gpr(14);
    pub(super) const R15: Gpr = Gpr(15);

    const fn low(self) -> u64 {
        (self.0 & 7) as u64
    }

    const fn high(self) -> u64 {
        (self.0 >> 3) as u64
    }
}

/// A place in memory: `[base + index << shift + offset]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mem {
    pub(super) base: Gpr,
    pub(super) index: Option<(Gpr, u8)>,
    pub(super) offset: i32,
}

impl Mem {
    pub(super) const fn new(base: Gpr, offset: i32) -> Mem {
        Mem { base, index: None, offset }
    }
}

/// Operand size: 64 bits (`REX.W`) or less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wide {
    No,
    Yes,
}

impl From<skep_isa::Width> for Wide {
    fn from(width: skep_isa::Width) -> Wide {
        match width {
            skep_isa::Width::W32 => Wide::No,
            skep_isa::Width::W64 => Wide::Yes,
        }
    }
}

/// An opcode with what stands before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opcode {
    /// Prefix that comes before REX: 0x66, 0xf2, 0xf3, 0xf0 or 0 for none.
    prefix: u8,
    /// Bytes, the first in the low ones: 0x0fb6 is written `bytes(0xb6_0f, 2)`.
    bytes: u64,
    len: u8,
    /// A REX prefix even where no bit is set: byte registers spl to dil need it.
    force_rex: bool,
}

impl Opcode {
    pub(super) const fn one(byte: u8) -> Opcode {
        Opcode { prefix: 0, bytes: byte as u64, len: 1, force_rex: false }
    }

    /// `0f` and that byte.
    pub(super) const fn two(byte: u8) -> Opcode {
        Opcode { prefix: 0, bytes: 0x0f | (byte as u64) << 8, len: 2, force_rex: false }
    }

    /// `0f 38` and that byte.
    pub(super) const fn three(byte: u8) -> Opcode {
        Opcode { prefix: 0, bytes: 0x0f | 0x38 << 8 | (byte as u64) << 16, len: 3, force_rex: false }
    }

    pub(super) const fn prefix(self, prefix: u8) -> Opcode {
        Opcode { prefix, ..self }
    }

    pub(super) const fn rex(self) -> Opcode {
        Opcode { force_rex: true, ..self }
    }
}

/// The opcode extension of group instructions, or a register.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field(u64);

impl From<Gpr> for Field {
    fn from(register: Gpr) -> Field {
        Field(register.0.into())
    }
}

impl From<u8> for Field {
    fn from(extension: u8) -> Field {
        Field(extension.into())
    }
}

/// Code in the making.
#[derive(Debug)]
pub(super) struct Assembler {
    bytes: Vec<u8>,
    at: usize,
}

impl Assembler {
    pub(super) fn with_capacity(capacity: usize) -> Assembler {
        Assembler { bytes: vec![0; capacity + ROOM], at: 0 }
    }

    /// Makes sure of the invariant; called between instructions of the program.
    #[inline]
    pub(super) fn make_room(&mut self) {
        if self.bytes.len() - self.at < 2 * ROOM {
            self.bytes.resize(2 * self.bytes.len() + 2 * ROOM, 0);
        }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.truncate(self.at);
        self.bytes
    }

    /// Up to eight bytes, the first in the low ones.
    #[inline]
    pub(super) fn put(&mut self, bytes: u64, len: usize) {
        if let Some(place) = self.bytes.get_mut(self.at..self.at + 8) {
            place.copy_from_slice(&bytes.to_le_bytes());
        } else {
            self.put_slowly(bytes, len);
        }
        self.at += len;
    }

    #[cold]
    fn put_slowly(&mut self, bytes: u64, len: usize) {
        self.bytes.resize(self.at + 2 * ROOM, 0);
        self.bytes[self.at..self.at + len].copy_from_slice(&bytes.to_le_bytes()[..len]);
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.put(byte.into(), 1);
    }

    pub(super) fn imm32(&mut self, imm: i32) {
        self.put(imm.cast_unsigned().into(), 4);
    }

    /// Overwrites a byte or four at `at` with a displacement.
    pub(super) fn patch(&mut self, at: usize, displacement: i32, len: usize) {
        self.bytes[at..at + len].copy_from_slice(&displacement.to_le_bytes()[..len]);
    }

    /// Prefix, REX and opcode; `reg`, `index` and `rm` are register numbers.
    #[inline]
    fn head(&mut self, opcode: Opcode, wide: Wide, reg: u64, index: u64, rm: u64) {
        let rex = u64::from(wide == Wide::Yes) << 3 | (reg >> 3) << 2 | (index >> 3) << 1 | rm >> 3;
        let (mut bits, mut len) = (0, 0);
        if opcode.prefix != 0 {
            (bits, len) = (u64::from(opcode.prefix), 1);
        }
        if rex != 0 || opcode.force_rex {
            bits |= (0x40 | rex) << (8 * len);
            len += 1;
        }
        bits |= opcode.bytes << (8 * len);
        self.put(bits, len + usize::from(opcode.len));
    }

    /// `opcode reg, rm` between registers.
    #[inline]
    pub(super) fn rr(&mut self, opcode: Opcode, wide: Wide, reg: impl Into<Field>, rm: Gpr) {
        let Field(reg) = reg.into();
        self.head(opcode, wide, reg, 0, rm.0.into());
        self.put(0xc0 | (reg & 7) << 3 | rm.low(), 1);
    }

    /// `opcode reg, [memory]` in either direction.
    #[inline]
    pub(super) fn rm(&mut self, opcode: Opcode, wide: Wide, reg: impl Into<Field>, mem: Mem) {
        let Field(reg) = reg.into();
        self.head(opcode, wide, reg, mem.index.map_or(0, |(index, _)| index.0.into()), mem.base.0.into());
        self.memory(reg, mem);
    }

    /// ModRM, SIB and displacement.
    #[inline]
    fn memory(&mut self, reg: u64, mem: Mem) {
        let reg = (reg & 7) << 3;
        let base = mem.base.low();
        let (mode, displacement) = match i8::try_from(mem.offset) {
            // A base of rbp or r13 without displacement means something else.
            Ok(0) if base != 5 => (0x00, 0),
            Ok(_) => (0x40, 1),
            Err(_) => (0x80, 4),
        };
        let (bits, len) = match mem.index {
            Some((index, shift)) => {
                debug_assert!(index != Gpr::RSP, "rsp is no index");
                let sib = u64::from(shift) << 6 | index.low() << 3 | base;
                (mode | reg | 4 | sib << 8, 2)
            }
            // A base of rsp or r12 needs a SIB byte.
            None if base == 4 => (mode | reg | 4 | 0x24 << 8, 2),
            None => (mode | reg | base, 1),
        };
        let offset = u64::from(mem.offset.cast_unsigned());
        self.put(bits | offset << (8 * len), len + displacement);
    }

    /// `opcode reg, rm, imm` where the immediate has one byte if it fits, else four; the opcodes of both forms.
    #[inline]
    pub(super) fn rri(&mut self, short: u8, long: u8, wide: Wide, reg: impl Into<Field>, rm: Gpr, imm: i32) {
        let opcode = if i8::try_from(imm).is_ok() { short } else { long };
        self.rr(Opcode::one(opcode), wide, reg, rm);
        if opcode == short { self.byte(imm as u8) } else { self.imm32(imm) }
    }

    /// The shifts of BMI2: `dst = src shifted by count`.
    pub(super) fn shift_by_register(&mut self, shift: VexShift, wide: Wide, dst: Gpr, src: Gpr, count: Gpr) {
        // VEX.LZ.pp.0F38.W F7 /r: reg = dst, rm = src, vvvv = count.
        let map = 0xe2 & !(dst.high() << 7) & !(src.high() << 5);
        let rest = u64::from(wide == Wide::Yes) << 7 | (!u64::from(count.0) & 15) << 3 | shift as u64;
        let modrm = 0xc0 | dst.low() << 3 | src.low();
        self.put(0xc4 | map << 8 | rest << 16 | 0xf7 << 24 | modrm << 32, 5);
    }

    /// BMI2's `mulx`: `dst` = upper half of `rdx * src`; nothing else changes.
    pub(super) fn multiply_high(&mut self, dst: Gpr, src: Gpr) {
        // VEX.LZ.F2.0F38.W1 F6 /r: reg = upper half, vvvv = lower half, which the upper one overwrites.
        let map = 0xe2 & !(dst.high() << 7) & !(src.high() << 5);
        let rest = 0x80 | (!u64::from(dst.0) & 15) << 3 | 3;
        let modrm = 0xc0 | dst.low() << 3 | src.low();
        self.put(0xc4 | map << 8 | rest << 16 | 0xf6 << 24 | modrm << 32, 5);
    }

    // ----- single instructions -----

    /// Swaps all bytes of a register, or of its low half and clears the rest.
    pub(super) fn bswap(&mut self, wide: Wide, dst: Gpr) {
        self.head(Opcode::two(0xc8 | dst.low() as u8), wide, 0, 0, dst.0.into());
    }

    /// rdx or edx = the sign of rax or eax.
    pub(super) fn sign_into_rdx(&mut self, wide: Wide) {
        self.head(Opcode::one(0x99), wide, 0, 0, 0);
    }

    /// `dst = src`, all of it or its low half with zeroes above.
    pub(super) fn mov(&mut self, wide: Wide, dst: Gpr, src: Gpr) {
        self.rr(Opcode::one(0x89), wide, src, dst);
    }

    /// `dst = imm` in the shortest form; leaves the flags alone.
    pub(super) fn mov_imm(&mut self, dst: Gpr, imm: u64) {
        if let Ok(imm) = u32::try_from(imm) {
            self.head(Opcode::one(0xb8 | dst.low() as u8), Wide::No, 0, 0, dst.0.into());
            self.put(imm.into(), 4);
        } else if let Ok(imm) = i32::try_from(imm.cast_signed()) {
            self.rr(Opcode::one(0xc7), Wide::Yes, 0, dst);
            self.imm32(imm);
        } else {
            self.head(Opcode::one(0xb8 | dst.low() as u8), Wide::Yes, 0, 0, dst.0.into());
            self.put(imm, 8);
        }
    }

    /// `dst = 0`; changes the flags.
    pub(super) fn zero(&mut self, dst: Gpr) {
        self.rr(Opcode::one(0x31), Wide::No, dst, dst);
    }

    pub(super) fn load64(&mut self, dst: Gpr, mem: Mem) {
        self.rm(Opcode::one(0x8b), Wide::Yes, dst, mem);
    }

    pub(super) fn load32(&mut self, dst: Gpr, mem: Mem) {
        self.rm(Opcode::one(0x8b), Wide::No, dst, mem);
    }

    pub(super) fn store64(&mut self, mem: Mem, src: Gpr) {
        self.rm(Opcode::one(0x89), Wide::Yes, src, mem);
    }

    /// `dword [mem] = imm`
    pub(super) fn store32_imm(&mut self, mem: Mem, imm: i32) {
        self.rm(Opcode::one(0xc7), Wide::No, 0, mem);
        self.imm32(imm);
    }

    pub(super) fn lea(&mut self, dst: Gpr, mem: Mem) {
        self.rm(Opcode::one(0x8d), Wide::Yes, dst, mem);
    }

    /// One of the eight operations that share encodings, on a register.
    pub(super) fn group1(&mut self, operation: Group1, wide: Wide, dst: Gpr, src: Gpr) {
        self.rr(Opcode::one((operation as u8) << 3 | 1), wide, src, dst);
    }

    /// The same with an immediate.
    pub(super) fn group1_imm(&mut self, operation: Group1, wide: Wide, dst: Gpr, imm: i32) {
        self.rri(0x83, 0x81, wide, operation as u8, dst, imm);
    }

    /// The same on memory.
    pub(super) fn group1_memory_imm(&mut self, operation: Group1, wide: Wide, mem: Mem, imm: i32) {
        let short = i8::try_from(imm).is_ok();
        self.rm(Opcode::one(if short { 0x83 } else { 0x81 }), wide, operation as u8, mem);
        if short { self.byte(imm as u8) } else { self.imm32(imm) }
    }

    pub(super) fn test(&mut self, wide: Wide, left: Gpr, right: Gpr) {
        self.rr(Opcode::one(0x85), wide, right, left);
    }

    /// Tests bits of a register; a mask of the low byte has a short form.
    pub(super) fn test_imm(&mut self, wide: Wide, left: Gpr, mask: i32) {
        if (0..0x80).contains(&mask) {
            self.rr(Opcode::one(0xf6).rex(), Wide::No, 0, left);
            self.byte(mask as u8);
        } else {
            // Without a sign to extend, the low half says it all.
            let wide = if mask >= 0 { Wide::No } else { wide };
            self.rr(Opcode::one(0xf7), wide, 0, left);
            self.imm32(mask);
        }
    }

    pub(super) fn push(&mut self, register: Gpr) {
        self.head(Opcode::one(0x50 | register.low() as u8), Wide::No, 0, 0, register.0.into());
    }

    pub(super) fn pop(&mut self, register: Gpr) {
        self.head(Opcode::one(0x58 | register.low() as u8), Wide::No, 0, 0, register.0.into());
    }

    pub(super) fn ret(&mut self) {
        self.byte(0xc3);
    }

    /// Calls the function whose address a register holds.
    pub(super) fn call_register(&mut self, target: Gpr) {
        self.rr(Opcode::one(0xff), Wide::No, 2, target);
    }

    pub(super) fn jump_register(&mut self, target: Gpr) {
        self.rr(Opcode::one(0xff), Wide::No, 4, target);
    }

    /// No operation, `len` bytes long in as few instructions as possible.
    pub(super) fn nops(&mut self, mut len: usize) {
        const LONG: [(u64, usize); 8] = [
            (0x90, 1),
            (0x9066, 2),
            (0x0000_1f0f, 3),
            (0x0040_1f0f, 4),
            (0x0044_1f0f, 5),
            (0x441f_0f66, 6),
            (0x0080_1f0f, 7),
            (0x0084_1f0f, 8),
        ];
        while len > 0 {
            let (bits, size) = LONG[len.min(8) - 1];
            self.put(bits, size);
            len -= size;
        }
    }

    /// A jump within a few bytes, to be patched by [`Assembler::land`].
    pub(super) fn short_jump(&mut self, condition: Option<Flags>) -> ShortJump {
        self.put(condition.map_or(0xeb, |flags| 0x70 | flags as u64), 2);
        ShortJump(self.at)
    }

    /// Jumps back to `target` if the flags say so.
    pub(super) fn short_jump_back(&mut self, flags: Flags, target: usize) {
        let displacement = target as i64 - (self.at as i64 + 2);
        debug_assert!(displacement >= -128, "a short jump of {displacement} bytes");
        self.put(0x70 | flags as u64 | (displacement as u64 & 0xff) << 8, 2);
    }

    /// The jump comes here.
    pub(super) fn land(&mut self, ShortJump(from): ShortJump) {
        let distance = self.at - from;
        debug_assert!(distance < 128, "a short jump of {distance} bytes");
        self.patch(from - 1, distance as i32, 1);
    }
}

/// A jump that has not landed yet: the end of its instruction.
#[must_use]
#[derive(Debug)]
pub(super) struct ShortJump(usize);

/// Operations of opcodes 00 to 3f and groups 80 to 83.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Group1 {
    Add = 0,
    Or = 1,
    Adc = 2,
    And = 4,
    Sub = 5,
    Xor = 6,
    Cmp = 7,
}

/// Shifts by a register, as the `pp` field of their VEX prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum VexShift {
    Left = 1,
    Arithmetic = 2,
    Right = 3,
}

/// Condition codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Flags {
    Below = 2,
    AboveOrEqual = 3,
    Equal = 4,
    NotEqual = 5,
    BelowOrEqual = 6,
    Above = 7,
    Less = 12,
    GreaterOrEqual = 13,
    LessOrEqual = 14,
    Greater = 15,
}
