//! Random programs that end, touch only their memory and stack, and compute with everything there is.
//!
//! r6 is the memory's address, r9 counts rounds; all other registers hold numbers, so that what the program returns does
//! not depend on where its stack is.

use skep_isa::Slot;

/// Bytes of memory that a program works on.
pub(super) const MEMORY_BYTES: usize = 96;

const ADD: u8 = 0;
const OR: u8 = 4;
const AND: u8 = 5;
const LSH: u8 = 6;
const MOV: u8 = 0xb;
const REG: u8 = 8;
const ALU64: u8 = 7;
const JMP: u8 = 5;
const MEM: u8 = 0x60;
const MEMSX: u8 = 0x80;
const ATOMIC: u8 = 0xc0;
/// Sizes as encoded, and their bytes.
const SIZES: [(u8, i16); 4] = [(0x10, 1), (0x08, 2), (0x00, 4), (0x18, 8)];

/// A reproducible source of random numbers (splitmix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    fn register(&mut self) -> u8 {
        self.of(&[0, 1, 2, 3, 4, 5, 7, 8])
    }

    /// Numbers with the edges of encodings more often than chance has them.
    fn number(&mut self) -> i32 {
        let number = self.next() as i32;
        match self.below(10) {
            0 => self.of(&[0, 1, -1, 2, -2, i32::MIN, i32::MAX, 4095, 4096, -4096, 0xffff, 0x1_0000, 0xff]),
            1 | 2 => number >> 24,
            3 => number >> 12,
            4 => 1 << self.below(32),
            5 => (1_u32 << self.below(31)).wrapping_sub(1) as i32,
            6 => (number >> 20) << 12,
            _ => number,
        }
    }
}

fn insn(opcode: u8, dst: u8, src: u8, offset: i16, imm: i32) -> Slot {
    Slot { opcode, dst, src, offset, imm }
}

fn constant(dst: u8, value: u64) -> Vec<Slot> {
    vec![insn(0x18, dst, 0, 0, value as i32), insn(0, 0, 0, 0, (value >> 32) as i32)]
}

/// Whether programs count on r1 to r5 being the same after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterCalls {
    /// As in the interpreter, they do.
    Kept,
    /// As the verifier wants it, they do not.
    Lost,
}

/// A program.
pub(super) fn program(random: &mut Random, after_calls: AfterCalls) -> Vec<Slot> {
    let mut slots = vec![insn(ALU64 | REG | MOV << 4, 6, 1, 0, 0), insn(ALU64 | MOV << 4, 9, 0, 0, 0)];
    for register in [0, 1, 2, 3, 4, 5, 7, 8] {
        let value = if random.below(2) == 0 { random.next() } else { random.number() as u64 };
        slots.extend(constant(register, value));
    }
    slots[1].imm = 1 + random.below(3) as i32;
    let top = slots.len();
    let count = 4 + random.below(28) as usize;
    slots.extend(body(random, count, after_calls));
    // Another round.
    slots.push(insn(ALU64 | ADD << 4, 9, 0, 0, -1));
    slots.push(insn(JMP | 5 << 4, 9, 0, 0, 0));
    let back = slots.len() - 1;
    slots[back].offset = (top as i64 - back as i64 - 1) as i16;
    for register in 1..6 {
        slots.push(insn(ALU64 | REG | (if register % 2 == 0 { 0xa } else { 0 }) << 4, 0, register, 0, 0));
    }
    slots.push(insn(ALU64 | REG | 0xa << 4, 0, 7, 0, 0));
    slots.push(insn(ALU64 | REG | ADD << 4, 0, 8, 0, 0));
    slots.push(insn(0x95, 0, 0, 0, 0));
    let function = slots.len();
    slots.extend(self::function(random));
    for (at, slot) in slots.iter_mut().enumerate().take(function) {
        if slot.opcode == 0x85 && slot.src == 1 {
            slot.imm = (function - at - 1) as i32;
        }
    }
    slots
}

/// A function that changes r6 to r9 and its own stack.
fn function(random: &mut Random) -> Vec<Slot> {
    let mut slots = Vec::new();
    for register in [0, 6, 7, 8, 9] {
        if register == 0 || random.below(2) == 0 {
            slots.extend(constant(register, random.next()));
        }
    }
    let written: Vec<u8> = slots.iter().filter(|slot| slot.opcode == 0x18).map(|slot| slot.dst).collect();
    if random.below(2) == 0 {
        slots.push(insn(MEM | 0x18 | 3, 10, random.of(&written), -16, 0));
        slots.push(insn(MEM | 0x18 | 1, 1, 10, -16, 0));
    }
    for register in written.into_iter().chain(1..6) {
        slots.push(insn(ALU64 | REG | 0xa << 4, 0, register, 0, 0));
    }
    slots.push(insn(0x95, 0, 0, 0, 0));
    slots
}

