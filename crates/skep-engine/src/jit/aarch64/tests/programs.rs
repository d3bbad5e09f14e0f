//! Random programs, and programs of unusual size, in the sandbox and in the emulator.

use std::sync::atomic::{AtomicUsize, Ordering};

use skep_isa::Slot;

use super::super::assembler::Assembler;
use super::super::registers::SCRATCH;
use super::emulator::{self, Emulator, Processor};
use super::generator::{self, AfterCalls, MEMORY_BYTES, Random};
use super::image::{self, Addresses, Case, Outcome, Setting};
use crate::environment::{Environment, Fault};
use crate::executable::Executable;
use crate::jit::{Facts, Frames, Request, decode, translate};
use crate::machine::Machine;
use crate::memory::Region;
use crate::run::Sandbox;
use crate::stack::{Chunk, FRAME_BYTES};

/// The helper of the image.
struct Unwind;

impl Environment for Unwind {
    fn call_helper(&mut self, id: u32, [first, ..]: [u64; 5], _machine: &mut Machine<'_>) -> Result<u64, Fault> {
        match (id, first) {
            (5, 0) => Err(Fault::Unwind(0)),
            (5, _) => Ok(first),
            _ => Err(Fault::UnknownHelper(id)),
        }
    }
}

/// What the sandbox says, if it has no objection.
fn expected(slots: &[Slot], memory: &[u8], address: u64, chunk: &mut Chunk) -> Option<Outcome> {
    let executable = Executable::link(slots, |_| None).expect("the program links");
    let mut memory = memory.to_vec();
    let mut sandbox = Sandbox::new(10_000_000);
    let len = memory.len() as u64;
    sandbox.lend(Region::writable(&mut memory).at(address));
    match sandbox.run_in(chunk, &executable, &mut Unwind, [address, len, 0, 0, 0]) {
        Ok(r0) => Some(Outcome { r0, ended: false, memory }),
        Err(Fault::Unwind(_)) => Some(Outcome { r0: 0, ended: true, memory }),
        Err(_) => None,
    }
}

/// Memory for frames at an address that is free in the emulated program, too.
struct Lent {
    memory: *mut Chunk,
}

const LENT_BYTES: usize = size_of::<Chunk>().next_multiple_of(4096);

impl Lent {
    fn new() -> Lent {
        use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
        // Tests run side by side.
        static NEXT: AtomicUsize = AtomicUsize::new(0x3000_0000);
        let at = std::ptr::without_provenance_mut(NEXT.fetch_add(0x10_0000, Ordering::Relaxed));
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE);
        // SAFETY: a fresh anonymous mapping aliases nothing and replaces none.
        let memory = unsafe { mmap_anonymous(at, LENT_BYTES, protection, flags) }.expect("memory");
        memory.expose_provenance();
        Lent { memory: memory.cast() }
    }

    fn chunk(&mut self) -> &mut Chunk {
        // SAFETY: the mapping is ours, long enough and aligned; its words need no value.
        unsafe { &mut *self.memory }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours.
        let _ = unsafe { rustix::mm::munmap(self.memory.cast(), LENT_BYTES) };
    }
}

/// A program that the sandbox ran.
struct Ran {
    slots: Vec<Slot>,
    memory: Vec<u8>,
    address: u64,
    expected: Outcome,
}

impl Ran {
    fn case(&self) -> Case<'_> {
        Case { stack_bytes: FRAME_BYTES, slots: &self.slots, memory: &self.memory, address: self.address }
    }
}

/// Runs programs in the sandbox and keeps those to which it did not object.
fn run_in_sandbox(programs: impl Iterator<Item = (Vec<Slot>, Vec<u8>, u64)>, chunk: &mut Chunk) -> Vec<Ran> {
    let mut addresses = Addresses::new();
    let ran = programs.filter_map(|(slots, memory, misaligned_by)| {
        let address = addresses.next(memory.len(), misaligned_by);
        let expected = expected(&slots, &memory, address, chunk)?;
        Some(Ran { slots, memory, address, expected })
    });
    ran.collect()
}

