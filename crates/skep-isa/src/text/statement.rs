//! Reads one instruction by trying every template and keeping what got furthest.

use super::assemble::Names;
use super::template::{Hole, Piece, READERS, Reader};
use super::token::{Kind, Token, number};
use crate::form::{Field, Form};
use crate::insn::Reg;
use crate::slot::Slot;
use std::collections::BTreeSet;
use std::fmt;

/// The names of all labels of the program.
pub(super) type Labels<'a> = BTreeSet<&'a str>;

/// An instruction whose jump may still lack its label.
#[derive(Clone, Copy, Debug)]
pub(super) struct Statement<'a> {
    pub(super) form: Form,
    pub(super) slot: Slot,
    pub(super) next: i32,
    pub(super) label: Option<LabelUse<'a>>,
}

/// A label in the place of an offset.
#[derive(Clone, Copy, Debug)]
pub(super) struct LabelUse<'a> {
    pub(super) token: Token<'a>,
    /// The offset goes into the immediate, not into the 16-bit offset.
    pub(super) in_imm: bool,
}

/// What would have been right at a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// Said in words.
    What(&'static str),
    /// This very token.
    Token(&'static str),
    /// The same register as before.
    Again(char, u8),
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::What(what) => f.write_str(what),
            Expected::Token(token) => write!(f, "`{token}`"),
            Expected::Again(letter, number) => write!(f, "`{letter}{number}` again"),
        }
    }
}

/// Where one template stopped to fit.
#[derive(Debug)]
struct Mismatch {
    token: usize,
    expected: Expected,
    /// What is wrong with what stands there, where more can be said.
    problem: Option<String>,
}

/// Why a line is no instruction: what would have been right at the furthest token any template reached.
#[derive(Debug, Default)]
pub(super) struct Furthest {
    /// Index of the token.
    pub(super) token: usize,
    /// What was expected there.
    pub(super) expected: Vec<Expected>,
    /// What is wrong with what stands there, where more can be said.
    pub(super) problem: Option<String>,
}

impl Furthest {
    fn merge(&mut self, other: Mismatch) {
        if other.token > self.token {
            *self = Furthest { token: other.token, ..Furthest::default() };
        }
        if other.token == self.token {
            if !self.expected.contains(&other.expected) {
                self.expected.push(other.expected);
            }
            self.problem = self.problem.take().or(other.problem);
        }
    }
}

/// Reads the tokens of one instruction.
pub(super) fn read<'a>(
    tokens: &[Token<'a>],
    labels: &Labels<'_>,
    names: &dyn Names,
) -> Result<Statement<'a>, Furthest> {
    let mut furthest = Furthest::default();
    for reader in READERS.iter() {
        let mut attempt =
            Attempt { tokens, position: 0, labels, names, statement: begin(reader.form), seen: [None; 2] };
        match attempt.read(reader) {
            Ok(()) => return Ok(attempt.statement),
            Err(mismatch) => furthest.merge(mismatch),
        }
    }
    Err(furthest)
}

/// The slot of a form with the numbers of its row in place.
fn begin<'a>(form: Form) -> Statement<'a> {
    let row = form.row();
    let fixed = |field| match field {
        Field::Any => 0,
        Field::Is(number) => number,
    };
    let slot = Slot {
        opcode: row.opcode,
        dst: fixed(row.dst) as u8,
        src: fixed(row.src) as u8,
        offset: fixed(row.offset) as i16,
        imm: fixed(row.imm),
    };
    Statement { form, slot, next: 0, label: None }
}

/// One template tried on one line.
struct Attempt<'t, 'a> {
    tokens: &'t [Token<'a>],
    position: usize,
    labels: &'t Labels<'t>,
    names: &'t dyn Names,
    statement: Statement<'a>,
    /// Destination and source register, once read: a template may name one twice.
    seen: [Option<u8>; 2],
}

