//! Values for the property tests.
#![allow(dead_code)]

pub(crate) mod evaluator;

use proptest::prelude::*;
use skep_isa::{Field, INSTRUCTIONS, Insn, Row, Slot};

/// The slots of a row with the given numbers in its open fields.
pub(crate) fn fill(row: &Row, dst: u8, src: u8, offset: i16, imm: i32, next: i32) -> Vec<Slot> {
    let put = |field, value| match field {
        Field::Any => value,
        Field::Is(number) => number,
    };
    let first = Slot {
        opcode: row.opcode,
        dst: put(row.dst, dst.into()) as u8,
        src: put(row.src, src.into()) as u8,
        offset: put(row.offset, offset.into()) as i16,
        imm: put(row.imm, imm),
    };
    let second = row.second.map(|field| Slot { imm: put(field, next), ..Slot::default() });
    std::iter::once(first).chain(second).collect()
}

/// Numbers with the edges of their range more often than chance has them.
pub(crate) fn number() -> impl Strategy<Value = i32> {
    prop_oneof![any::<i32>(), -64..64, Just(i32::MIN), Just(i32::MAX), Just(i16::MIN.into()), Just(i16::MAX.into())]
}

/// Any instruction, as its slots.
pub(crate) fn slots() -> impl Strategy<Value = Vec<Slot>> {
    (0..INSTRUCTIONS.len(), 0u8..11, 0u8..11, number(), number(), number())
        .prop_map(|(row, dst, src, offset, imm, next)| fill(&INSTRUCTIONS[row], dst, src, offset as i16, imm, next))
}

/// Any instruction.
pub(crate) fn insn() -> impl Strategy<Value = Insn> {
    slots().prop_map(|slots| Insn::decode(&slots, 0).expect("the slots of a row decode"))
}

/// A slot of which not much can be said, though its opcode often exists.
pub(crate) fn any_slot() -> impl Strategy<Value = Slot> {
    let opcode = prop_oneof![any::<u8>(), (0..INSTRUCTIONS.len()).prop_map(|row| INSTRUCTIONS[row].opcode)];
    let small = prop_oneof![3 => Just(0), 1 => number()];
    (opcode, 0u8..16, 0u8..16, small.clone(), small).prop_map(|(opcode, dst, src, offset, imm)| Slot {
        opcode,
        dst,
        src,
        offset: offset as i16,
        imm,
    })
}

#[allow(unused_imports, reason = "not every test that shares this file can be skipped")]
pub(crate) use skep_testing::skip;
