//! What is accepted does no harm: random programs that index a map value or the stack with numbers computed in random
//! ways, run concretely on random and boundary values whenever the verifier accepts them.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use skep_abi::map_type::{MapFlags, MapType};
use skep_abi::program_type::ProgramType;
use skep_isa::text::{Names, assemble_with};
use skep_isa::{BinaryOp, Insn, Operand, Slot, semantics};
use skep_verifier::{MapFacts, Options, Program, verify};
use std::cell::Cell;

const MAP_FD: i32 = 3;
const VALUE_BYTES: usize = 64;
const VALUE: u64 = 0x1000_0000_0000;
const FRAME: u64 = 0x2000_0000_0000;
/// More instructions than any of these programs, which have no loops, can run.
const MAX_STEPS: usize = 1000;

struct OneMap;

impl Names for OneMap {
    fn helper(&self, name: &str) -> Option<i32> {
        skep_abi::helper::by_name(name).map(|h| h.id as i32)
    }

    fn map(&self, _: &str) -> Option<i32> {
        Some(MAP_FD)
    }
}

fn immediate() -> impl Strategy<Value = i32> {
    prop_oneof![0..8, -64..64, Just(i32::MAX), Just(i32::MIN), any::<i32>(), (0u32..31).prop_map(|n| 1 << n),]
}

fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        0u64..64,
        (-64i64..0).prop_map(|n| n as u64),
        (0u32..64).prop_map(|n| 1 << n),
        (0u32..64).prop_map(|n| (1u64 << n) - 1),
        (0u64..5, 0u64..3).prop_map(|(n, high)| (0x7fff_fffe + n) | high << 32),
    ]
}

fn select(choices: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(choices)
}

/// One line among those that compute with r1 to r3; `label` is where a jump may go.
fn line() -> impl Strategy<Value = String> {
    const OPERATORS: &[&str] = &["+=", "-=", "*=", "&=", "|=", "^="];
    const SHIFTS: &[&str] = &["<<=", ">>=", "s>>="];
    const CONDITIONS: &[&str] = &["==", "!=", ">", ">=", "<", "<=", "s>", "s>=", "s<", "s<=", "&"];
    let reg = || 1..=3u8;
    let width = || select(&["r", "w"]);
    let label = || select(&["out", "end"]);
    prop_oneof![
        3 => (width(), reg(), select(OPERATORS), reg()).prop_map(|(w, d, op, s)| format!("{w}{d} {op} {w}{s}")),
        3 => (width(), reg(), select(OPERATORS), immediate()).prop_map(|(w, d, op, i)| format!("{w}{d} {op} {i}")),
        1 => (reg(), select(SHIFTS), 0..64).prop_map(|(d, op, n)| format!("r{d} {op} {n}")),
        1 => (reg(), select(SHIFTS), 0..32).prop_map(|(d, op, n)| format!("w{d} {op} {n}")),
        1 => (width(), reg(), reg()).prop_map(|(w, d, s)| format!("{w}{d} = {w}{s}")),
        1 => (reg(), select(&["s8", "s16", "s32"]), reg()).prop_map(|(d, size, s)| format!("r{d} = ({size})r{s}")),
        1 => reg().prop_map(|s| format!("*(u64 *)(r10 - 16) = r{s}")),
        1 => (reg(), select(&["u64", "u32", "u16", "u8"])).prop_map(|(d, size)| format!("r{d} = *({size} *)(r10 - 16)")),
        1 => reg().prop_map(|d| format!("r{d} = -r{d}")),
        3 => (width(), reg(), select(CONDITIONS), immediate(), label())
            .prop_map(|(w, d, c, i, l)| format!("if {w}{d} {c} {i} goto {l}")),
        2 => (width(), reg(), select(CONDITIONS), reg(), label())
            .prop_map(|(w, d, c, s, l)| format!("if {w}{d} {c} {w}{s} goto {l}")),
    ]
}

/// A program that ends with an access at a computed index.
fn program() -> impl Strategy<Value = String> {
    let load =
        (1..=3u8, select(&["u64", "u32", "u8"])).prop_map(|(d, size)| format!("r{d} = *({size} *)(r9 + {})", 8 * d));
    let bound = (1..=3u8, 0..80, select(&["r", "w"]), any::<bool>()).prop_map(|(d, n, w, mask)| {
        let bound = if mask { format!("{w}{d} &= {n}") } else { format!("if {w}{d} > {n} goto out") };
        (d, bound)
    });
    (prop::collection::vec(load, 3), prop::collection::vec(line(), 3..16), bound, any::<bool>()).prop_map(
        |(loads, lines, (index, bound), stack)| {
            let access = if stack { "r4 = r10\nr4 += -16" } else { "r4 = r9" };
            format!(
                "r1 = 1\nr2 = 2\nr3 = 3\n*(u64 *)(r10 - 8) = 0\n*(u64 *)(r10 - 16) = 0\nr2 = r10\nr2 += -8\n\
                 r1 = map[m] ll\ncall bpf_map_lookup_elem\nif r0 == 0 goto out\nr9 = r0\nr1 = 1\nr2 = 2\nr3 = 3\n\
                 {}\n{}\nend:\n{bound}\n{access}\nr4 += r{index}\nr0 = *(u8 *)(r4 + 0)\nout:\nr0 = 0\nexit\n",
                loads.join("\n"),
                lines.join("\n"),
            )
        },
    )
}

