//! Random programs that look like real ones: arithmetic of every kind on numbers the verifier knows partly, and memory
//! accesses that are in bounds only if it knows them rightly. Some are broken on purpose.
//!
//! Registers: r0 to r5 hold numbers and addresses just computed, r6 the context, r7 and r8 begin and end of the packet,
//! r9 a map's value. Stack, from the top: eight slots for spilling, counters of loops, a block of 64 bytes from -160
//! on, an iterator per loop below.

mod calls;
mod control;
mod edges;
mod loops;
mod memory;
mod numbers;

use crate::choices::Choices;
use crate::setting::{ARRAY, HASH, TABLE, VALUE};
use skep_abi::program_type::ProgramType;
use skep_isa::{BinaryOp, CallTarget, Condition, Imm64, Insn, Operand, Reg, Size, Slot, Width, decode_program};

/// A program to be judged. It names maps by their numbers in [`crate::setting::MAPS`].
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its type.
    pub program_type: ProgramType,
    /// Its slots.
    pub slots: Vec<Slot>,
}

/// BTF ids of the kernel functions that programs may call.
#[derive(Clone, Copy, Debug)]
pub struct NumberIterator {
    /// `bpf_iter_num_new`
    pub new: i32,
    /// `bpf_iter_num_next`
    pub next: i32,
    /// `bpf_iter_num_destroy`
    pub destroy: i32,
}

/// A random program. Two in three avoid obvious mistakes, the others make some now and then.
pub fn random_program(choices: &mut impl Choices, iterator: Option<NumberIterator>) -> Candidate {
    let careful = !choices.once_in(3);
    program(choices, iterator, careful, false)
}

/// A random program that is usually accepted: it makes no mistakes on purpose, and most numbers that move pointers are
/// compared with their limit once more.
pub fn safe_program(choices: &mut impl Choices, iterator: Option<NumberIterator>) -> Candidate {
    program(choices, iterator, true, true)
}

fn program(choices: &mut impl Choices, iterator: Option<NumberIterator>, careful: bool, safe: bool) -> Candidate {
    let program_type = if choices.once_in(3) { ProgramType::SchedCls } else { ProgramType::Xdp };
    let mut generator = Generator {
        choices,
        iterator,
        program_type,
        careful,
        safe,
        may_leave: true,
        insns: Vec::new(),
        set: 0,
        spilled: 0,
        leaves: Vec::new(),
        calls: Vec::new(),
        functions: Vec::new(),
    };
    generator.program();
    let mut slots = generator.finish();
    if !careful && choices.once_in(2) {
        for _ in 0..=choices.below(2) {
            mutate(&mut slots, choices);
        }
    }
    Candidate { program_type, slots }
}

/// The opcode of two-slot loads.
const LDDW: u8 = 0x18;

/// Changes one field of one instruction so that it still decodes.
fn mutate(slots: &mut [Slot], choices: &mut impl Choices) {
    for _ in 0..10 {
        let at = choices.below(slots.len() as u32) as usize;
        let before = slots[at];
        // What two-slot loads name is settled before the verifier sees it.
        if before.opcode == LDDW {
            continue;
        }
        let slot = &mut slots[at];
        match choices.below(6) {
            0 => slot.dst = choices.below(11) as u8,
            1 => slot.src = choices.below(11) as u8,
            2 => slot.offset = slot.offset.wrapping_add(choices.one_of(&[-16, -8, -4, -2, -1, 1, 2, 4, 8, 16])),
            3 => slot.imm = number(choices),
            4 => slot.opcode ^= 1 << choices.below(8),
            _ => slot.opcode = (slot.opcode & 0x0f) | ((choices.below(14) as u8) << 4),
        }
        if *slot != before && decode_program(slots).is_ok() {
            return;
        }
        slots[at] = before;
    }
}

/// Numbers at which arithmetic goes wrong.
fn number(choices: &mut impl Choices) -> i32 {
    match choices.below(6) {
        0 => choices.below(64) as i32,
        1 => -(choices.below(64) as i32),
        2 => 1 << choices.below(31),
        3 => (1 << choices.below(31)) - 1,
        4 => choices.one_of(&[i32::MIN, i32::MAX, -1, 0, 0x7f, 0xff, 0x7fff, 0xffff, -128, -32768, i32::MIN + 1]),
        _ => (choices.below(1 << 16) << 16 | choices.below(1 << 16)).cast_signed(),
    }
}

const CONTEXT: u8 = 6;
const DATA: u8 = 7;
const DATA_END: u8 = 8;
const VALUE_AT: u8 = 9;
/// Registers that hold numbers; the last two are kept for addresses where one is needed.
const NUMBERS: u8 = 6;

const fn reg(number: u8) -> Reg {
    match Reg::new(number) {
        Some(reg) => reg,
        None => Reg::R0,
    }
}

