//! A static executable for AArch64 Linux that runs compiled programs one after the other and writes what came of them.
//!
//! Everything lies at addresses that are known when the code is emitted. The stack that programs are lent lies where the
//! sandbox had it on this host, so that addresses, too, come out the same.

use std::mem::offset_of;

use skep_isa::Width;

use super::super::assembler::{Alu, AluImm, Assembler, Flags, Gpr, Mem, Reach, When};
use super::super::calls::{Runtime, state};
use super::super::registers::MACHINE;
use super::super::{Features, build_stubs, emit_for};
use crate::compile_options::CompileOptions;
use crate::executable::LinkError;
use crate::jit::native;
use crate::jit::{Facts, Frames, Request, Stubs, decode, translate};
use crate::machine::Machine;
use crate::stack::Chunk;
use skep_isa::Slot;

const TEXT: u64 = 0x40_0000;
/// The machine's state, then results, then memories.
const DATA: u64 = 0x1000_0000;
const RESULTS: u64 = DATA + 0x1000;
/// Bytes of headers before the text.
const HEADERS: u64 = 64 + 3 * 56;
/// r0, whether the run was ended, whether callee-saved registers changed.
const RESULT_WORDS: usize = 3;

/// `ended` of a run that called what the image does not have.
const NOT_HERE: u64 = 2;

/// What came of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) r0: u64,
    pub(super) ended: bool,
    pub(super) memory: Vec<u8>,
}

/// A program with its memory, and where that lies.
pub(super) struct Case<'c> {
    /// Bytes of stack of each of its functions.
    pub(super) stack_bytes: u16,
    pub(super) slots: &'c [Slot],
    pub(super) memory: &'c [u8],
    pub(super) address: u64,
}

/// Most programs of an image.
pub(super) const MOST_CASES: usize = 1 << 14;

/// Addresses for the memories of programs, in order; before them is the place of the results.
pub(super) struct Addresses(u64);

impl Addresses {
    pub(super) fn new() -> Addresses {
        Addresses(RESULTS + (8 * RESULT_WORDS * MOST_CASES) as u64)
    }

    pub(super) fn next(&mut self, len: usize, misaligned_by: u64) -> u64 {
        let address = self.0.next_multiple_of(16) + misaligned_by;
        self.0 = address + len as u64;
        address
    }
}

/// What an image is made for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub(super) atomics: bool,
    pub(super) frames: Frames,
    /// Numbers of programs do not stand in the code.
    pub(super) blind: bool,
    /// Where lent frames are.
    pub(super) chunk: u64,
}

