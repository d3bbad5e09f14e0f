//! Machine code of AArch64, word by word (Arm Architecture Reference Manual, C4 and C6). Only encodings; what they are for
//! is decided elsewhere.

use skep_isa::{Size, Width};

use super::immediates::{self, Part};

/// A general register by its number in encodings. Number 31 is zero or the stack pointer, as the instruction has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gpr(pub(super) u8);

impl Gpr {
    pub(super) const ZERO: Gpr = Gpr(31);
    pub(super) const SP: Gpr = Gpr(31);

    const fn at(self, shift: u32) -> u32 {
        ((self.0 & 31) as u32) << shift
    }
}

/// A place in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mem {
    /// `[base + offset]`, with an offset that [`Mem::reaches`].
    Offset { base: Gpr, offset: i32 },
    /// `[base + index]`, the index shifted by the size of the access where `scaled`.
    Index { base: Gpr, index: Gpr, scaled: bool },
}

impl Mem {
    pub(super) const fn new(base: Gpr, offset: i32) -> Mem {
        Mem::Offset { base, offset }
    }

    /// Whether an access of that size can have the offset: 12 bits in units of the size, or 9 bits with a sign.
    pub(super) const fn reaches(size: Size, offset: i32) -> bool {
        Mem::is_scaled(size, offset) || -256 <= offset && offset < 256
    }

    const fn is_scaled(size: Size, offset: i32) -> bool {
        let bytes = size.bytes() as i32;
        offset >= 0 && offset % bytes == 0 && offset / bytes < 1 << 12
    }
}

/// What an access does with the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Store = 0,
    /// Zero-extends.
    Load = 1,
    /// Sign-extends to 64 bits.
    LoadSigned = 2,
}

/// What two registers become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alu {
    Add = 0x0b00_0000,
    Sub = 0x4b00_0000,
    /// Sets the flags.
    Subs = 0x6b00_0000,
    And = 0x0a00_0000,
    Or = 0x2a00_0000,
    Xor = 0x4a00_0000,
    /// Sets the flags.
    Ands = 0x6a00_0000,
    /// Or with the complement of the second.
    OrNot = 0x2a20_0000,
}

/// Additions with an immediate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AluImm {
    Add = 0x1100_0000,
    Sub = 0x5100_0000,
    /// Sets the flags.
    Adds = 0x3100_0000,
    /// Sets the flags.
    Subs = 0x7100_0000,
}

/// Logical operations with a bit mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Logical {
    And = 0x1200_0000,
    Or = 0x3200_0000,
    Xor = 0x5200_0000,
    /// Sets the flags.
    Ands = 0x7200_0000,
}

/// Two-source operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alu2 {
    Udiv = 0x1ac0_0800,
    Sdiv = 0x1ac0_0c00,
    ShiftLeft = 0x1ac0_2000,
    ShiftRight = 0x1ac0_2400,
    ShiftArithmetic = 0x1ac0_2800,
}

/// Three-source operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Multiply {
    /// `accumulator + left * right`
    Add = 0x1b00_0000,
    /// `accumulator - left * right`
    Sub = 0x1b00_8000,
}

/// Operations of one register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Swap {
    /// The bytes of each half word of a word.
    Halves = 0x5ac0_0400,
    Word = 0x5ac0_0800,
    Double = 0xdac0_0c00,
}

/// Conditions; the lowest bit inverts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flags {
    Equal = 0,
    NotEqual = 1,
    AboveOrEqual = 2,
    Below = 3,
    Above = 8,
    BelowOrEqual = 9,
    GreaterOrEqual = 10,
    Less = 11,
    Greater = 12,
    LessOrEqual = 13,
}

impl Flags {
    pub(super) const fn inverted(self) -> Flags {
        match self {
            Flags::Equal => Flags::NotEqual,
            Flags::NotEqual => Flags::Equal,
            Flags::AboveOrEqual => Flags::Below,
            Flags::Below => Flags::AboveOrEqual,
            Flags::Above => Flags::BelowOrEqual,
            Flags::BelowOrEqual => Flags::Above,
            Flags::GreaterOrEqual => Flags::Less,
            Flags::Less => Flags::GreaterOrEqual,
            Flags::Greater => Flags::LessOrEqual,
            Flags::LessOrEqual => Flags::Greater,
        }
    }
}