/// A function beside the main one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    /// Takes a value's address and a number, gives a number.
    Static,
    /// Takes a number and the address of eight bytes on the caller's stack.
    LoopBody,
    /// Takes a map, a key, a value and the address of eight bytes on the caller's stack.
    ElementBody,
}

struct Generator<'c, C> {
    choices: &'c mut C,
    iterator: Option<NumberIterator>,
    program_type: ProgramType,
    /// Makes no mistakes on purpose.
    careful: bool,
    /// Makes sure that numbers are within their bounds.
    safe: bool,
    /// Nothing is held that must be given back before the program ends.
    may_leave: bool,
    insns: Vec<Insn>,
    /// Bit per register that holds a number.
    set: u16,
    /// Bit per stack slot of eight bytes (from the top) that holds a number.
    spilled: u16,
    /// Jumps to the end of the program.
    leaves: Vec<usize>,
    /// Calls of functions (or where their addresses are taken), with the number of the function.
    calls: Vec<(usize, usize)>,
    functions: Vec<Function>,
}

const W: [Width; 2] = [Width::W32, Width::W64];
const SIZES: [Size; 4] = [Size::Byte, Size::Half, Size::Word, Size::Double];
const CONDITIONS: [Condition; 11] = [
    Condition::Eq,
    Condition::Ne,
    Condition::Set,
    Condition::Gt,
    Condition::Ge,
    Condition::Lt,
    Condition::Le,
    Condition::SGt,
    Condition::SGe,
    Condition::SLt,
    Condition::SLe,
];
const OPS: [BinaryOp; 14] = [
    BinaryOp::Add,
    BinaryOp::Sub,
    BinaryOp::Mul,
    BinaryOp::Div,
    BinaryOp::SDiv,
    BinaryOp::Mod,
    BinaryOp::SMod,
    BinaryOp::Or,
    BinaryOp::And,
    BinaryOp::Xor,
    BinaryOp::Lsh,
    BinaryOp::Rsh,
    BinaryOp::Arsh,
    BinaryOp::Mov,
];

