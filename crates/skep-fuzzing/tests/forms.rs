//! Every form of instruction that computes, compares, loads or stores: what the verifier says of it holds in runs on
//! numbers of every sort, known and unknown.

use skep_abi::program_type::ProgramType;
use skep_fuzzing::case::listing;
use skep_fuzzing::choices::{Choices, Seeded};
use skep_fuzzing::generate::Candidate;
use skep_fuzzing::setting::ARRAY;
use skep_fuzzing::soundness::{Testimony, Witness};
use skep_isa::{AtomicOp, BinaryOp, Condition, Imm64, Insn, Operand, Reg, Size, SwapKind, Width};

/// Programs of each form, and runs of each program.
const PROGRAMS: u64 = 12;
const RUNS: u32 = 3;

const WIDTHS: [Width; 2] = [Width::W32, Width::W64];
const SIZES: [Size; 4] = [Size::Byte, Size::Half, Size::Word, Size::Double];
const FIRST: Reg = Reg::R1;
const SECOND: Reg = Reg::R2;
const VALUE: Reg = Reg::R9;
/// Where on the stack a number is, for what works on memory.
const SLOT: i16 = -16;

fn immediates() -> [i32; 6] {
    [1, 7, -1, i32::MIN, i32::MAX, 31]
}

/// Two-operand arithmetic, with each kind of second operand that the verifier lets through.
fn arithmetic() -> Vec<Insn> {
    let mut forms = Vec::new();
    for (op, width) in BinaryOp::ALL.into_iter().flat_map(|op| WIDTHS.map(|width| (op, width))) {
        forms.push(Insn::Alu { op, width, dst: FIRST, src: Operand::Reg(SECOND) });
        let shift = matches!(op, BinaryOp::Lsh | BinaryOp::Rsh | BinaryOp::Arsh);
        let bits = if width == Width::W32 { 32 } else { 64 };
        for imm in immediates().into_iter().filter(|imm| !shift || (0..bits).contains(imm)) {
            forms.push(Insn::Alu { op, width, dst: FIRST, src: Operand::Imm(imm) });
        }
    }
    forms
}

/// Sign extensions, negations and byte swaps.
fn one_operand() -> Vec<Insn> {
    let mut forms: Vec<Insn> = WIDTHS.map(|width| Insn::Neg { width, dst: FIRST }).to_vec();
    let extensions = [Size::Byte, Size::Half].into_iter().flat_map(|from| WIDTHS.map(|width| (width, from)));
    for (width, from) in extensions.chain([(Width::W64, Size::Word)]) {
        forms.push(Insn::MovSx { width, from, dst: FIRST, src: SECOND });
    }
    for kind in [SwapKind::ToLittle, SwapKind::ToBig, SwapKind::Swap] {
        let sizes = [Size::Half, Size::Word, Size::Double];
        forms.extend(sizes.map(|size| Insn::Swap { kind, size, dst: FIRST }));
    }
    forms
}

/// Comparisons; both ways lead to the next instruction but one.
fn comparisons() -> Vec<Insn> {
    let mut forms = Vec::new();
    for (condition, width) in Condition::ALL.into_iter().flat_map(|c| WIDTHS.map(|width| (c, width))) {
        let compare = |src| Insn::JumpIf { condition, width, dst: FIRST, src, offset: 1 };
        forms.extend([compare(Operand::Reg(SECOND)), compare(Operand::Reg(FIRST))]);
        forms.extend(immediates().map(|imm| compare(Operand::Imm(imm))));
    }
    forms
}

