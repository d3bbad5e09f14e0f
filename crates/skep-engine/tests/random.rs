//! Whatever the bytes, the sandbox neither panics nor touches memory it was not lent.

use proptest::prelude::*;
use skep_engine::conformance::{self, ConformanceError};
use skep_engine::{CompileOptions, Environment, Executable, Fault, Machine, Mode, Region, Sandbox};
use skep_isa::{Field, INSTRUCTIONS, Slot};

const BUDGET: u64 = 20_000;

/// Helpers that read, write, call back and tail-call with whatever arguments they get.
struct Anything;

impl Environment for Anything {
    fn call_helper(&mut self, id: u32, args: [u64; 5], machine: &mut Machine<'_>) -> Result<u64, Fault> {
        match id % 4 {
            0 => machine.read_vec(args[0], args[1] as usize).map(|bytes| bytes.len() as u64),
            1 => machine.write(args[0], &args[1].to_le_bytes()).map(|()| 0),
            2 => machine.read_c_string(args[0], args[1] as usize).map(|string| string.len() as u64),
            _ => machine.call_back(self, args[0], args),
        }
    }
}

fn number() -> impl Strategy<Value = i32> {
    prop_oneof![Just(0), Just(1), Just(-1), Just(i32::MIN), -64..64, any::<i32>()]
}

/// Slots of one instruction; jumps that stay near.
fn instruction() -> impl Strategy<Value = Vec<Slot>> {
    (0..INSTRUCTIONS.len(), 0..=10_u8, 0..=10_u8, -24..24_i16, number(), number()).prop_map(
        |(row, dst, src, offset, imm, next)| {
            let row = &INSTRUCTIONS[row];
            let fixed = |field: Field, otherwise: i32| if let Field::Is(n) = field { n } else { otherwise };
            let mut slots = vec![Slot {
                opcode: row.opcode,
                dst: fixed(row.dst, dst.into()) as u8,
                src: fixed(row.src, src.into()) as u8,
                offset: fixed(row.offset, offset.into()) as i16,
                imm: fixed(row.imm, imm),
            }];
            slots.extend(row.second.map(|imm| Slot { imm: fixed(imm, next), ..Slot::default() }));
            slots
        },
    )
}

/// Runs between two guards and looks at them afterwards.
fn run_guarded(slots: &[Slot]) {
    let Ok(executable) = Executable::link(slots, |_| Some(0x1234)) else { return };
    let mut memory = [0xa5_u8; 96];
    let (before, rest) = memory.split_at_mut(32);
    let (lent, after) = rest.split_at_mut(32);
    let mut sandbox = Sandbox::new(BUDGET);
    let address = sandbox.lend(Region::writable(lent));
    // The outcome does not matter, only that there is one.
    let _ = sandbox.run(&executable, &mut Anything, [address, 32, address, address + 16, 0]);
    assert!(before.iter().chain(&*after).all(|byte| *byte == 0xa5));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..160)) {
        let whole = bytes.len() / 8 * 8;
        run_guarded(&Slot::read_program(&bytes[..whole]).expect("whole slots"));
    }

    #[test]
    fn random_instructions(parts in prop::collection::vec(instruction(), 1..48)) {
        let mut slots = parts.concat();
        // Enough landing places that jumps and falls mostly find an instruction.
        slots.extend([Slot { opcode: 0x95, ..Slot::default() }; 24]);
        run_guarded(&slots);
    }

    /// What the sandbox let pass, the interpreter and compiled code do on native addresses, with the same memory afterwards.
    #[test]
    fn all_engines_do_what_the_sandbox_did(parts in prop::collection::vec(instruction(), 1..24)) {
        let mut slots = parts.concat();
        slots.extend([Slot { opcode: 0x95, ..Slot::default() }; 24]);
        let program = Slot::write_program(&slots);
        // Same addresses for all: r1, r10 and what is computed from them must not differ.
        let mut memory = [7_u8; 64];
        let [plain, blinded] = [false, true].map(|blind| CompileOptions { blind, ..CompileOptions::default() });
        let engines =
            [(Mode::Sandbox, &plain), (Mode::Interpreter, &plain), (Mode::Jit, &plain), (Mode::Jit, &blinded)];
        let mut expected = None;
        for (mode, options) in engines {
            memory.fill(7);
            let outcome = (conformance::run_with(mode, options, &program, &mut memory), memory);
            if matches!(outcome.0, Err(ConformanceError::Functions(_))) {
                continue;
            }
            let expected = expected.get_or_insert_with(|| outcome.clone());
            prop_assert_eq!(&outcome, expected, "{} {}", mode, options.blind);
        }
    }
}