/// Compares what the emulator makes of them. Gives how many could be compared.
fn compare(emulator: Emulator, ran: &[Ran], setting: Setting, processor: Processor) -> usize {
    let cases: Vec<Case<'_>> = ran.iter().map(Ran::case).collect();
    let image = image::build(&cases, setting).expect("the programs compile");
    let output = emulator.run(&image, processor);
    assert_eq!(output.len() as u64, image::output_len(&cases));
    let mut compared = 0;
    for (ran, outcome) in ran.iter().zip(image::outcomes(&cases, &output)) {
        let Some(outcome) = outcome else { continue };
        compared += 1;
        let same = outcome.memory == ran.expected.memory
            && outcome.ended == ran.expected.ended
            && (outcome.ended || outcome.r0 == ran.expected.r0);
        let listing = || skep_isa::text::Listing::new(&ran.slots).to_string();
        assert!(same, "{setting:?}: {outcome:x?} instead of {:x?}:\n{}", ran.expected, listing());
    }
    compared
}

/// Compares with and without the large system extension, with those kinds of frames.
fn compare_all(ran: &[Ran], chunk: u64, frames: &[Frames]) {
    let Some(emulator) = emulator::find() else { return };
    for (atomics, processor) in [(false, Processor::First), (true, Processor::Newest)] {
        for (frames, blind) in frames.iter().flat_map(|frames| [(*frames, false), (*frames, true)]) {
            let compared = compare(emulator, ran, Setting { atomics, frames, blind, chunk }, processor);
            assert_eq!(compared, ran.len(), "some programs called what is not there");
        }
    }
}

fn lent_and(programs: impl Iterator<Item = (Vec<Slot>, Vec<u8>, u64)>) -> (Vec<Ran>, Lent) {
    let mut lent = Lent::new();
    let ran = run_in_sandbox(programs, lent.chunk());
    (ran, lent)
}

fn address(lent: &Lent) -> u64 {
    lent.memory.expose_provenance() as u64
}

const PROGRAMS: usize = 1500;

fn random_programs(seed: u64, after_calls: AfterCalls, frames: &[Frames]) {
    let mut random = Random(seed);
    let programs = std::iter::repeat_with(|| {
        let slots = generator::program(&mut random, after_calls);
        let memory = (0..MEMORY_BYTES).map(|_| random.next() as u8).collect();
        (slots, memory, random.below(16))
    });
    let (ran, lent) = lent_and(programs.take(PROGRAMS));
    assert!(ran.len() > PROGRAMS * 9 / 10, "the sandbox objects to too many: {} ran", ran.len());
    compare_all(&ran, address(&lent), frames);
}

#[test]
fn random_programs_do_what_they_do_in_the_sandbox() {
    random_programs(4, AfterCalls::Lost, &[Frames::Lent, Frames::Native]);
}

/// Where a run must be the same in every detail, calls keep r1 to r5.
#[test]
fn so_do_programs_that_count_on_arguments_after_calls() {
    random_programs(5, AfterCalls::Kept, &[Frames::Lent]);
}

fn insn(opcode: u8, dst: u8, offset: i16, imm: i32) -> Slot {
    Slot { opcode, dst, src: 0, offset, imm }
}

/// `r2 *= 3`: one instruction; `r2 %= 7`: several.
const MULTIPLY: Slot = Slot { opcode: 0x27, dst: 2, src: 0, offset: 0, imm: 3 };
const MODULO: Slot = Slot { opcode: 0x97, dst: 2, src: 0, offset: 0, imm: 7 };

/// r0 becomes the first byte of the memory; if it compares as said, `between` is jumped over. r0 tells.
fn forwards(condition: Slot, between: Slot, count: usize) -> Vec<Slot> {
    let mut slots = vec![Slot { src: 1, ..insn(0x71, 0, 0, 0) }, insn(0xb7, 2, 0, 12345)];
    slots.push(Slot { offset: count as i16, ..condition });
    slots.extend(std::iter::repeat_n(between, count));
    slots.extend([Slot { src: 2, ..insn(0x0f, 0, 0, 0) }, insn(0x95, 0, 0, 0)]);
    slots
}

/// Goes through `between` twice if r0 compares as said; the jump back is a long one of BPF.
fn backwards(condition: Slot, between: Slot, count: usize) -> Vec<Slot> {
    let mut slots = vec![Slot { src: 1, ..insn(0x71, 0, 0, 0) }, insn(0xb7, 2, 0, 12345), insn(0xb7, 3, 0, 2)];
    slots.extend(std::iter::repeat_n(between, count));
    slots.extend([insn(0x07, 3, 0, -1), insn(0x15, 3, 1, 0), Slot { offset: 1, ..condition }, insn(0x05, 0, 1, 0)]);
    slots.push(insn(0x06, 0, 0, -(count as i32 + 5)));
    slots.extend([Slot { src: 2, ..insn(0x0f, 0, 0, 0) }, insn(0x95, 0, 0, 0)]);
    slots
}