/// Loads and stores whose order others see, and exclusive ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ordered {
    LoadAcquire = 0x08df_fc00,
    StoreRelease = 0x089f_fc00,
    LoadExclusive = 0x085f_7c00,
    LoadAcquireExclusive = 0x085f_fc00,
}

/// Atomic operations of the large system extension; the second register receives what was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Atomic {
    Add = 0x3820_0000,
    /// And with the complement.
    Clear = 0x3820_1000,
    Xor = 0x3820_2000,
    Set = 0x3820_3000,
    Swap = 0x3820_8000,
}

/// How pairs are addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pair {
    /// After which the base is what it was.
    Offset = 0x2900_0000,
    /// The base is changed before.
    Before = 0x2980_0000,
    /// The base is changed afterwards.
    After = 0x2880_0000,
}

/// How far a branch can lead, and where its displacement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// 14 bits: 32 KiB.
    Bit,
    /// 19 bits: 1 MiB.
    Conditional,
    /// 26 bits: 128 MiB.
    Always,
}

impl Reach {
    const fn bits(self) -> u32 {
        match self {
            Reach::Bit => 14,
            Reach::Conditional => 19,
            Reach::Always => 26,
        }
    }

    /// Bytes that it reaches forwards and, more than these, backwards.
    pub(super) const fn bytes(self) -> u32 {
        (4 << (self.bits() - 1)) - 4
    }
}

/// When to jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Always,
    Flags(Flags),
    Zero(Width, Gpr),
    NotZero(Width, Gpr),
    BitClear(Gpr, u8),
    BitSet(Gpr, u8),
}

impl When {
    pub(super) const fn reach(self) -> Reach {
        match self {
            When::Always => Reach::Always,
            When::Flags(_) | When::Zero(..) | When::NotZero(..) => Reach::Conditional,
            When::BitClear(..) | When::BitSet(..) => Reach::Bit,
        }
    }

    /// The opposite; there is none of always.
    pub(super) const fn inverted(self) -> When {
        match self {
            When::Always => When::Always,
            When::Flags(flags) => When::Flags(flags.inverted()),
            When::Zero(width, register) => When::NotZero(width, register),
            When::NotZero(width, register) => When::Zero(width, register),
            When::BitClear(register, bit) => When::BitSet(register, bit),
            When::BitSet(register, bit) => When::BitClear(register, bit),
        }
    }

    /// The instruction, with a displacement of zero.
    const fn word(self) -> u32 {
        match self {
            When::Always => 0x1400_0000,
            When::Flags(flags) => 0x5400_0000 | flags as u32,
            When::Zero(width, register) => 0x3400_0000 | sf(width) | register.at(0),
            When::NotZero(width, register) => 0x3500_0000 | sf(width) | register.at(0),
            When::BitClear(register, bit) => 0x3600_0000 | bit_number(bit) | register.at(0),
            When::BitSet(register, bit) => 0x3700_0000 | bit_number(bit) | register.at(0),
        }
    }
}

/// The bit that makes an instruction a 64-bit one.
const fn sf(width: Width) -> u32 {
    match width {
        Width::W32 => 0,
        Width::W64 => 1 << 31,
    }
}

const fn bit_number(bit: u8) -> u32 {
    ((bit >> 5 & 1) as u32) << 31 | ((bit & 31) as u32) << 19
}

/// The size of an access as encoded.
const fn size_bits(size: Size) -> u32 {
    size.bytes().trailing_zeros() << 30
}

/// Code in the making.
#[derive(Debug)]
pub(super) struct Assembler {
    words: Vec<u32>,
}

impl Assembler {
    pub(super) fn with_capacity(words: usize) -> Assembler {
        Assembler { words: Vec::with_capacity(words) }
    }

    /// In bytes.
    pub(super) fn position(&self) -> usize {
        4 * self.words.len()
    }

