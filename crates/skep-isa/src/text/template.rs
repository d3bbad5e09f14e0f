//! The text column of the instruction table, split once into what the printer and the reader need.

use super::token::{Kind, Token, tokens};
use crate::form::{Form, INSTRUCTIONS};
use std::sync::LazyLock;

/// What stands for a field in a template: `{name}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hole {
    /// `{dst}`: number of the destination register.
    Dst,
    /// `{src}`: number of the source register.
    Src,
    /// `{offset}`: the offset, signed.
    Offset,
    /// `{+offset}`: the offset as `+ 8` or `- 8`; may be left out when read.
    Displacement,
    /// `{jump}`: the offset as a jump: `+3`, or a label.
    Jump,
    /// `{imm}`: the immediate, signed.
    Imm,
    /// `{imm_u}`: the immediate, unsigned.
    ImmUnsigned,
    /// `{index}`: the immediate as ` + 8` or ` - 8`; nothing for 0.
    Index,
    /// `{jump_imm}`: the immediate as a jump.
    JumpImm,
    /// `{helper}`: the immediate as a helper number, or a name.
    Helper,
    /// `{imm64}`: both immediates as one number in hexadecimal.
    Imm64,
    /// `{next}`: the second slot's immediate, signed.
    Next,
    /// `{next_u}`: the second slot's immediate, unsigned.
    NextUnsigned,
    /// `{callee}`: the immediate as a jump: `pc+3`, or a label.
    Callee,
    /// `{map}`: read only: a map by name.
    Map,
    /// `{kfunc}`: read only: a kernel function by name, for the immediate and the offset.
    Kfunc,
}

const HOLES: [(&str, Hole); 16] = [
    ("{dst}", Hole::Dst),
    ("{src}", Hole::Src),
    ("{offset}", Hole::Offset),
    ("{+offset}", Hole::Displacement),
    ("{jump}", Hole::Jump),
    ("{imm}", Hole::Imm),
    ("{imm_u}", Hole::ImmUnsigned),
    ("{index}", Hole::Index),
    ("{jump_imm}", Hole::JumpImm),
    ("{helper}", Hole::Helper),
    ("{imm64}", Hole::Imm64),
    ("{next}", Hole::Next),
    ("{next_u}", Hole::NextUnsigned),
    ("{callee}", Hole::Callee),
    ("{map}", Hole::Map),
    ("{kfunc}", Hole::Kfunc),
];

/// Texts that are read besides those of the table.
const ALSO_READ: [(&str, Form); 5] = [
    ("r{dst} = map[{imm}] ll", Form::LoadMapIndex),
    ("r{dst} = map[{imm}][0]+{next_u} ll", Form::LoadMapIndexValue),
    ("r{dst} = map[{map}] ll", Form::LoadMapFd),
    ("r{dst} = map[{map}][0]+{next_u} ll", Form::LoadMapValue),
    ("call {kfunc}", Form::CallKfunc),
];

/// A part of a template as it is read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Piece {
    /// This very token.
    Token(Token<'static>),
    /// A register: the letter it begins with (`?`: r or w), and which.
    Register(char, Hole),
    /// A field.
    Hole(Hole),
}

/// A part of a template as it is printed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Chunk {
    Text(&'static str),
    /// `r`, or `w` where 32-bit registers are asked for.
    NarrowRegister,
    Hole(Hole),
}

/// A template to read by.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) form: Form,
    pub(super) pieces: Vec<Piece>,
}

/// All templates that are read: the table's, then the others.
pub(super) static READERS: LazyLock<Vec<Reader>> = LazyLock::new(|| {
    let table = INSTRUCTIONS.iter().map(|row| (row.text, row.form));
    table.chain(ALSO_READ).map(|(text, form)| Reader { form, pieces: pieces(text) }).collect()
});

/// The chunks of each form's text.
pub(super) static CHUNKS: LazyLock<Vec<Vec<Chunk>>> =
    LazyLock::new(|| INSTRUCTIONS.iter().map(|row| chunks(row.text)).collect());

fn hole(text: &str) -> Option<Hole> {
    HOLES.iter().find(|(name, _)| *name == text).map(|(_, hole)| *hole)
}

fn pieces(text: &'static str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for token in tokens(text) {
        let found = if token.kind == Kind::Hole { hole(token.text) } else { None };
        match (found, pieces.last()) {
            (Some(register @ (Hole::Dst | Hole::Src)), Some(Piece::Token(letter))) => {
                let letter = letter.text.chars().next().unwrap_or('r');
                pieces.pop();
                pieces.push(Piece::Register(letter, register));
            }
            (Some(hole), _) => pieces.push(Piece::Hole(hole)),
            (None, _) => pieces.push(Piece::Token(token)),
        }
    }
    pieces
}

fn chunks(text: &'static str) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name_len, after) = after.split_once('}').map_or((0, after), |(name, after)| (name.len(), after));
        let name = &rest[before.len()..before.len() + name_len + 2];
        match before.strip_suffix('?') {
            Some(before) => chunks.extend([Chunk::Text(before), Chunk::NarrowRegister]),
            None => chunks.push(Chunk::Text(before)),
        }
        chunks.extend(hole(name).map(Chunk::Hole));
        rest = after;
    }
    chunks.push(Chunk::Text(rest));
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hole_of_the_table_is_known() {
        for text in INSTRUCTIONS.iter().map(|row| row.text).chain(ALSO_READ.map(|(text, _)| text)) {
            for token in tokens(text) {
                assert!(token.kind != Kind::Hole || hole(token.text).is_some(), "{} in {text}", token.text);
                assert!(token.kind != Kind::Unknown, "{} in {text}", token.text);
            }
        }
    }

    #[test]
    fn every_hole_has_its_own_name() {
        for (i, (name, hole)) in HOLES.iter().enumerate() {
            assert!(HOLES[..i].iter().all(|(other, other_hole)| other != name && other_hole != hole));
        }
    }
}
