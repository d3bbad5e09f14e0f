//! The table, the decoder and the encoder agree.

mod common;

use proptest::prelude::*;
use skep_isa::{
    DecodeErrorReason, Field, FieldName, Form, INSTRUCTIONS, Insn, Rules, Size, Slot, decode_program, encode_program,
    instructions,
};

#[test]
fn rows_stand_in_the_order_of_their_forms() {
    for (i, row) in INSTRUCTIONS.iter().enumerate() {
        assert_eq!(row.form as usize, i);
        assert_eq!(row.form.row().text, row.text);
    }
    assert_eq!(Form::all().len(), INSTRUCTIONS.len());
}

#[test]
fn no_two_rows_accept_the_same_slot() {
    let disjoint = |a: Field, b: Field| matches!((a, b), (Field::Is(a), Field::Is(b)) if a != b);
    for (i, a) in INSTRUCTIONS.iter().enumerate() {
        for b in &INSTRUCTIONS[..i] {
            let apart = disjoint(a.src, b.src) || disjoint(a.offset, b.offset) || disjoint(a.imm, b.imm);
            assert!(a.opcode != b.opcode || apart, "{:?} and {:?}", a.form, b.form);
            assert_ne!(a.text, b.text);
        }
    }
}

#[test]
fn each_row_round_trips_and_finds_its_form() {
    for row in INSTRUCTIONS {
        let slots = common::fill(row, 3, 7, -5, 0x1234_5678, -9);
        let insn = Insn::decode(&slots, 0).unwrap();
        assert_eq!(insn.form(), Some(row.form));
        assert_eq!(insn.slots(), slots.len());
        assert_eq!(insn.encode().as_slice(), slots);
    }
}

/// Sets one field of each row to a number that the row does not permit.
#[test]
fn a_wrong_number_in_any_fixed_field_is_refused_or_another_instruction() {
    for row in INSTRUCTIONS {
        let good = common::fill(row, 1, 2, 4, 8, 16);
        for (field, spec) in [
            (FieldName::Dst, row.dst),
            (FieldName::Src, row.src),
            (FieldName::Offset, row.offset),
            (FieldName::Imm, row.imm),
        ] {
            let Field::Is(number) = spec else { continue };
            let mut bad = good.clone();
            match field {
                FieldName::Dst => bad[0].dst = number as u8 + 9,
                FieldName::Src => bad[0].src = number as u8 + 9,
                FieldName::Offset => bad[0].offset = number as i16 + 9,
                _ => bad[0].imm = number + 9,
            }
            match Insn::decode(&bad, 0) {
                Ok(other) => panic!("{:?} with another {field}: {other:?}", row.form),
                Err(error) => {
                    let said = error.to_string();
                    assert!(said.contains(&field.to_string()), "{:?}, {field}: {said}", row.form);
                }
            }
        }
    }
}

#[test]
fn registers_above_r10_are_refused() {
    for row in INSTRUCTIONS {
        let slots = common::fill(row, 11, 2, 4, 8, 16);
        if row.dst == Field::Any {
            let reason = Insn::decode(&slots, 0).unwrap_err().reason;
            let expected = DecodeErrorReason::Register { opcode: row.opcode, field: FieldName::Dst, number: 11 };
            assert_eq!(reason, expected);
        }
    }
}

#[test]
fn two_slot_instructions_need_both() {
    let slots = common::fill(Form::LoadImm64.row(), 1, 0, 0, 5, 6);
    assert_eq!(Insn::decode(&slots[..1], 0).unwrap_err().reason, DecodeErrorReason::SecondSlotMissing);
    for (field, second) in [
        (FieldName::Opcode, Slot { opcode: 0x18, ..slots[1] }),
        (FieldName::Dst, Slot { dst: 1, ..slots[1] }),
        (FieldName::Src, Slot { src: 1, ..slots[1] }),
        (FieldName::Offset, Slot { offset: 1, ..slots[1] }),
    ] {
        let reason = Insn::decode(&[slots[0], second], 0).unwrap_err().reason;
        assert!(matches!(reason, DecodeErrorReason::SecondSlot { field: found, .. } if found == field), "{reason:?}");
    }
    let map = common::fill(Form::LoadMapFd.row(), 1, 1, 0, 5, 0);
    let reason = Insn::decode(&[map[0], Slot { imm: 1, ..map[1] }], 0).unwrap_err().reason;
    assert_eq!(reason, DecodeErrorReason::SecondSlot { field: FieldName::Imm, value: 1 });
    let reason = Insn::decode(&[], 0).unwrap_err().reason;
    assert_eq!(reason, DecodeErrorReason::PastEnd { len: 0 });
}

#[test]
fn linux_lets_exit_have_an_offset() {
    let exit = [Slot { opcode: 0x95, offset: 7, ..Slot::default() }];
    let reason = Insn::decode(&exit, 0).unwrap_err().reason;
    assert_eq!(reason, DecodeErrorReason::Reserved { opcode: 0x95, field: FieldName::Offset, value: 7 });
    assert_eq!(Insn::decode_by(Rules::Linux, &exit, 0), Ok(Insn::Exit));
}

#[test]
fn values_without_an_instruction_encode_to_the_reserved_opcode() {
    let nonsense = Insn::LoadPacket { size: Size::Double, from: skep_isa::PacketOffset::Absolute(0) };
    assert_eq!(nonsense.try_encode(), None);
    assert!(Insn::decode(&nonsense.encode(), 0).is_err());
    assert_eq!(Insn::Jump { offset: 40_000, long: false }.try_encode(), None);
}

#[test]
fn the_iterator_goes_on_after_an_error() {
    let bad = Slot { opcode: 0xff, ..Slot::default() };
    let exit = Slot { opcode: 0x95, ..Slot::default() };
    let found: Vec<_> =
        instructions(&[exit, bad, exit]).map(|insn| insn.map(|(at, _)| at).map_err(|e| e.slot)).collect();
    assert_eq!(found, [Ok(0), Err(1), Ok(2)]);
}

proptest! {
    #[test]
    fn whatever_decodes_encodes_to_the_same_slots(slots in prop::collection::vec(common::any_slot(), 0..8)) {
        if let Ok(program) = decode_program(&slots) {
            prop_assert_eq!(encode_program(program.iter().map(|(_, insn)| insn)), slots);
        }
    }

    #[test]
    fn any_bytes_decode_or_not(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(slots) = Slot::read_program(&bytes) {
            let _ = decode_program(&slots);
            prop_assert_eq!(Slot::write_program(&slots), bytes);
        }
    }

    #[test]
    fn instructions_round_trip(insn in common::insn()) {
        prop_assert_eq!(Insn::decode(&insn.encode(), 0), Ok(insn));
    }

    #[test]
    fn byte_orders_mirror_each_other(slot in common::any_slot()) {
        prop_assert_eq!(Slot::from_le_bytes(slot.to_le_bytes()), slot);
        prop_assert_eq!(Slot::from_be_bytes(slot.to_be_bytes()), slot);
    }
}