/// Loads of all sizes, stores and atomic operations, on the stack and on a map's value.
fn memory() -> Vec<Insn> {
    let mut forms = Vec::new();
    for (base, offset) in [(Reg::R10, SLOT), (VALUE, 8)] {
        for size in SIZES {
            for signed in [false, true].into_iter().filter(|signed| !signed || size != Size::Double) {
                for within in (0..8).step_by(size.bytes().into()) {
                    forms.push(Insn::Load { size, signed, dst: FIRST, base, offset: offset + within });
                }
            }
            for src in [Operand::Reg(SECOND), Operand::Imm(0), Operand::Imm(-2)] {
                for within in (0..8).step_by(size.bytes().into()) {
                    forms.push(Insn::Store { size, base, offset: offset + within, src });
                }
            }
            forms.push(Insn::LoadAcquire { size, dst: FIRST, base, offset });
            forms.push(Insn::StoreRelease { size, base, offset, src: SECOND });
        }
        for op in AtomicOp::ALL {
            forms.extend([Size::Word, Size::Double].map(|size| Insn::Atomic { op, size, base, offset, src: SECOND }));
        }
    }
    forms
}

/// Makes a number partly known, in one of the ways in which programs do.
fn narrow(numbers: &mut Seeded, register: Reg) -> Vec<Insn> {
    let imm = numbers.one_of(&[1, 7, 44, 255, 0x7fff, -1, -8, i32::MIN, i32::MAX]);
    let width = numbers.one_of(&WIDTHS);
    let alu = |op, imm| Insn::Alu { op, width, dst: register, src: Operand::Imm(imm) };
    match numbers.below(6) {
        0 => vec![alu(BinaryOp::Mov, imm)],
        1 => vec![alu(BinaryOp::And, imm)],
        2 => vec![alu(BinaryOp::Or, imm)],
        3 => vec![alu(BinaryOp::Arsh, 31), alu(BinaryOp::Add, imm)],
        4 => {
            let condition = numbers.one_of(&Condition::ALL);
            let jump = Insn::JumpIf { condition, width, dst: register, src: Operand::Imm(imm), offset: 1 };
            vec![jump, alu(BinaryOp::Mov, numbers.one_of(&[0, 5, -5]))]
        }
        _ => Vec::new(),
    }
}

/// A program with that instruction on two numbers from a map's value, one of them on the stack, too.
fn program(form: &Insn, numbers: &mut Seeded) -> Candidate {
    let load = |dst, base, offset| Insn::Load { size: Size::Double, signed: false, dst, base, offset };
    let mut insns = vec![Insn::LoadImm64 { dst: VALUE, imm: Imm64::MapValue { fd: ARRAY, offset: 0 } }];
    insns.extend([load(FIRST, VALUE, 0), load(SECOND, VALUE, 16), load(Reg::R0, VALUE, 24)]);
    for register in [FIRST, SECOND, Reg::R0] {
        insns.extend(narrow(numbers, register));
    }
    insns.push(Insn::Store { size: Size::Double, base: Reg::R10, offset: SLOT, src: Operand::Reg(FIRST) });
    insns.push(*form);
    // What was learnt is there to be seen before this and after it.
    insns.push(Insn::Alu { op: BinaryOp::Add, width: Width::W64, dst: Reg::R0, src: Operand::Imm(1) });
    insns.push(load(Reg::R3, Reg::R10, SLOT));
    insns.push(load(Reg::R4, VALUE, 8));
    insns.push(Insn::Exit);
    Candidate { program_type: ProgramType::Xdp, slots: insns.iter().flat_map(Insn::encode).collect() }
}

fn hold(forms: &[Insn]) {
    let mut witness = Witness::new().expect("maps of our own kernel");
    for (number, form) in (0..).zip(forms) {
        for seed in number * PROGRAMS..(number + 1) * PROGRAMS {
            let candidate = program(form, &mut Seeded::new(seed));
            let testimony = witness.hear(&candidate, seed, RUNS).expect("maps that can be filled");
            let text = listing(&candidate.slots);
            assert!(matches!(testimony, Testimony::True(_)), "{form:?}: {testimony:?}\n{text}");
        }
    }
}

#[test]
fn of_arithmetic() {
    hold(&arithmetic());
}

#[test]
fn of_extensions_negations_and_swaps() {
    hold(&one_operand());
}

#[test]
fn of_comparisons() {
    hold(&comparisons());
}

#[test]
fn of_memory() {
    hold(&memory());
}
