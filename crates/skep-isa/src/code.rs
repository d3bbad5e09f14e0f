//! Decoding and encoding, driven by the instruction table.

use crate::form::{Field, Fields, Form, INSTRUCTIONS, Row, take_apart};
use crate::insn::{Insn, Reg};
use crate::slot::Slot;
use std::fmt;

/// Why a slot does not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("slot {slot}: {reason}")]
pub struct DecodeError {
    /// Index of the instruction's first slot.
    pub slot: usize,
    /// What is wrong with it.
    pub reason: DecodeErrorReason,
}

/// What is wrong with a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorReason {
    /// No instruction has this opcode.
    #[error("unknown opcode {0:#04x}")]
    UnknownOpcode(u8),
    /// A field that must be zero is not.
    #[error("opcode {opcode:#04x}: {field} is reserved and must be 0, not {value}")]
    Reserved {
        /// The slot's opcode.
        opcode: u8,
        /// Which field.
        field: FieldName,
        /// What stands in it.
        value: i32,
    },
    /// A field selects among instructions with this opcode, and there is none for its value.
    #[error("opcode {opcode:#04x}: no instruction has {value} ({value:#x}) as its {field}")]
    NoSuchVariant {
        /// The slot's opcode.
        opcode: u8,
        /// Which field.
        field: FieldName,
        /// What stands in it.
        value: i32,
    },
    /// A register above r10.
    #[error("opcode {opcode:#04x}: {field} register r{number} does not exist")]
    Register {
        /// The slot's opcode.
        opcode: u8,
        /// `Dst` or `Src`.
        field: FieldName,
        /// 11 to 15 (more if the slot was not read from bytes).
        number: u8,
    },
    /// The program ends where the second slot of a two-slot instruction should be.
    #[error("the second slot of the instruction is missing")]
    SecondSlotMissing,
    /// A reserved field of the second slot is not zero.
    #[error("{field} of the second slot is reserved and must be 0, not {value}")]
    SecondSlot {
        /// Which field.
        field: FieldName,
        /// What stands in it.
        value: i32,
    },
    /// There is no such slot.
    #[error("the program has only {len} slots")]
    PastEnd {
        /// The program's length in slots.
        len: usize,
    },
}

/// A field of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldName {
    /// First byte.
    Opcode,
    /// Destination register.
    Dst,
    /// Source register.
    Src,
    /// 16-bit offset.
    Offset,
    /// 32-bit immediate.
    Imm,
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FieldName::Opcode => "opcode",
            FieldName::Dst => "dst",
            FieldName::Src => "src",
            FieldName::Offset => "offset",
            FieldName::Imm => "imm",
        })
    }
}

/// How strictly to decode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Rules {
    /// RFC 9669: every reserved field is zero.
    #[default]
    Rfc9669,
    /// As Linux 6.18 does: the offset of `exit` may be anything. ([`Insn::Exit`] does not keep it.)
    Linux,
}

/// The slots of one instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Encoded {
    slots: [Slot; 2],
    len: u8,
}

impl Encoded {
    /// One or two slots.
    pub fn as_slice(&self) -> &[Slot] {
        &self.slots[..usize::from(self.len)]
    }
}

impl std::ops::Deref for Encoded {
    type Target = [Slot];
    fn deref(&self) -> &[Slot] {
        self.as_slice()
    }
}

impl IntoIterator for Encoded {
    type Item = Slot;
    type IntoIter = std::iter::Take<std::array::IntoIter<Slot, 2>>;
    fn into_iter(self) -> Self::IntoIter {
        self.slots.into_iter().take(usize::from(self.len))
    }
}

impl Insn {
    /// Decodes the instruction that begins at slot `at`, by RFC 9669's rules.
    ///
    /// # Errors
    /// Says which field of which slot is wrong, and how.
    pub fn decode(slots: &[Slot], at: usize) -> Result<Insn, DecodeError> {
        Insn::decode_by(Rules::Rfc9669, slots, at)
    }