    pub(super) fn finish(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(4 * self.words.len());
        for word in self.words {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    #[inline]
    pub(super) fn word(&mut self, word: u32) {
        self.words.push(word);
    }

    pub(super) fn nop(&mut self) {
        self.word(0xd503_201f);
    }

    /// `dst = left op (right << shift)`
    pub(super) fn alu_shifted(&mut self, op: Alu, width: Width, dst: Gpr, left: Gpr, (right, shift): (Gpr, u8)) {
        self.word(op as u32 | sf(width) | right.at(16) | u32::from(shift) << 10 | left.at(5) | dst.at(0));
    }

    /// `dst = left + right / 2`, unsigned.
    pub(super) fn add_half(&mut self, width: Width, dst: Gpr, left: Gpr, right: Gpr) {
        self.word(Alu::Add as u32 | sf(width) | 1 << 22 | right.at(16) | 1 << 10 | left.at(5) | dst.at(0));
    }

    pub(super) fn alu(&mut self, op: Alu, width: Width, dst: Gpr, left: Gpr, right: Gpr) {
        self.alu_shifted(op, width, dst, left, (right, 0));
    }

    /// `bits` are those of [`immediates::unsigned12`]. Number 31 is the stack pointer, but where flags are set, as `dst`.
    pub(super) fn alu_imm(&mut self, op: AluImm, width: Width, dst: Gpr, left: Gpr, bits: u32) {
        self.word(op as u32 | sf(width) | bits << 10 | left.at(5) | dst.at(0));
    }

    /// `bits` are those of [`immediates::bitmask`].
    pub(super) fn logical(&mut self, op: Logical, width: Width, dst: Gpr, left: Gpr, bits: u32) {
        self.word(op as u32 | sf(width) | bits << 10 | left.at(5) | dst.at(0));
    }

    pub(super) fn alu2(&mut self, op: Alu2, width: Width, dst: Gpr, left: Gpr, right: Gpr) {
        self.word(op as u32 | sf(width) | right.at(16) | left.at(5) | dst.at(0));
    }

    pub(super) fn multiply(&mut self, op: Multiply, width: Width, dst: Gpr, (left, right): (Gpr, Gpr), to: Gpr) {
        self.word(op as u32 | sf(width) | right.at(16) | to.at(10) | left.at(5) | dst.at(0));
    }

    /// The upper half of the product of two unsigned 64-bit numbers.
    pub(super) fn multiply_high(&mut self, dst: Gpr, left: Gpr, right: Gpr) {
        self.word(0x9bc0_7c00 | right.at(16) | left.at(5) | dst.at(0));
    }

    /// The 64-bit product of two unsigned 32-bit numbers.
    pub(super) fn multiply_wide(&mut self, dst: Gpr, left: Gpr, right: Gpr) {
        self.word(0x9ba0_7c00 | right.at(16) | left.at(5) | dst.at(0));
    }

    pub(super) fn swap(&mut self, op: Swap, dst: Gpr, src: Gpr) {
        self.word(op as u32 | src.at(5) | dst.at(0));
    }

    /// Between general registers; a 32-bit one clears the upper half.
    pub(super) fn mov(&mut self, width: Width, dst: Gpr, src: Gpr) {
        self.alu(Alu::Or, width, dst, Gpr::ZERO, src);
    }

    /// From the stack pointer.
    pub(super) fn mov_from_sp(&mut self, dst: Gpr) {
        self.alu_imm(AluImm::Add, Width::W64, dst, Gpr::SP, 0);
    }

    /// To the stack pointer.
    pub(super) fn mov_to_sp(&mut self, src: Gpr) {
        self.alu_imm(AluImm::Add, Width::W64, Gpr::SP, src, 0);
    }

    pub(super) fn mov_imm(&mut self, dst: Gpr, value: u64) {
        let (width, parts) = immediates::parts(value);
        for part in parts {
            let (op, bits, at) = match part {
                Part::Mask(mask) => {
                    self.logical(Logical::Or, width, dst, Gpr::ZERO, mask);
                    continue;
                }
                Part::Ones { bits, at } => (0x1280_0000, bits, at),
                Part::Zeroes { bits, at } => (0x5280_0000, bits, at),
                Part::Keep { bits, at } => (0x7280_0000, bits, at),
            };
            self.word(op | sf(width) | u32::from(at) << 21 | u32::from(bits) << 5 | dst.at(0));
        }
    }

    /// A bit field, zero-extended (`UBFM`) or sign-extended (`SBFM`).
    fn bit_field(&mut self, signed: bool, width: Width, dst: Gpr, src: Gpr, (immr, imms): (u32, u32)) {
        let op = if signed { 0x1300_0000 } else { 0x5300_0000 };
        let n = sf(width) >> 9;
        self.word(op | sf(width) | n | immr << 16 | imms << 10 | src.at(5) | dst.at(0));
    }

    /// The low bits of a register, extended.
    pub(super) fn extend(&mut self, size: Size, signed: bool, width: Width, dst: Gpr, src: Gpr) {
        self.bit_field(signed, width, dst, src, (0, u32::from(size.bits()) - 1));
    }

    /// By less than the width.
    pub(super) fn shift_left(&mut self, width: Width, dst: Gpr, src: Gpr, by: u32) {
        let bits = width.bits();
        self.bit_field(false, width, dst, src, ((bits - by) % bits, bits - 1 - by));
    }

    /// By less than the width.
    pub(super) fn shift_right(&mut self, signed: bool, width: Width, dst: Gpr, src: Gpr, by: u32) {
        self.bit_field(signed, width, dst, src, (by, width.bits() - 1));
    }

    /// `dst = flags ? left : right`
    pub(super) fn select(&mut self, flags: Flags, dst: Gpr, left: Gpr, right: Gpr) {
        self.word(0x9a80_0000 | right.at(16) | (flags as u32) << 12 | left.at(5) | dst.at(0));
    }

    /// `dst = flags ? left : right + 1`
    pub(super) fn select_incremented(&mut self, flags: Flags, dst: Gpr, left: Gpr, right: Gpr) {
        self.word(0x9a80_0400 | right.at(16) | (flags as u32) << 12 | left.at(5) | dst.at(0));
    }

    pub(super) fn access(&mut self, access: Access, size: Size, register: Gpr, mem: Mem) {
        // Eight bytes have nothing to extend.
        let access = if size == Size::Double && access == Access::LoadSigned { Access::Load } else { access };
        let common = 0x3800_0000 | size_bits(size) | (access as u32) << 22 | register.at(0);
        self.word(match mem {
            Mem::Offset { base, offset } if Mem::is_scaled(size, offset) => {
                let units = offset.cast_unsigned() / u32::from(size.bytes());
                common | 1 << 24 | units << 10 | base.at(5)
            }
            Mem::Offset { base, offset } => {
                debug_assert!(Mem::reaches(size, offset), "offset {offset} does not fit");
                common | (offset.cast_unsigned() & 0x1ff) << 12 | base.at(5)
            }
            Mem::Index { base, index, scaled } => {
                common | 0x20_6800 | index.at(16) | u32::from(scaled) << 12 | base.at(5)
            }
        });
    }

    pub(super) fn load64(&mut self, dst: Gpr, mem: Mem) {
        self.access(Access::Load, Size::Double, dst, mem);
    }

    pub(super) fn load32(&mut self, dst: Gpr, mem: Mem) {
        self.access(Access::Load, Size::Word, dst, mem);
    }

    pub(super) fn store64(&mut self, mem: Mem, src: Gpr) {
        self.access(Access::Store, Size::Double, src, mem);
    }

    pub(super) fn store32(&mut self, mem: Mem, src: Gpr) {
        self.access(Access::Store, Size::Word, src, mem);
    }

    /// Two registers at a multiple of eight bytes from the base.
    pub(super) fn store_pair(&mut self, pair: Pair, (first, second): (Gpr, Gpr), base: Gpr, offset: i32) {
        self.pair(pair as u32 | 1 << 31, (first, second), base, offset / 8);
    }

    /// See [`Assembler::store_pair`].
    pub(super) fn load_pair(&mut self, pair: Pair, (first, second): (Gpr, Gpr), base: Gpr, offset: i32) {
        self.pair(pair as u32 | 1 << 31 | 1 << 22, (first, second), base, offset / 8);
    }

    fn pair(&mut self, op: u32, (first, second): (Gpr, Gpr), base: Gpr, units: i32) {
        debug_assert!((-64..64).contains(&units), "a pair at {units} units");
        let units = (units.cast_unsigned() & 0x7f) << 15;
        self.word(op | units | second.at(10) | base.at(5) | first.at(0));
    }

    /// One register, the stack pointer lowered by 16 bytes before.
    pub(super) fn push(&mut self, register: Gpr) {
        self.word(0xf800_0c00 | (-16_i32 as u32 & 0x1ff) << 12 | Gpr::SP.at(5) | register.at(0));
    }

    /// One register, the stack pointer raised by 16 bytes afterwards.
    pub(super) fn pop(&mut self, register: Gpr) {
        self.word(0xf840_0400 | 16 << 12 | Gpr::SP.at(5) | register.at(0));
    }

    /// Vector register 0 becomes zero.
    pub(super) fn zero_vector(&mut self) {
        self.word(0x6f00_e400);
    }

    /// Vector register 0 twice, at a multiple of 16 bytes from the base.
    pub(super) fn store_vector_twice(&mut self, base: Gpr, offset: i32) {
        self.pair(0xad00_0000, (Gpr(0), Gpr(0)), base, offset / 16);
    }

    /// The register at the address that the base holds.
    pub(super) fn ordered(&mut self, op: Ordered, size: Size, register: Gpr, base: Gpr) {
        self.word(op as u32 | size_bits(size) | base.at(5) | register.at(0));
    }

    /// `status` becomes zero if nobody came between.
    pub(super) fn store_exclusive(&mut self, release: bool, size: Size, status: Gpr, src: Gpr, base: Gpr) {
        self.word(0x0800_7c00 | u32::from(release) << 15 | size_bits(size) | status.at(16) | base.at(5) | src.at(0));
    }

    /// Fully ordered, or not at all.
    pub(super) fn atomic(&mut self, op: Atomic, ordered: bool, size: Size, (src, old): (Gpr, Gpr), base: Gpr) {
        let order = if ordered { 3 << 22 } else { 0 };
        self.word(op as u32 | order | size_bits(size) | src.at(16) | base.at(5) | old.at(0));
    }

    /// Stores `new` where `expected` is found, which becomes what was found; fully ordered.
    pub(super) fn compare_and_swap(&mut self, size: Size, expected: Gpr, new: Gpr, base: Gpr) {
        self.word(0x08e0_fc00 | size_bits(size) | expected.at(16) | base.at(5) | new.at(0));
    }

    pub(super) fn jump_register(&mut self, register: Gpr) {
        self.word(0xd61f_0000 | register.at(5));
    }

    pub(super) fn call_register(&mut self, register: Gpr) {
        self.word(0xd63f_0000 | register.at(5));
    }

    pub(super) fn ret(&mut self) {
        self.word(0xd65f_03c0);
    }

    /// Loads and stores before it come before those after it, as all threads see them.
    pub(super) fn barrier(&mut self) {
        self.word(0xd503_3bbf);
    }

    /// The same for loads before it.
    pub(super) fn load_barrier(&mut self) {
        self.word(0xd503_39bf);
    }

    /// A call whose displacement is to be filled in.
    pub(super) fn call(&mut self) {
        self.word(0x9400_0000);
    }

    /// A jump whose displacement is to be filled in. Gives its position.
    pub(super) fn jump(&mut self, when: When) -> usize {
        let at = self.position();
        self.word(when.word());
        at
    }

    /// Makes the jump lead here.
    pub(super) fn land(&mut self, at: usize, reach: Reach) {
        self.patch(at, self.position() as i64 - at as i64, reach);
    }

    /// A jump back to a position nearby.
    pub(super) fn jump_back(&mut self, when: When, to: usize) {
        let at = self.jump(when);
        self.patch(at, to as i64 - at as i64, when.reach());
    }

    /// Fills in the displacement, in bytes, of the branch at `at`.
    pub(super) fn patch(&mut self, at: usize, displacement: i64, reach: Reach) {
        let units = displacement >> 2;
        let half = 1_i64 << (reach.bits() - 1);
        debug_assert!((-half..half).contains(&units), "a branch of {displacement} bytes as {reach:?}");
        let mask = (1_u32 << reach.bits()) - 1;
        let shift = if reach == Reach::Always { 0 } else { 5 };
        self.words[at / 4] |= (units as u32 & mask) << shift;
    }
}