impl<'a> Attempt<'_, 'a> {
    fn read(&mut self, reader: &Reader) -> Result<(), Mismatch> {
        for piece in &reader.pieces {
            match piece {
                Piece::Token(token) => self.token(token.text)?,
                Piece::Register(letter, which) => self.register(*letter, *which)?,
                Piece::Hole(hole) => self.hole(*hole)?,
            }
        }
        if self.position < self.tokens.len() { Err(self.expected("the end of the line")) } else { Ok(()) }
    }

    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.position).copied()
    }

    fn mismatch(&self, expected: Expected) -> Mismatch {
        Mismatch { token: self.position, expected, problem: None }
    }

    fn expected(&self, what: &'static str) -> Mismatch {
        self.mismatch(Expected::What(what))
    }

    fn problem(&self, what: &'static str, problem: String) -> Mismatch {
        Mismatch { problem: Some(problem), ..self.expected(what) }
    }

    fn accept(&mut self, text: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.text == text);
        self.position += usize::from(found);
        found
    }

    fn token(&mut self, text: &'static str) -> Result<(), Mismatch> {
        if self.accept(text) { Ok(()) } else { Err(self.mismatch(Expected::Token(text))) }
    }

    fn register(&mut self, letter: char, which: Hole) -> Result<(), Mismatch> {
        let kind = if letter == 'w' { "a 32-bit register" } else { "a register" };
        let token = self.peek().filter(|token| token.kind == Kind::Word).ok_or_else(|| self.expected(kind))?;
        let fits = |start: char| start == letter || letter == '?' && matches!(start, 'r' | 'w');
        let digits = token.text.strip_prefix(fits).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        let digits = digits.filter(|digits| !digits.is_empty()).ok_or_else(|| self.expected(kind))?;
        let register = digits.parse().ok().and_then(Reg::new);
        let Some(register) = register else {
            return Err(self.problem(kind, format!("`{}` is no register: there are r0 to r10", token.text)));
        };
        let (place, field) = match which {
            Hole::Dst => (&mut self.seen[0], &mut self.statement.slot.dst),
            _ => (&mut self.seen[1], &mut self.statement.slot.src),
        };
        if let Some(first) = place.filter(|first| *first != register.number()) {
            return Err(self.mismatch(Expected::Again(letter, first)));
        }
        *place = Some(register.number());
        *field = register.number();
        self.position += 1;
        Ok(())
    }

    fn hole(&mut self, hole: Hole) -> Result<(), Mismatch> {
        match hole {
            Hole::Dst | Hole::Src => self.register('r', hole)?,
            Hole::Offset => self.statement.slot.offset = self.offset("a number")?,
            Hole::Displacement => self.statement.slot.offset = self.displacement(Attempt::offset)?,
            Hole::Jump => self.jump(false)?,
            Hole::JumpImm => self.jump(true)?,
            Hole::Callee => self.callee()?,
            Hole::Imm => self.statement.slot.imm = self.imm()?,
            Hole::ImmUnsigned => self.statement.slot.imm = self.unsigned()?,
            Hole::Index => self.statement.slot.imm = self.displacement(|attempt, _| attempt.imm())?,
            Hole::Imm64 => {
                let value = self.ranged("a number", i64::MIN.into(), u64::MAX.into())? as u64;
                self.statement.slot.imm = value as u32 as i32;
                self.statement.next = (value >> 32) as u32 as i32;
            }
            Hole::Next => self.statement.next = self.imm()?,
            Hole::NextUnsigned => self.statement.next = self.unsigned()?,
            Hole::Helper => self.helper()?,
            Hole::Map => self.statement.slot.imm = self.named("a map", |names, name| names.map(name))?,
            Hole::Kfunc => {
                let (id, btf) = self.named("a kernel function", |names, name| names.kfunc(name))?;
                (self.statement.slot.imm, self.statement.slot.offset) = (id, btf);
            }
        }
        Ok(())
    }

    /// A number with an optional sign, within limits.
    fn ranged(&mut self, what: &'static str, least: i128, most: i128) -> Result<i128, Mismatch> {
        let start = self.position;
        let value = self.signed(what)?;
        if (least..=most).contains(&value) {
            return Ok(value);
        }
        self.position = start;
        Err(self.problem(what, format!("{value} is not between {least} and {most}")))
    }

    fn signed(&mut self, what: &'static str) -> Result<i128, Mismatch> {
        let start = self.position;
        let negative = self.accept("-");
        if !negative {
            self.accept("+");
        }
        let number = match self.peek() {
            Some(token) if token.kind == Kind::Number => number(token.text).ok_or_else(|| {
                self.problem(what, format!("`{}` is no number, or does not fit into 64 bits", token.text))
            }),
            _ => Err(self.expected(what)),
        };
        match number {
            Ok(value) => {
                self.position += 1;
                Ok(if negative { -i128::from(value) } else { i128::from(value) })
            }
            Err(mismatch) => {
                self.position = start;
                Err(mismatch)
            }
        }
    }

    /// A signed 16-bit number.
    fn offset(&mut self, what: &'static str) -> Result<i16, Mismatch> {
        self.ranged(what, i16::MIN.into(), i16::MAX.into()).map(|value| value as i16)
    }

    /// A signed 32-bit number, or its bits in hexadecimal.
    fn imm(&mut self) -> Result<i32, Mismatch> {
        let hexadecimal = self.peek().is_some_and(|token| token.text.starts_with("0x"));
        let most = if hexadecimal { i128::from(u32::MAX) } else { i128::from(i32::MAX) };
        self.ranged("a number", i32::MIN.into(), most).map(|value| value as i32)
    }

    /// An unsigned 32-bit number.
    fn unsigned(&mut self) -> Result<i32, Mismatch> {
        self.ranged("a number", 0, u32::MAX.into()).map(|value| value as u32 as i32)
    }

    /// `+ 8`, `- 8` or nothing.
    fn displacement<T: Default>(
        &mut self,
        read: fn(&mut Self, &'static str) -> Result<T, Mismatch>,
    ) -> Result<T, Mismatch> {
        match self.peek() {
            Some(token) if matches!(token.text, "+" | "-") => {
                // LLVM also reads `+ -8`.
                if token.text == "+" && self.tokens.get(self.position + 1).is_some_and(|next| next.text == "-") {
                    self.position += 1;
                }
                read(self, "a number")
            }
            _ => Ok(T::default()),
        }
    }

    /// `+3`, `pc+3` or a label.
    fn jump(&mut self, in_imm: bool) -> Result<(), Mismatch> {
        const WHAT: &str = "a jump offset or label";
        let token = self.peek().ok_or_else(|| self.expected(WHAT))?;
        if token.kind == Kind::Word && !(token.text == "pc" && self.next_is_sign()) {
            if !self.labels.contains(token.text) {
                return Err(self.problem(WHAT, format!("there is no label `{}`", token.text)));
            }
            self.statement.label = Some(LabelUse { token, in_imm });
            self.position += 1;
            return Ok(());
        }
        self.accept("pc");
        if in_imm {
            self.statement.slot.imm = self.ranged(WHAT, i32::MIN.into(), i32::MAX.into())? as i32;
        } else {
            self.statement.slot.offset = self.offset(WHAT)?;
        }
        Ok(())
    }

    fn next_is_sign(&self) -> bool {
        self.tokens.get(self.position + 1).is_some_and(|token| matches!(token.text, "+" | "-"))
    }

    /// `pc+3` or a label.
    fn callee(&mut self) -> Result<(), Mismatch> {
        match self.peek() {
            Some(token) if token.kind == Kind::Word && (token.text == "pc" || self.labels.contains(token.text)) => {
                self.jump(true)
            }
            _ => Err(self.expected("a label")),
        }
    }

    /// A number or a name.
    fn helper(&mut self) -> Result<(), Mismatch> {
        self.statement.slot.imm = match self.peek() {
            Some(token) if token.kind == Kind::Word => self.named("a helper", |names, name| names.helper(name))?,
            _ => self.imm()?,
        };
        Ok(())
    }

    fn named<T>(&mut self, what: &'static str, find: fn(&dyn Names, &str) -> Option<T>) -> Result<T, Mismatch> {
        let token = self.peek().filter(|token| token.kind == Kind::Word).ok_or_else(|| self.expected(what))?;
        let problem = || self.problem(what, format!("`{}` is not known as a label or name", token.text));
        let found = find(self.names, token.text).ok_or_else(problem)?;
        self.position += 1;
        Ok(found)
    }
}