    /// Decodes the instruction that begins at slot `at`, by the given rules.
    ///
    /// # Errors
    /// Says which field of which slot is wrong, and how.
    pub fn decode_by(rules: Rules, slots: &[Slot], at: usize) -> Result<Insn, DecodeError> {
        decode_row(rules, slots, at).map(|(_, insn)| insn).map_err(|reason| DecodeError { slot: at, reason })
    }

    /// How many slots it occupies: 2 for 64-bit immediates, else 1.
    pub const fn slots(&self) -> usize {
        match self {
            Insn::LoadImm64 { .. } => 2,
            _ => 1,
        }
    }

    /// The table row of this instruction; `None` if there is none (see [`Insn::try_encode`]).
    pub fn form(&self) -> Option<Form> {
        take_apart(self).map(|(form, ..)| form)
    }

    /// Its slots.
    ///
    /// An `Insn` that stands for no instruction (see [`Insn::try_encode`]) gives a slot with the reserved opcode 0, which
    /// every decoder refuses.
    pub fn encode(&self) -> Encoded {
        self.try_encode().unwrap_or(Encoded { slots: [Slot::default(); 2], len: 1 })
    }

    /// Its slots; `None` for the few values of `Insn` that no instruction has: a sign extension from 64 bits, a byte
    /// swap of one byte, a 16-bit atomic addition, a 64-bit packet load, a short jump beyond 16 bits, a cast between other
    /// address spaces than 0 and 1.
    pub fn try_encode(&self) -> Option<Encoded> {
        let (_, first, next) = take_apart(self)?;
        let second = Slot { imm: next, ..Slot::default() };
        Some(Encoded { slots: [first, second], len: self.slots() as u8 })
    }
}

/// Decodes a whole program: each instruction with its slot index.
///
/// # Errors
/// The first slot that does not decode.
pub fn decode_program(slots: &[Slot]) -> Result<Vec<(usize, Insn)>, DecodeError> {
    instructions(slots).collect()
}

/// Encodes instructions one after the other.
pub fn encode_program<'a>(insns: impl IntoIterator<Item = &'a Insn>) -> Vec<Slot> {
    insns.into_iter().flat_map(Insn::encode).collect()
}

/// Iterates over the instructions of a program. After an error it goes on with the next slot.
pub fn instructions(slots: &[Slot]) -> Instructions<'_> {
    Instructions { slots, at: 0 }
}

/// See [`instructions`].
#[derive(Clone, Debug)]
pub struct Instructions<'a> {
    slots: &'a [Slot],
    at: usize,
}

impl Iterator for Instructions<'_> {
    type Item = Result<(usize, Insn), DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.slots.len() {
            return None;
        }
        let at = self.at;
        let insn = Insn::decode(self.slots, at);
        self.at += insn.map_or(1, |insn| insn.slots());
        Some(insn.map(|insn| (at, insn)))
    }
}

/// Finds the rows with an opcode.
struct OpcodeIndex {
    /// Numbers of all rows, those with the same opcode together.
    forms: Vec<u8>,
    /// By opcode: where its rows begin in `forms`, and how many they are.
    ranges: [(u8, u8); 256],
}

static BY_OPCODE: std::sync::LazyLock<OpcodeIndex> = std::sync::LazyLock::new(|| {
    let mut forms: Vec<u8> = (0..INSTRUCTIONS.len() as u8).collect();
    forms.sort_by_key(|&form| INSTRUCTIONS[usize::from(form)].opcode);
    let mut ranges = [(0, 0); 256];
    for (position, &form) in forms.iter().enumerate() {
        let range = &mut ranges[usize::from(INSTRUCTIONS[usize::from(form)].opcode)];
        if range.1 == 0 {
            range.0 = position as u8;
        }
        range.1 += 1;
    }
    OpcodeIndex { forms, ranges }
});

