//! Random programs that look like real ones: arithmetic of every kind on numbers the verifier knows partly, and memory
//! accesses that are in bounds only if it knows them rightly. Some are broken on purpose.

use skep_isa::{
    AtomicOp, BinaryOp, CallTarget, Condition, Imm64, Insn, Operand, Reg, Size, Slot, SwapKind, Width, decode_program,
};

/// Where choices come from: a generator of numbers, or the bytes of a fuzzer.
pub(crate) trait Choices {
    /// A number below `limit`, which is not zero.
    fn below(&mut self, limit: u32) -> u32;

    /// Once in `times`.
    fn once_in(&mut self, times: u32) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u32) as usize]
    }
}

/// What programs refer to.
#[derive(Clone, Copy)]
pub(crate) struct Refers {
    /// Descriptor of an array of one value.
    pub(crate) array: i32,
    /// Descriptor of a hash of 4 → [`VALUE`] bytes.
    pub(crate) hash: i32,
}

/// Bytes of a value of both maps.
pub(crate) const VALUE: i32 = 48;

/// A random XDP program.
pub(crate) fn random_program(choices: &mut impl Choices, refers: Refers) -> Vec<Slot> {
    let mut generator =
        Generator { choices, refers, insns: Vec::new(), set: 0, spilled: 0, leaves: Vec::new(), calls: Vec::new() };
    generator.program();
    let mut slots = generator.finish();
    if choices.once_in(3) {
        for _ in 0..=choices.below(2) {
            mutate(&mut slots, choices);
        }
    }
    slots
}