/// Ends by the helper, before so many instructions.
fn ended(between: Slot, count: usize) -> Vec<Slot> {
    let mut slots = vec![insn(0xb7, 1, 0, 0), insn(0x85, 0, 0, 5), insn(0xb7, 2, 0, 0)];
    slots.extend(std::iter::repeat_n(between, count));
    slots.push(insn(0x95, 0, 0, 0));
    slots
}

/// Conditional jumps of the machine reach 32 KiB or 1 MiB; programs are longer.
#[test]
fn jumps_reach_across_long_programs() {
    let mut programs = Vec::new();
    for opcode in [0x15, 0x45, 0x65] {
        for first in [0, 1, 255] {
            let memory = vec![first; 16];
            let condition = insn(opcode, 0, 0, 1);
            for (between, count) in [(MULTIPLY, 1300), (MULTIPLY, 8190), (MODULO, 32_000)] {
                programs.push((forwards(condition, between, count), memory.clone(), 0));
            }
        }
        programs.push((backwards(insn(opcode, 0, 0, 1), MULTIPLY, 300_000), vec![1; 16], 0));
    }
    programs.push((ended(MULTIPLY, 300_000), vec![0; 16], 0));
    let count = programs.len();
    let (ran, lent) = lent_and(programs.into_iter());
    assert_eq!(ran.len(), count);
    compare_all(&ran, address(&lent), &[Frames::Lent, Frames::Native]);
}

/// Writes ones to a whole frame, or puts all words of one together.
fn touch_frame(stack_bytes: u16, write: bool) -> Vec<Slot> {
    let mut slots = vec![insn(0xb7, 0, 0, 0)];
    for offset in (8..=stack_bytes as i16).step_by(8) {
        if write {
            slots.push(insn(0x7a, 10, -offset, -1));
        } else {
            slots.push(Slot { src: 10, ..insn(0x79, 1, -offset, 0) });
            slots.push(Slot { src: 1, ..insn(0x4f, 0, 0, 0) });
        }
    }
    slots.push(insn(0x95, 0, 0, 0));
    slots
}

#[test]
fn frames_of_any_size_are_zero_at_the_beginning() {
    let Some(emulator) = emulator::find() else { return };
    let mut addresses = Addresses::new();
    let dirty = touch_frame(FRAME_BYTES, true);
    let sizes: Vec<u16> = (8..=FRAME_BYTES).step_by(8).collect();
    let programs: Vec<Vec<Slot>> = sizes.iter().map(|size| touch_frame(*size, false)).collect();
    let mut cases = Vec::new();
    for (stack_bytes, slots) in sizes.iter().zip(&programs) {
        for (stack_bytes, slots) in [(FRAME_BYTES, &dirty), (*stack_bytes, slots)] {
            cases.push(Case { stack_bytes, slots, memory: &[], address: addresses.next(0, 0) });
        }
    }
    let setting = Setting { atomics: false, frames: Frames::Native, blind: false, chunk: 0x3000_0000 };
    let output = emulator.run(&image::build(&cases, setting).expect("the programs compile"), Processor::First);
    for (case, outcome) in cases.iter().zip(image::outcomes(&cases, &output)) {
        assert_eq!(outcome.map(|outcome| outcome.r0), Some(0), "a frame of {} bytes", case.stack_bytes);
    }
}

/// What the engine would run differs from what is tested here in the addresses it calls.
#[test]
fn code_for_the_engine_calls_the_engine() {
    let slots = [insn(0x85, 0, 0, 5), insn(0x95, 0, 0, 0)];
    let options = crate::compile_options::CompileOptions::default();
    let insns = decode(&slots).expect("two instructions");
    let (slots, facts, frames) = (slots.len(), Facts::default(), Frames::Native);
    let request = Request { insns: &insns, slots, facts, frames, zeroed: true, options: &options };
    let program = translate(&request, |_| 0, &mut super::Nothing).expect("the program links");
    let stubs = super::stubs_at([0x1000, 0x2000, 0x3000]);
    let code = super::super::emit(&program, &stubs).code;
    assert!(code.len() <= super::super::MAX_CODE);
    let mut call = Assembler::with_capacity(4);
    call.mov_imm(SCRATCH[0], crate::jit::native::call_helper as *const () as u64);
    call.call_register(SCRATCH[0]);
    let call = call.finish();
    assert!(code.windows(call.len()).any(|part| part == call));
}