/// The rows with this opcode.
pub(crate) fn rows(opcode: u8) -> impl Iterator<Item = &'static Row> + Clone {
    let index = &*BY_OPCODE;
    let (start, len) = index.ranges[usize::from(opcode)];
    index.forms[usize::from(start)..usize::from(start) + usize::from(len)]
        .iter()
        .map(|&form| &INSTRUCTIONS[usize::from(form)])
}

fn decode_row(rules: Rules, slots: &[Slot], at: usize) -> Result<(&'static Row, Insn), DecodeErrorReason> {
    let slot = *slots.get(at).ok_or(DecodeErrorReason::PastEnd { len: slots.len() })?;
    let slot = match rules {
        Rules::Linux if slot.opcode == Form::Exit.row().opcode => Slot { offset: 0, ..slot },
        _ => slot,
    };
    let row = select(&slot)?;
    let mut fields = Fields {
        dst: register(row.dst, slot.dst, FieldName::Dst, slot.opcode)?,
        src: register(row.src, slot.src, FieldName::Src, slot.opcode)?,
        offset: slot.offset,
        imm: slot.imm,
        next: 0,
    };
    if let Some(spec) = row.second {
        let second = slots.get(at + 1).ok_or(DecodeErrorReason::SecondSlotMissing)?;
        fields.next = second_slot(second, spec)?;
    }
    Ok((row, (row.build)(&fields)))
}

/// The row whose numbers stand in the slot. Registers are not looked at yet.
fn select(slot: &Slot) -> Result<&'static Row, DecodeErrorReason> {
    let candidates = rows(slot.opcode);
    let mut nearest: Option<(usize, &'static Row)> = None;
    for row in candidates.clone() {
        let wrong = field_values(row, slot).filter(|(_, spec, value)| !spec.permits(*value)).count();
        if wrong == 0 {
            return Ok(row);
        }
        if nearest.is_none_or(|(least, _)| wrong < least) {
            nearest = Some((wrong, row));
        }
    }
    let opcode = slot.opcode;
    let Some((_, row)) = nearest else { return Err(DecodeErrorReason::UnknownOpcode(opcode)) };
    let wrong = field_values(row, slot).find(|(_, spec, value)| !spec.permits(*value));
    let Some((field, _, value)) = wrong else { return Ok(row) };
    let reserved = candidates
        .flat_map(|row| field_values(row, slot))
        .filter(|(name, ..)| *name == field)
        .all(|(_, spec, _)| spec == Field::Is(0));
    Err(match reserved {
        true => DecodeErrorReason::Reserved { opcode, field, value },
        false => DecodeErrorReason::NoSuchVariant { opcode, field, value },
    })
}

fn field_values(row: &Row, slot: &Slot) -> impl Iterator<Item = (FieldName, Field, i32)> {
    [
        (FieldName::Dst, row.dst, i32::from(slot.dst)),
        (FieldName::Src, row.src, i32::from(slot.src)),
        (FieldName::Offset, row.offset, i32::from(slot.offset)),
        (FieldName::Imm, row.imm, slot.imm),
    ]
    .into_iter()
}

fn register(spec: Field, number: u8, field: FieldName, opcode: u8) -> Result<Reg, DecodeErrorReason> {
    match spec {
        Field::Any => Reg::new(number).ok_or(DecodeErrorReason::Register { opcode, field, number }),
        Field::Is(_) => Ok(Reg::R0),
    }
}

fn second_slot(slot: &Slot, imm: Field) -> Result<i32, DecodeErrorReason> {
    let reserved = [
        (FieldName::Opcode, i32::from(slot.opcode), Field::Is(0)),
        (FieldName::Dst, i32::from(slot.dst), Field::Is(0)),
        (FieldName::Src, i32::from(slot.src), Field::Is(0)),
        (FieldName::Offset, i32::from(slot.offset), Field::Is(0)),
        (FieldName::Imm, slot.imm, imm),
    ];
    match reserved.into_iter().find(|(_, value, spec)| !spec.permits(*value)) {
        Some((field, value, _)) => Err(DecodeErrorReason::SecondSlot { field, value }),
        None => Ok(slot.imm),
    }
}