/// Changes one field of one instruction so that it still decodes.
fn mutate(slots: &mut [Slot], choices: &mut impl Choices) {
    for _ in 0..10 {
        let at = choices.below(slots.len() as u32) as usize;
        let before = slots[at];
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

struct Generator<'c, C> {
    choices: &'c mut C,
    refers: Refers,
    insns: Vec<Insn>,
    /// Bit per register that holds a number.
    set: u16,
    /// Bit per stack slot of eight bytes (from the top) that holds a number.
    spilled: u16,
    /// Jumps to the end of the program.
    leaves: Vec<usize>,
    /// Calls of subprograms, with the number of the subprogram.
    calls: Vec<(usize, usize)>,
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
        let slots = |insns: &[Insn]| insns.iter().map(|insn| insn.encode().len() as i32).sum::<i32>();
        let distance = match target > jump {
            true => slots(&self.insns[jump + 1..target]),
            false => -slots(&self.insns[target..=jump]),
        };
        match &mut self.insns[jump] {
            Insn::JumpIf { offset, .. } => *offset = distance as i16,
            Insn::Jump { offset, .. } | Insn::Call(CallTarget::Subprogram { offset }) => *offset = distance,
            _ => {}
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
        let callees = self.choices.below(3) as usize;
        self.look_up();
        for _ in 0..3 {
            let dst = self.choices.below(NUMBERS.into()) as u8;
            self.unknown(dst);
        }
        let length = 3 + self.choices.below(14);
        self.statements(length, 2, callees);
        // What the program found out becomes its result.
        let result = self.a_number();
        self.mov(0, result);
        for jump in std::mem::take(&mut self.leaves) {
            if matches!(self.insns[jump], Insn::JumpIf { .. } | Insn::Jump { .. }) {
                self.land(jump);
            }
        }
        self.emit(Insn::Exit);
        self.subprograms(callees);
    }

    fn packet_pointers(&mut self) {
        for (dst, offset) in [(DATA, 0), (DATA_END, 4)] {
            self.emit(Insn::Load { size: Size::Word, signed: false, dst: reg(dst), base: reg(CONTEXT), offset });
        }
    }

    /// Looks a value up and leaves where there is none.
    fn look_up(&mut self) {
        let direct = self.choices.once_in(3);
        if direct {
            let imm = Imm64::MapValue { fd: self.refers.array, offset: 0 };
            self.emit(Insn::LoadImm64 { dst: reg(VALUE_AT), imm });
            return self.set_number(0, 2);
        }
        let key = self.choices.below(3) as i32;
        self.emit(Insn::Store { size: Size::Word, base: Reg::R10, offset: -4, src: Operand::Imm(key) });
        self.emit(Insn::LoadImm64 { dst: Reg::R1, imm: Imm64::MapFd(self.refers.hash) });
        self.mov(2, 10);
        self.alu(BinaryOp::Add, Width::W64, 2, Operand::Imm(-4));
        self.emit(Insn::Call(CallTarget::Helper(1)));
        self.set &= !0x3f;
        self.spilled &= !1;
        if self.choices.once_in(40) {
            // The check is forgotten.
            self.mov(VALUE_AT, 0);
            return self.set_number(0, 1);
        }
        let width = if self.choices.once_in(40) { Width::W32 } else { Width::W64 };
        self.mov(VALUE_AT, 0);
        let (checked, clobbered) = (self.choices.one_of(&[0, VALUE_AT]), self.choices.once_in(40));
        let jump = self.jump_if(Condition::Ne, width, checked, Operand::Imm(0));
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

    fn statements(&mut self, count: u32, depth: u32, callees: usize) {
        for _ in 0..count {
            self.statement(depth, callees);
        }
    }

    fn statement(&mut self, depth: u32, callees: usize) {
        match self.choices.below(24) {
            0..=6 => self.arithmetic(),
            7..=8 => self.narrow(),
            9..=11 => self.value_access(),
            12..=13 => self.packet_access(),
            14..=15 => self.stack_access(),
            16..=17 => self.spill_or_fill(),
            18..=19 if depth > 0 => self.branch(depth - 1, callees),
            20 if depth > 0 => self.counted_loop(depth - 1, callees),
            21 if callees > 0 => self.call(callees),
            22 => self.atomic(),
            23 if self.choices.once_in(2) => self.look_up(),
            23 => self.move_packet(),
            _ => {
                let dst = self.choices.below(NUMBERS.into()) as u8;
                self.unknown(dst);
            }
        }
    }

    fn arithmetic(&mut self) {
        let dst = self.a_number();
        let width = self.choices.one_of(&W);
        match self.choices.below(12) {
            0 => {
                let from = if width == Width::W64 { self.choices.below(3) } else { self.choices.below(2) };
                let src = self.a_number();
                self.emit(Insn::MovSx { width, from: SIZES[from as usize], dst: reg(dst), src: reg(src) });
            }
            1 => {
                self.emit(Insn::Neg { width, dst: reg(dst) });
            }
            2 => {
                let kind = self.choices.one_of(&[SwapKind::ToLittle, SwapKind::ToBig, SwapKind::Swap]);
                let size = self.choices.one_of(&[Size::Half, Size::Word, Size::Double]);
                self.emit(Insn::Swap { kind, size, dst: reg(dst) });
            }
            3 => {
                let src = self.a_number();
                let dst = self.choices.below(NUMBERS.into()) as u8;
                self.alu(BinaryOp::Mov, width, dst, Operand::Reg(reg(src)));
                self.set |= 1 << dst;
            }
            _ => {
                let op = self.choices.one_of(&OPS);
                let mut src = self.operand();
                if let Operand::Imm(imm) = &mut src {
                    let bits = if width == Width::W32 { 32 } else { 64 };
                    match op {
                        BinaryOp::Lsh | BinaryOp::Rsh | BinaryOp::Arsh => *imm = imm.rem_euclid(bits),
                        BinaryOp::Div | BinaryOp::Mod | BinaryOp::SDiv | BinaryOp::SMod if *imm == 0 => *imm = 3,
                        _ => {}
                    }
                }
                self.alu(op, width, dst, src);
            }
        }
    }

    /// Lets the verifier learn about a number by a comparison: the other branch leaves or sets the number.
    fn narrow(&mut self) {
        let dst = self.a_number();
        // Where the program ends, r0 must be set.
        if self.set & 1 == 0 {
            self.set_number(0, 3);
        }
        let (condition, width) = (self.choices.one_of(&CONDITIONS), self.choices.one_of(&W));
        let src = self.operand();
        let jump = self.jump_if(condition, width, dst, src);
        if self.choices.once_in(2) {
            let set = self.set;
            self.set_number(dst, 0);
            self.set = set;
            self.land(jump);
        } else {
            let leave = self.emit(Insn::Jump { offset: 0, long: false });
            self.leaves.push(leave);
            self.land(jump);
        }
    }

    /// Brings a number into `0..=below`, in one of many ways, some of which are wrong now and then.
    fn bound(&mut self, register: u8, below: i32) {
        let width = self.choices.one_of(&W);
        match self.choices.below(7) {
            0 | 1 => {
                let mask = (1 << (31 - below.max(1).leading_zeros())) - 1;
                self.alu(BinaryOp::And, Width::W64, register, Operand::Imm(mask));
            }
            2 => {
                let unsigned = self.choices.one_of(&[Condition::Le, Condition::Lt]);
                let jump = self.jump_if(unsigned, width, register, Operand::Imm(below));
                self.set_number(register, 0);
                self.land(jump);
                if width == Width::W32 && !self.choices.once_in(12) {
                    self.alu(BinaryOp::Mov, Width::W32, register, Operand::Reg(reg(register)));
                }
            }
            3 => {
                // Signed from both sides.
                let low = self.choices.one_of(&[0, 0, 0, 0, 1, 1, 2, 0, 0, 1, -1]);
                let first = self.jump_if(Condition::SLt, width, register, Operand::Imm(low));
                let second = self.jump_if(Condition::SLe, width, register, Operand::Imm(below));
                self.land(first);
                self.set_number(register, 0);
                self.land(second);
                if width == Width::W32 && !self.choices.once_in(12) {
                    self.alu(BinaryOp::Mov, Width::W32, register, Operand::Reg(reg(register)));
                }
            }
            4 => {
                let modulus = Operand::Imm(below + 1);
                let op = if self.choices.once_in(12) { BinaryOp::SMod } else { BinaryOp::Mod };
                self.alu(op, width, register, modulus);
            }
            5 => {
                let bits = below.max(1).ilog2();
                let (width, all) = if self.choices.once_in(2) { (Width::W32, 32) } else { (Width::W64, 64) };
                let op = if self.choices.once_in(12) { BinaryOp::Arsh } else { BinaryOp::Rsh };
                self.alu(op, width, register, Operand::Imm(all - bits.cast_signed()));
            }
            _ => {
                // Against another register that is known.
                let other = self.other(register);
                self.set_number(other, below);
                let condition = self.choices.one_of(&[Condition::Le, Condition::Lt]);
                let jump = self.jump_if(condition, Width::W64, register, Operand::Reg(reg(other)));
                self.mov(register, other);
                self.land(jump);
            }
        }
        // A few more operations that keep it in bounds where the verifier follows them.
        if self.choices.once_in(5) {
            let op = self.choices.one_of(&[BinaryOp::And, BinaryOp::Rsh, BinaryOp::Div, BinaryOp::Mod, BinaryOp::Arsh]);
            let (imm, width) = (1 + self.choices.below(15) as i32, self.choices.one_of(&W));
            self.alu(op, width, register, Operand::Imm(imm));
        }
    }

    /// Brings a number into fewer than are allowed, and makes it larger again.
    fn bound_and_grow(&mut self, register: u8, below: i32) {
        let width = self.choices.one_of(&W);
        let part = |choices: &mut C, of: i32| choices.below(of.max(0) as u32 + 1) as i32;
        match self.choices.below(5) {
            0 => {
                let half = below / 2;
                self.bound(register, half);
                let imm = part(self.choices, below - half);
                self.alu(BinaryOp::Add, width, register, Operand::Imm(imm));
            }
            1 => {
                // All numbers of so many bits.
                let all = ((below + 1) as u32).next_power_of_two() as i32 / 2 - 1;
                let all = if all * 2 < below { all * 2 + 1 } else { all };
                let op = self.choices.one_of(&[BinaryOp::Or, BinaryOp::Xor]);
                let small = part(self.choices, all);
                self.bound(register, small);
                let imm = part(self.choices, all);
                self.alu(op, width, register, Operand::Imm(imm));
            }
            2 => {
                let factor = 1 + part(self.choices, 4);
                self.bound(register, below / factor);
                self.alu(BinaryOp::Mul, width, register, Operand::Imm(factor));
            }
            3 => {
                let shift = part(self.choices, 3);
                self.bound(register, below >> shift);
                self.alu(BinaryOp::Lsh, width, register, Operand::Imm(shift));
            }
            _ => {
                // The sum or the union of two numbers.
                let other = self.other(register);
                self.unknown(other);
                let op = self.choices.one_of(&[BinaryOp::Add, BinaryOp::Or, BinaryOp::Sub, BinaryOp::Xor]);
                let limit = if op == BinaryOp::Or { below / 2 } else { below - below / 2 };
                self.bound(register, below / 2);
                // The bound may have used the other register itself.
                self.unknown(other);
                self.bound(other, limit.min(below / 2));
                self.alu(op, width, register, Operand::Reg(reg(other)));
                if op == BinaryOp::Sub {
                    self.bound(register, below);
                }
            }
        }
    }

    /// A bounded number in a register, and an address register beside it.
    fn index(&mut self, below: i32) -> (u8, u8) {
        let from = self.a_number();
        let index = if self.choices.once_in(2) {
            from
        } else {
            let index = self.other(from);
            self.mov(index, from);
            self.set |= 1 << index;
            index
        };
        match self.choices.below(30) {
            0 => {}
            1..=12 => self.bound_and_grow(index, below),
            _ => self.bound(index, below),
        }
        if self.choices.once_in(12) {
            self.arithmetic();
        }
        (index, self.other(index))
    }

    /// Moves `base` by an index; forwards or back.
    fn address(&mut self, base: u8, index: u8, address: u8, far: i32) {
        self.mov(address, base);
        self.set &= !(1 << address);
        let back = if base == 10 { self.choices.once_in(40) } else { self.choices.once_in(4) };
        if back {
            self.alu(BinaryOp::Add, Width::W64, address, Operand::Imm(far));
            self.alu(BinaryOp::Sub, Width::W64, address, Operand::Reg(reg(index)));
        } else {
            self.alu(BinaryOp::Add, Width::W64, address, Operand::Reg(reg(index)));
        }
    }

    fn access(&mut self, size: Size, address: u8, offset: i32) {
        if self.choices.once_in(3) {
            let src = self.a_number();
            let src = if src == address { Operand::Imm(-2) } else { Operand::Reg(reg(src)) };
            self.emit(Insn::Store { size, base: reg(address), offset: offset as i16, src });
        } else {
            let dst = self.choices.below(NUMBERS.into()) as u8;
            self.load(size, dst, address, offset);
            self.set |= 1 << dst;
        }
    }

    fn value_access(&mut self) {
        let size = self.choices.one_of(&SIZES);
        let bytes = i32::from(size.bytes());
        let far = VALUE - bytes;
        let below = if self.choices.once_in(2) { far } else { 1 + self.choices.below(far as u32) as i32 };
        let (index, address) = self.index(below);
        self.address(VALUE_AT, index, address, below);
        let slack = far - below + i32::from(self.choices.once_in(20));
        let mut offset = if slack > 0 { self.choices.below(slack as u32 + 1) as i32 } else { 0 };
        if self.choices.once_in(4) {
            // As far as a verifier may let it that believes too small a bound.
            offset += self.choices.below(below as u32 + 1) as i32;
        }
        self.access(size, address, offset);
    }

    fn packet_access(&mut self) {
        let size = self.choices.one_of(&SIZES);
        let bytes = i32::from(size.bytes());
        let offset = self.choices.below(40) as i32;
        let reach = offset + bytes - i32::from(self.choices.once_in(25));
        let address = if self.choices.once_in(2) {
            let below = self.choices.one_of(&[7, 15, 31, 63, 255, 0x7fff, 0xffff]);
            let (index, address) = self.index(below);
            self.mov(address, DATA);
            self.alu(BinaryOp::Add, Width::W64, address, Operand::Reg(reg(index)));
            address
        } else {
            let address = self.choices.below(NUMBERS.into()) as u8;
            self.mov(address, DATA);
            address
        };
        self.set &= !(1 << address);
        let end = self.other(address);
        self.mov(end, address);
        self.set &= !(1 << end);
        self.alu(BinaryOp::Add, Width::W64, end, Operand::Imm(reach));
        let condition = self.choices.one_of(&[Condition::Gt, Condition::Gt, Condition::Gt, Condition::Ge]);
        let (left, right, condition) = match self.choices.below(3) {
            0 if condition == Condition::Gt => (DATA_END, end, Condition::Lt),
            _ => (end, DATA_END, condition),
        };
        let jump = self.jump_if(condition, Width::W64, left, Operand::Reg(reg(right)));
        let (set, spilled) = (self.set, self.spilled);
        self.access(size, address, offset);
        if self.choices.once_in(2) {
            self.access(Size::Byte, address, 0);
        }
        self.land(jump);
        (self.set, self.spilled) = (self.set & set, self.spilled & spilled);
    }

    fn stack_access(&mut self) {
        let size = self.choices.one_of(&SIZES);
        let bytes = i32::from(size.bytes());
        // A block of 64 bytes at the bottom of what is used, all written first.
        const BLOCK: i32 = 64;
        const BOTTOM: i32 = -160;
        if self.choices.once_in(2) {
            for at in 0..BLOCK / 8 {
                let src = Operand::Imm(at * 0x0101_0101);
                let offset = (BOTTOM + at * 8) as i16;
                self.emit(Insn::Store { size: Size::Double, base: Reg::R10, offset, src });
            }
        }
        let far = BLOCK - bytes;
        let (index, address) = self.index(far / bytes);
        if !self.choices.once_in(20) {
            let (width, shift) = (self.choices.one_of(&W), bytes.ilog2().cast_signed());
            self.alu(BinaryOp::Lsh, width, index, Operand::Imm(shift));
        }
        self.address(10, index, address, far);
        self.access(size, address, BOTTOM);
    }

    fn spill_or_fill(&mut self) {
        let slot = self.choices.below(8);
        let offset = -8 - 8 * slot as i32;
        if self.spilled & 1 << slot != 0 && self.choices.once_in(2) {
            let dst = self.choices.below(NUMBERS.into()) as u8;
            let size = self.choices.one_of(&[Size::Double, Size::Double, Size::Word, Size::Half, Size::Byte]);
            let inner = self.choices.below(8 / u32::from(size.bytes())) as i32 * i32::from(size.bytes());
            self.load(size, dst, 10, offset + inner);
            self.set |= 1 << dst;
            return;
        }
        let size = self.choices.one_of(&[Size::Double, Size::Double, Size::Word, Size::Half, Size::Byte]);
        let src = if self.choices.once_in(4) {
            Operand::Imm(number(self.choices))
        } else {
            Operand::Reg(reg(self.a_number()))
        };
        self.emit(Insn::Store { size, base: Reg::R10, offset: offset as i16, src });
        if size == Size::Double {
            self.spilled |= 1 << slot;
        }
    }

    fn branch(&mut self, depth: u32, callees: usize) {
        let dst = self.a_number();
        let (condition, width) = (self.choices.one_of(&CONDITIONS), self.choices.one_of(&W));
        let src = self.operand();
        let jump = self.jump_if(condition, width, dst, src);
        let before = (self.set, self.spilled);
        let count = 1 + self.choices.below(3);
        self.statements(count, depth, callees);
        let after = (self.set, self.spilled);
        let long = self.choices.once_in(4);
        let over = self.emit(Insn::Jump { offset: 0, long });
        self.land(jump);
        (self.set, self.spilled) = before;
        let count = self.choices.below(3);
        self.statements(count, depth, callees);
        self.land(over);
        (self.set, self.spilled) = (self.set & after.0, self.spilled & after.1);
    }

    /// A loop with a counter on the stack.
    fn counted_loop(&mut self, depth: u32, callees: usize) {
        const COUNTER: i16 = -88;
        let offset = COUNTER - 8 * depth as i16;
        let rounds = 1 + self.choices.below(6) as i32;
        self.emit(Insn::Store { size: Size::Double, base: Reg::R10, offset, src: Operand::Imm(0) });
        let top = self.insns.len();
        let before = (self.set, self.spilled);
        let count = 1 + self.choices.below(3);
        self.statements(count, depth, callees);
        let counter = self.choices.below(NUMBERS.into()) as u8;
        self.emit(Insn::Load { size: Size::Double, signed: false, dst: reg(counter), base: Reg::R10, offset });
        self.alu(BinaryOp::Add, Width::W64, counter, Operand::Imm(1));
        self.emit(Insn::Store { size: Size::Double, base: Reg::R10, offset, src: Operand::Reg(reg(counter)) });
        self.set |= 1 << counter;
        // Registers that the body used up are given something for the next round.
        for register in 0..NUMBERS {
            if before.0 & !self.set & 1 << register != 0 {
                self.unknown(register);
            }
        }
        let condition = self.choices.one_of(&[Condition::Lt, Condition::SLt, Condition::Ne]);
        let back = self.jump_if(condition, Width::W64, counter, Operand::Imm(rounds));
        self.point(back, top);
    }

    fn call(&mut self, callees: usize) {
        let callee = self.choices.below(callees as u32) as usize;
        let number = self.a_number();
        self.mov(2, number);
        self.mov(1, VALUE_AT);
        if self.choices.once_in(2) {
            self.bound(2, VALUE - 8);
        }
        let call = self.emit(Insn::Call(CallTarget::Subprogram { offset: 0 }));
        self.calls.push((call, callee));
        self.set = (self.set & !0x3f) | 1;
    }

    fn atomic(&mut self) {
        let fetch = self.choices.once_in(2);
        let op = self.choices.one_of(&[
            AtomicOp::Add { fetch },
            AtomicOp::Or { fetch },
            AtomicOp::And { fetch },
            AtomicOp::Xor { fetch },
            AtomicOp::Xchg,
            AtomicOp::Cmpxchg,
        ]);
        let size = self.choices.one_of(&[Size::Word, Size::Double]);
        if op == AtomicOp::Cmpxchg && self.set & 1 == 0 {
            self.set_number(0, 1);
        }
        let src = self.a_number();
        let slot = self.choices.below(8);
        let (base, offset) = if self.spilled & 1 << slot != 0 && self.choices.once_in(2) {
            (10, -8 - 8 * slot as i32)
        } else {
            (VALUE_AT, 8 * self.choices.below(VALUE as u32 / 8) as i32)
        };
        self.emit(Insn::Atomic { op, size, base: reg(base), offset: offset as i16, src: reg(src) });
    }

    /// Packet pointers are worth nothing afterwards; now and then they are used all the same.
    fn move_packet(&mut self) {
        let delta = self.choices.one_of(&[-8, -4, 4, 8, 14]);
        let helper = self.choices.one_of(&[44, 65]);
        self.mov(1, CONTEXT);
        self.set_number(2, delta);
        self.emit(Insn::Call(CallTarget::Helper(helper)));
        self.set = (self.set & !0x3f) | 1;
        if !self.choices.once_in(10) {
            self.packet_pointers();
        }
    }

    /// Subprograms of a value's address and a number, that give a number.
    fn subprograms(&mut self, callees: usize) {
        for callee in 0..callees {
            if !self.calls.iter().any(|call| call.1 == callee) {
                continue;
            }
            let start = self.insns.len();
            for at in 0..self.calls.len() {
                if self.calls[at].1 == callee {
                    self.point(self.calls[at].0, start);
                }
            }
            (self.set, self.spilled) = (1 << 2, 0);
            self.mov(VALUE_AT, 1);
            let count = 1 + self.choices.below(4);
            for _ in 0..count {
                match self.choices.below(5) {
                    0 => self.value_access(),
                    1 => self.stack_access(),
                    2 => self.spill_or_fill(),
                    _ => self.arithmetic(),
                }
            }
            let result = self.a_number();
            self.mov(0, result);
            self.emit(Insn::Exit);
        }
    }

    fn finish(self) -> Vec<Slot> {
        self.insns.iter().flat_map(Insn::encode).collect()
    }
}