/// Some instructions, and jumps over some of them.
fn body(random: &mut Random, count: usize, after_calls: AfterCalls) -> Vec<Slot> {
    let mut slots: Vec<Slot> = Vec::new();
    let mut jumps: Vec<(usize, usize)> = Vec::new();
    let mut begins = Vec::new();
    for index in 0..count {
        begins.push(slots.len());
        if random.below(6) == 0 {
            jumps.push((slots.len(), index + 1 + random.below(6) as usize));
            slots.push(jump(random));
        } else {
            slots.extend(step(random));
            if after_calls == AfterCalls::Lost && slots.last().is_some_and(|last| last.opcode == 0x85) {
                slots.extend((1..6).flat_map(|register| constant(register, random.next())));
            }
        }
    }
    for (at, to) in jumps {
        let target = begins.get(to).copied().unwrap_or(slots.len());
        slots[at].offset = (target - at - 1) as i16;
    }
    slots
}

fn jump(random: &mut Random) -> Slot {
    let class = random.of(&[5, 6]);
    let (left, right) = (random.register(), random.register());
    match random.below(12) {
        0 => insn(JMP, 0, 0, 0, 0),
        // may_goto
        1 => insn(0xe5, 0, 0, 0, 0),
        _ => {
            let op = random.of(&[1, 2, 3, 4, 5, 6, 7, 0xa, 0xb, 0xc, 0xd]);
            match random.below(3) {
                0 => insn(class | REG | op << 4, left, right, 0, 0),
                1 => insn(class | op << 4, left, 0, 0, random.of(&[0, 0, -1, 1])),
                _ => insn(class | op << 4, left, 0, 0, random.number()),
            }
        }
    }
}

/// A few instructions that belong together.
fn step(random: &mut Random) -> Vec<Slot> {
    let (dst, src) = (random.register(), random.register());
    match random.below(16) {
        0..=4 => vec![arithmetic(random, dst, src)],
        5 => vec![unary(random, dst, src)],
        6 | 7 => vec![load(random, dst)],
        8 | 9 => vec![store(random, src)],
        10 => vec![atomic(random, src)],
        11 if random.below(2) == 0 => conditional(random, dst, src),
        11 => indexed(random, dst, src),
        12 => joined(random, dst),
        13 => vec![insn(0x85, 0, 1, 0, 0)],
        14 => vec![insn(ALU64 | OR << 4, 1, 0, 0, 1 + random.below(9) as i32), insn(0x85, 0, 0, 0, 5)],
        _ => ordered(random, dst, src),
    }
}

fn arithmetic(random: &mut Random, dst: u8, src: u8) -> Slot {
    let class = random.of(&[4, 7]);
    let op = random.of(&[0, 1, 2, 3, 4, 5, 6, 7, 9, 0xa, 0xb, 0xc]);
    let signed = i16::from(matches!(op, 3 | 9) && random.below(2) == 0);
    if random.below(2) == 0 {
        return insn(class | REG | op << 4, dst, src, signed, 0);
    }
    let imm = match op {
        LSH | 7 | 0xc => random.below(if class == ALU64 { 64 } else { 32 }) as i32,
        // Dividing by a number that is zero is no instruction.
        3 | 9 => random.number() | 1 << random.below(8),
        _ => random.number(),
    };
    insn(class | op << 4, dst, 0, signed, imm)
}

fn unary(random: &mut Random, dst: u8, src: u8) -> Slot {
    match random.below(4) {
        0 => insn(random.of(&[0x84, 0x87]), dst, 0, 0, 0),
        1 => insn(random.of(&[0xd7, 0xdc, 0xd4]), dst, 0, 0, random.of(&[16, 32, 64])),
        2 => insn(0xbf, dst, src, random.of(&[8, 16, 32]), 0),
        _ => insn(0xbc, dst, src, random.of(&[0, 8, 16]), 0),
    }
}

/// A place of so many bytes, in the memory or in the stack.
fn place(random: &mut Random, bytes: i16) -> (u8, i16) {
    let room = MEMORY_BYTES as i16 - bytes + 1;
    match random.below(3) {
        0 => (10, -bytes * (1 + random.below(512 / bytes as u64) as i16)),
        1 => (10, -bytes - random.below(64) as i16),
        _ => (6, random.below(room as u64) as i16),
    }
}

fn load(random: &mut Random, dst: u8) -> Slot {
    let (size, bytes) = random.of(&SIZES);
    let (base, offset) = place(random, bytes);
    let signed = bytes < 8 && random.below(3) == 0;
    insn(if signed { MEMSX } else { MEM } | size | 1, dst, base, offset, 0)
}