/// Runs a program on a map value; the error is an access outside of it and of the stack.
fn run(insns: &[Slot], values: &[u64]) -> Result<(), String> {
    let mut value: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let mut stack = vec![0u8; 512];
    let mut registers = [0u64; 11];
    registers[10] = FRAME;
    let mut at = 0;
    for _ in 0..MAX_STEPS {
        let insn = Insn::decode(insns, at).map_err(|error| error.to_string())?;
        let mut next = at + insn.slots();
        let jump = |offset: i64, next: usize| (next as i64 + offset) as usize;
        match insn {
            Insn::Alu { op: BinaryOp::Mov, width, dst, src } => {
                registers[dst.index()] = width.truncate(src.value(&registers));
            }
            Insn::Alu { op, width, dst, src } => {
                registers[dst.index()] = op.eval(width, registers[dst.index()], src.value(&registers));
            }
            Insn::MovSx { width, from, dst, src } => {
                registers[dst.index()] = semantics::mov_sign_extended(width, from, registers[src.index()]);
            }
            Insn::Neg { width, dst } => registers[dst.index()] = semantics::negate(width, registers[dst.index()]),
            Insn::LoadImm64 { dst, .. } => registers[dst.index()] = 0,
            Insn::Load { size, signed, dst, base, offset } => {
                let address = registers[base.index()].wrapping_add_signed(offset.into());
                let bytes = memory(&mut value, &mut stack, address, size.bytes().into())?;
                let mut raw = [0; 8];
                raw[..bytes.len()].copy_from_slice(bytes);
                registers[dst.index()] = size.extend(signed, u64::from_le_bytes(raw));
            }
            Insn::Store { size, base, offset, src } => {
                let address = registers[base.index()].wrapping_add_signed(offset.into());
                let stored = match src {
                    Operand::Reg(reg) => registers[reg.index()],
                    Operand::Imm(imm) => i64::from(imm) as u64,
                };
                let bytes = memory(&mut value, &mut stack, address, size.bytes().into())?;
                let len = bytes.len();
                bytes.copy_from_slice(&stored.to_le_bytes()[..len]);
            }
            Insn::Call(_) => registers[0] = VALUE,
            Insn::Jump { offset, .. } => next = jump(offset.into(), next),
            Insn::JumpIf { condition, width, dst, src, offset } => {
                if condition.eval(width, registers[dst.index()], src.value(&registers)) {
                    next = jump(offset.into(), next);
                }
            }
            Insn::Exit => return Ok(()),
            other => return Err(format!("{other:?} does not belong here")),
        }
        at = next;
    }
    Err("the program does not end".to_owned())
}

fn memory<'a>(value: &'a mut [u8], stack: &'a mut [u8], address: u64, len: u64) -> Result<&'a mut [u8], String> {
    let inside = |base: u64, bytes: u64| {
        let offset = address.checked_sub(base)?;
        (offset.checked_add(len)? <= bytes).then_some(offset as usize..(offset + len) as usize)
    };
    if let Some(range) = inside(VALUE, VALUE_BYTES as u64) {
        return Ok(&mut value[range]);
    }
    match inside(FRAME - 512, 512) {
        Some(range) => Ok(&mut stack[range]),
        None => Err(format!("{len} bytes at {address:#x}")),
    }
}

#[test]
fn accepted_programs_stay_inside_their_memory() {
    let facts = MapFacts {
        name: "m".to_owned(),
        map_type: MapType::Hash,
        key_size: 8,
        value_size: VALUE_BYTES as u32,
        max_entries: 1,
        flags: MapFlags::empty(),
        value_type: None,
        frozen: None,
        inner: None,
    };
    let maps = [(MAP_FD, facts)];
    let accepted = Cell::new(0u32);
    let inputs = prop::collection::vec(prop::collection::vec(value(), VALUE_BYTES / 8), 20);
    let mut runner = TestRunner::new(Config::with_cases(500));
    let outcome = runner.run(&(program(), inputs), |(text, inputs)| {
        let insns =
            assemble_with(&text, &OneMap).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?.slots;
        let program = Program { maps: &maps, ..Program::new("random", ProgramType::SocketFilter, &insns) };
        let Ok(verified) = verify(&program, &Options::default()) else { return Ok(()) };
        accepted.set(accepted.get() + 1);
        for values in inputs {
            // The program as given, and as the fix-ups left it.
            for insns in [&insns[..], verified.insns()] {
                run(insns, &values)
                    .map_err(|what| TestCaseError::fail(format!("{what}; value {values:x?}\n{text}")))?;
            }
        }
        Ok(())
    });
    if let Err(problem) = outcome {
        panic!("{problem}");
    }
    // The generator must not drift to where nothing is accepted.
    let accepted = accepted.get();
    assert!(accepted > 50, "only {accepted} of 500 programs are accepted: the test shows nothing");
}