impl<C: Choices> Generator<'_, C> {
    /// A mistake, once in so many times.
    fn slips(&mut self, times: u32) -> bool {
        !self.careful && self.choices.once_in(times)
    }

    fn emit(&mut self, insn: Insn) -> usize {
        self.insns.push(insn);
        self.insns.len() - 1
    }

    fn alu(&mut self, op: BinaryOp, width: Width, dst: u8, src: Operand) {
        self.emit(Insn::Alu { op, width, dst: reg(dst), src });
    }

    fn mov(&mut self, dst: u8, src: u8) {
        self.alu(BinaryOp::Mov, Width::W64, dst, Operand::Reg(reg(src)));
    }

    fn set_number(&mut self, dst: u8, imm: i32) {
        self.alu(BinaryOp::Mov, Width::W64, dst, Operand::Imm(imm));
        self.set |= 1 << dst;
    }

    fn load(&mut self, size: Size, dst: u8, base: u8, offset: i32) {
        let signed = size != Size::Double && self.choices.once_in(4);
        self.emit(Insn::Load { size, signed, dst: reg(dst), base: reg(base), offset: offset as i16 });
    }

    /// A jump whose end is not known yet.
    fn jump_if(&mut self, condition: Condition, width: Width, dst: u8, src: Operand) -> usize {
        self.emit(Insn::JumpIf { condition, width, dst: reg(dst), src, offset: 0 })
    }

    /// Lets a jump lead to what comes next.
    fn land(&mut self, jump: usize) {
        let target = self.insns.len();
        self.point(jump, target);
    }

    fn point(&mut self, jump: usize, target: usize) {
        let slots = |insns: &[Insn]| insns.iter().map(|insn| insn.slots() as i32).sum::<i32>();
        let distance = match target > jump {
            true => slots(&self.insns[jump..target]) - 1,
            false => -slots(&self.insns[target..jump]) - 1,
        };
        if let Some(insn) = self.insns[jump].with_target(distance) {
            self.insns[jump] = insn;
        }
    }

    /// A register that holds a number: one is made where there is none.
    fn a_number(&mut self) -> u8 {
        let start = self.choices.below(NUMBERS.into()) as u8;
        for at in 0..NUMBERS {
            let register = (start + at) % NUMBERS;
            if self.set & 1 << register != 0 {
                return register;
            }
        }
        self.unknown(start);
        start
    }

    /// A register that holds a number, of which there is one.
    fn a_known_number(&mut self) -> u8 {
        let known: Vec<u8> = (0..NUMBERS).filter(|register| self.set & 1 << register != 0).collect();
        self.choices.one_of(&known)
    }

    /// Another register than this one, for an address.
    fn other(&mut self, than: u8) -> u8 {
        (than + 1 + self.choices.below(u32::from(NUMBERS) - 1) as u8) % NUMBERS
    }

    /// Loads something unknown from the map's value.
    fn unknown(&mut self, dst: u8) {
        let size = self.choices.one_of(&SIZES);
        let offset = self.choices.below(VALUE as u32 / 8) as i32 * 8;
        self.load(size, dst, VALUE_AT, offset);
        self.set |= 1 << dst;
    }

    fn operand(&mut self) -> Operand {
        if self.choices.once_in(2) { Operand::Imm(number(self.choices)) } else { Operand::Reg(reg(self.a_number())) }
    }

    fn program(&mut self) {
        self.mov(CONTEXT, 1);
        self.packet_pointers();
        for _ in 0..self.choices.below(3) {
            self.functions.push(Function::Static);
        }
        self.look_up();
        for _ in 0..3 {
            let dst = self.choices.below(NUMBERS.into()) as u8;
            self.unknown(dst);
        }
        let length = 3 + self.choices.below(14);
        self.statements(length, 2);
        // What the program found out becomes its result.
        let result = self.a_number();
        self.mov(0, result);
        for jump in std::mem::take(&mut self.leaves) {
            self.land(jump);
        }
        self.emit(Insn::Exit);
        self.function_bodies();
    }

    /// Offsets of `data` and `data_end` in the context.
    fn packet_fields(&self) -> [i16; 2] {
        if self.program_type == ProgramType::Xdp { [0, 4] } else { [76, 80] }
    }

    fn packet_pointers(&mut self) {
        for (dst, offset) in [DATA, DATA_END].into_iter().zip(self.packet_fields()) {
            self.emit(Insn::Load { size: Size::Word, signed: false, dst: reg(dst), base: reg(CONTEXT), offset });
        }
    }

    /// Looks a value up and leaves where there is none.
    fn look_up(&mut self) {
        if self.choices.once_in(3) || self.careful && !self.may_leave {
            let imm = Imm64::MapValue { fd: ARRAY, offset: 0 };
            self.emit(Insn::LoadImm64 { dst: reg(VALUE_AT), imm });
            return self.set_number(0, 2);
        }
        let key = self.choices.below(3) as i32;
        self.emit(Insn::Store { size: Size::Word, base: Reg::R10, offset: -4, src: Operand::Imm(key) });
        let map = self.choices.one_of(&[HASH, TABLE]);
        self.emit(Insn::LoadImm64 { dst: Reg::R1, imm: Imm64::MapFd(map) });
        self.mov(2, 10);
        self.alu(BinaryOp::Add, Width::W64, 2, Operand::Imm(-4));
        self.emit(Insn::Call(CallTarget::Helper(1)));
        self.set &= !0x3f;
        self.spilled &= !1;
        if self.slips(25) {
            // The check is forgotten.
            self.mov(VALUE_AT, 0);
            return self.set_number(0, 1);
        }
        self.mov(VALUE_AT, 0);
        let (checked, clobbered) = (self.choices.one_of(&[0, VALUE_AT]), self.slips(25));
        let jump = self.jump_if(Condition::Ne, Width::W64, checked, Operand::Imm(0));
        self.set_number(0, 7);
        let long = self.choices.once_in(2);
        let leave = self.emit(Insn::Jump { offset: 0, long });
        self.leaves.push(leave);
        self.land(jump);
        self.set_number(0, 1);
        if clobbered {
            self.alu(BinaryOp::Add, Width::W64, VALUE_AT, Operand::Imm(8));
        }
    }

    fn statements(&mut self, count: u32, depth: u32) {
        for _ in 0..count {
            self.statement(depth);
        }
    }

    fn statement(&mut self, depth: u32) {
        if self.safe && self.choices.once_in(8) {
            return self.edge();
        }
        if self.safe && self.choices.once_in(200) {
            return self.trap();
        }
        match self.choices.below(34) {
            0..=6 => self.arithmetic(),
            7..=8 => self.narrow(),
            9..=11 => self.value_access(),
            12..=13 => self.packet_access(),
            14..=15 => self.stack_access(),
            16..=17 => self.spill_or_fill(),
            18..=19 if depth > 0 => self.branch(depth - 1),
            20 if depth > 0 => self.counted_loop(depth - 1),
            21 if !self.functions.is_empty() => self.call(),
            22 => self.atomic(),
            23 if self.choices.once_in(2) => self.look_up(),
            23 => self.move_packet(),
            24 => self.spill_pointer(),
            25 => self.linked(),
            26 => self.context_access(),
            27 => self.helper_with_memory(),
            28 if depth > 0 => self.may_goto_loop(depth - 1),
            29 if self.choices.once_in(2) => self.kernel_loop(),
            29 => self.for_each_element(),
            30 if depth > 0 => self.iterator_loop(depth - 1),
            31 => self.ring_record(),
            32 => self.ordered_access(),
            33 => self.compare_pointers(),
            _ => {
                let dst = self.choices.below(NUMBERS.into()) as u8;
                self.unknown(dst);
            }
        }
    }

    fn finish(self) -> Vec<Slot> {
        self.insns.iter().flat_map(Insn::encode).collect()
    }
}