fn store(random: &mut Random, src: u8) -> Slot {
    let (size, bytes) = random.of(&SIZES);
    let (base, offset) = place(random, bytes);
    if random.below(2) == 0 {
        insn(MEM | size | 3, base, src, offset, 0)
    } else {
        insn(MEM | size | 2, base, 0, offset, random.number())
    }
}

fn atomic(random: &mut Random, src: u8) -> Slot {
    let (size, bytes) = random.of(&SIZES[2..]);
    let (base, offset) = place(random, bytes);
    let op = random.of(&[0, 0x40, 0x50, 0xa0, 1, 0x41, 0x51, 0xa1, 0xe1, 0xf1]);
    insn(ATOMIC | size | 3, base, src, offset, op)
}

fn ordered(random: &mut Random, dst: u8, src: u8) -> Vec<Slot> {
    let (size, bytes) = random.of(&SIZES);
    let (base, offset) = place(random, bytes);
    vec![insn(ATOMIC | size | 3, dst, base, offset, 0x100), insn(ATOMIC | size | 3, base, src, offset, 0x110)]
}

/// An element of an array: `dst = *(r6 + ((src & mask) << shift) + offset)`, by way of another register; or a store.
fn indexed(random: &mut Random, dst: u8, src: u8) -> Vec<Slot> {
    let (size, bytes) = random.of(&SIZES);
    let shift = random.below(4) as i32;
    let mask = ((MEMORY_BYTES as i32 / 2) >> shift) - 1;
    let mask = (1 << (31 - (mask + 1).leading_zeros())) - 1;
    let pointer = random.of(&[2, 3, 4]);
    let index = random.of(&[1, 5]);
    let offset = random.below((MEMORY_BYTES / 2) as u64 - bytes as u64) as i16;
    let mut slots = vec![
        insn(ALU64 | REG | MOV << 4, index, src, 0, 0),
        insn(ALU64 | AND << 4, index, 0, 0, mask),
        insn(ALU64 | REG | MOV << 4, pointer, index, 0, 0),
        insn(ALU64 | LSH << 4, pointer, 0, 0, shift),
        insn(ALU64 | REG | ADD << 4, pointer, 6, 0, 0),
    ];
    if random.below(3) == 0 {
        slots.push(insn(MEM | size | 3, pointer, src, offset, 0));
        if src == pointer {
            // No address may be left in the memory.
            slots.pop();
        }
    }
    slots.push(insn(MEM | size | 1, dst, pointer, offset, 0));
    if dst != pointer {
        slots.push(insn(ALU64 | MOV << 4, pointer, 0, 0, random.number()));
    }
    slots
}

/// `if … dst = …`, or an addition with its carry.
fn conditional(random: &mut Random, dst: u8, src: u8) -> Vec<Slot> {
    let mut slots = vec![jump(random)];
    if slots[0].opcode == 0xe5 {
        slots[0].opcode = JMP;
    }
    slots[0].offset = 1;
    match random.below(4) {
        0 => slots.push(insn(ALU64 | REG | MOV << 4, dst, src, 0, 0)),
        1 => slots.push(insn(ALU64 | MOV << 4, dst, 0, 0, random.of(&[0, 1, -1, 77]))),
        2 => {
            // dst = 1; if … goto; dst = 0
            slots.insert(0, insn(ALU64 | MOV << 4, dst, 0, 0, 1));
            slots.push(insn(ALU64 | MOV << 4, dst, 0, 0, 0));
        }
        _ => {
            // dst += src; carry = 1; if dst < src goto; carry = 0; other += carry
            let carry = random.register();
            slots = vec![
                insn(ALU64 | REG | ADD << 4, dst, src, 0, 0),
                insn(ALU64 | MOV << 4, carry, 0, 0, 1),
                insn(JMP | REG | 0xa << 4, dst, src, 1, 0),
                insn(ALU64 | MOV << 4, carry, 0, 0, 0),
                insn(ALU64 | REG | ADD << 4, random.register(), carry, 0, 0),
            ];
        }
    }
    slots
}

/// Bytes put together, in either order.
fn joined(random: &mut Random, dst: u8) -> Vec<Slot> {
    let other = if dst == 0 { 1 } else { 0 };
    let (base, offset) = place(random, 2);
    let (low, high) = if random.below(2) == 0 { (offset, offset + 1) } else { (offset + 1, offset) };
    let mut slots = vec![
        insn(MEM | 0x10 | 1, dst, base, low, 0),
        insn(MEM | 0x10 | 1, other, base, high, 0),
        insn(ALU64 | LSH << 4, other, 0, 0, 8),
        insn(ALU64 | REG | OR << 4, dst, other, 0, 0),
    ];
    if random.below(2) == 0 {
        slots.push(insn(0xd7, dst, 0, 0, 16));
    }
    slots
}