/// Makes the image.
pub(super) fn build(cases: &[Case<'_>], setting: Setting) -> Result<Vec<u8>, LinkError> {
    let mut text = Text { code: Vec::new() };
    let (stubs_code, [enter, end, tail_call]) = build_stubs();
    let stubs_at = text.add(&stubs_code);
    let stubs = super::stubs_at([enter, end, tail_call].map(|offset| stubs_at + offset as u64));
    let runtime = Runtime {
        call_helper: text.add(&helper(state!(id), Width::W32)),
        call_register: text.add(&helper(state!(target), Width::W64)),
        ..Runtime::default()
    };
    let features = Features { atomics: setting.atomics };
    let mut entries = Vec::new();
    let options = CompileOptions { blind: setting.blind, ..CompileOptions::default() };
    for case in cases {
        let insns = decode(case.slots)?;
        let request = Request {
            insns: &insns,
            slots: case.slots.len(),
            facts: Facts::default(),
            frames: setting.frames,
            zeroed: true,
            options: &options,
        };
        let program = translate(&request, |_| case.stack_bytes, &mut super::Nothing)?;
        let emitted = emit_for(&program, &stubs, runtime, features);
        entries.push(text.add(&emitted.code) + u64::from(emitted.entries[0]));
    }
    let start = text.add(&start(cases, &entries, &stubs, setting));
    Ok(elf(&text.code, start, cases, setting))
}

/// Reads what the image wrote.
pub(super) fn outcomes(cases: &[Case<'_>], output: &[u8]) -> Vec<Option<Outcome>> {
    let word = |at: usize| u64::from_le_bytes(output[at..at + 8].try_into().expect("eight bytes"));
    let outcome = |(index, case): (usize, &Case<'_>)| {
        let at = index * 8 * RESULT_WORDS;
        assert_eq!(word(at + 16), 0, "program {index} changed callee-saved registers or the stack pointer");
        let memory = (case.address - RESULTS) as usize;
        let memory = output[memory..memory + case.memory.len()].to_vec();
        let ended = word(at + 8);
        (ended != NOT_HERE).then_some(Outcome { r0: word(at), ended: ended != 0, memory })
    };
    cases.iter().enumerate().map(outcome).collect()
}

struct Text {
    code: Vec<u8>,
}

impl Text {
    /// Gives the address.
    fn add(&mut self, code: &[u8]) -> u64 {
        self.code.resize(self.code.len().next_multiple_of(16), 0);
        let address = TEXT + HEADERS.next_multiple_of(16) + self.code.len() as u64;
        self.code.extend(code);
        address
    }
}

/// The suite's `unwind` helper, number 5: gives back its argument, and zero ends the program. It changes what a function
/// may change. `number` is where the number of the helper stands.
fn helper(number: Mem, width: Width) -> Vec<u8> {
    let mut asm = Assembler::with_capacity(64);
    let (scratch, result) = (Gpr(9), Gpr(0));
    match width {
        Width::W32 => asm.load32(scratch, number),
        Width::W64 => asm.load64(scratch, number),
    }
    asm.alu_imm(AluImm::Subs, width, Gpr::ZERO, scratch, 5);
    let other = asm.jump(When::Flags(Flags::NotEqual));
    let zero = asm.jump(When::Zero(Width::W64, result));
    clobber(&mut asm);
    asm.ret();
    asm.land(other, Reach::Conditional);
    asm.mov_imm(scratch, NOT_HERE);
    let end = asm.jump(When::Always);
    asm.land(zero, Reach::Conditional);
    asm.mov_imm(scratch, 1);
    asm.land(end, Reach::Always);
    asm.store32(state!(ended), scratch);
    asm.mov_imm(result, 0);
    asm.ret();
    asm.finish()
}

fn clobber(asm: &mut Assembler) {
    for number in 1..18 {
        asm.mov_imm(Gpr(number), 0xdead_0000 + u64::from(number));
    }
}

/// Runs every program, writes results and memories to the standard output, exits.
fn start(cases: &[Case<'_>], entries: &[u64], stubs: &Stubs, setting: Setting) -> Vec<u8> {
    let mut asm = Assembler::with_capacity(32 * cases.len());
    let (sp, scratch, changed) = (Gpr(28), Gpr(9), Gpr(10));
    let kept: Vec<Gpr> = (19..28).chain([29]).map(Gpr).collect();
    let mark = |register: Gpr| 0x5ca1_ab1e + u64::from(register.0);
    asm.mov_from_sp(sp);
    for (index, (case, entry)) in cases.iter().zip(entries).enumerate() {
        for register in &kept {
            asm.mov_imm(*register, mark(*register));
        }
        let arguments = [case.address, case.memory.len() as u64, 0, 0, 0, DATA, *entry];
        for (number, value) in arguments.into_iter().enumerate() {
            asm.mov_imm(Gpr(number as u8), value);
        }
        asm.mov_imm(MACHINE, DATA);
        asm.store32(state!(ended), Gpr::ZERO);
        asm.mov_imm(scratch, setting.chunk + size_of::<Chunk>() as u64);
        asm.store64(state!(frame_top), scratch);
        asm.mov_imm(MACHINE, mark(MACHINE));
        asm.mov_imm(scratch, stubs.enter);
        asm.call_register(scratch);
        asm.mov_from_sp(changed);
        asm.alu(Alu::Xor, Width::W64, changed, changed, sp);
        for register in &kept {
            asm.mov_imm(scratch, mark(*register));
            asm.alu(Alu::Xor, Width::W64, scratch, scratch, *register);
            asm.alu(Alu::Or, Width::W64, changed, changed, scratch);
        }
        let results = Gpr(11);
        asm.mov_imm(results, RESULTS + (8 * RESULT_WORDS * index) as u64);
        asm.store64(Mem::new(results, 0), Gpr(0));
        asm.mov_imm(MACHINE, DATA);
        asm.load32(scratch, state!(ended));
        asm.store64(Mem::new(results, 8), scratch);
        asm.store64(Mem::new(results, 16), changed);
    }
    // write(1, results, len), exit(0)
    system_call(&mut asm, 64, [1, RESULTS, output_len(cases)]);
    system_call(&mut asm, 93, [0, 0, 0]);
    asm.finish()
}

fn system_call(asm: &mut Assembler, number: u64, arguments: [u64; 3]) {
    for (at, value) in arguments.into_iter().enumerate() {
        asm.mov_imm(Gpr(at as u8), value);
    }
    asm.mov_imm(Gpr(8), number);
    asm.word(0xd400_0001);
}

/// Bytes from the first result to the end of the last memory.
pub(super) fn output_len(cases: &[Case<'_>]) -> u64 {
    cases.last().map_or(0, |case| case.address + case.memory.len() as u64 - RESULTS)
}

/// An ELF file with a segment of code, one of data and one for lent frames.
fn elf(code: &[u8], entry: u64, cases: &[Case<'_>], setting: Setting) -> Vec<u8> {
    let header_bytes = HEADERS.next_multiple_of(16);
    let text_bytes = header_bytes + code.len() as u64;
    let data_offset = text_bytes.next_multiple_of(0x1_0000);
    let data_bytes = RESULTS - DATA + output_len(cases);
    let chunk_page = setting.chunk & !0xfff;
    let chunk_bytes = setting.chunk - chunk_page + size_of::<Chunk>() as u64;
    let mut file = Vec::new();
    let halves = |file: &mut Vec<u8>, values: &[u16]| {
        file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    };
    let words = |file: &mut Vec<u8>, values: &[u32]| file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    let doubles = |file: &mut Vec<u8>, values: &[u64]| file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    // 64 bits, little-endian, version 1.
    file.extend([0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    // An executable for AArch64.
    halves(&mut file, &[2, 183]);
    words(&mut file, &[1]);
    doubles(&mut file, &[entry, 64, 0]);
    words(&mut file, &[0]);
    halves(&mut file, &[64, 56, 3, 0, 0, 0]);
    // Readable and executable; then readable and writable.
    for (flags, offset, address, in_file, in_memory) in [
        (5, 0, TEXT, text_bytes, text_bytes),
        (6, data_offset, DATA, data_bytes, data_bytes),
        (6, 0, chunk_page, 0, chunk_bytes),
    ] {
        words(&mut file, &[1, flags]);
        doubles(&mut file, &[offset, address, address, in_file, in_memory, 0x1000]);
    }
    file.resize(header_bytes as usize, 0);
    file.extend(code);
    file.resize((data_offset + data_bytes) as usize, 0);
    for case in cases {
        let at = (data_offset + case.address - DATA) as usize;
        file[at..at + case.memory.len()].copy_from_slice(case.memory);
    }
    file
}
