//! From text to slots: lines, labels, directives.

use super::statement::{Furthest, Labels, Statement, read};
use super::token::{Kind, Token, number, tokens};
use crate::slot::Slot;
use std::collections::BTreeMap;
use std::fmt;

/// Where the assembler looks up names that are not labels.
pub trait Names {
    /// Number of a helper.
    fn helper(&self, name: &str) -> Option<i32> {
        let _ = name;
        None
    }
    /// BTF id of a kernel function, and the index of its BTF in `fd_array` (0: the kernel's own).
    fn kfunc(&self, name: &str) -> Option<(i32, i16)> {
        let _ = name;
        None
    }
    /// File descriptor of a map.
    fn map(&self, name: &str) -> Option<i32> {
        let _ = name;
        None
    }
}

/// Knows no names.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNames;

impl Names for NoNames {}

/// An assembled program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assembly {
    /// Its slots.
    pub slots: Vec<Slot>,
    /// For each slot, the line (from 1) it was written on.
    pub lines: Vec<u32>,
    /// The slot each label stands at.
    pub labels: BTreeMap<String, usize>,
}

/// Why a text does not assemble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssembleError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What stands there; `None` at the end of the line.
    pub found: Option<String>,
    /// What would have been right there.
    pub expected: Vec<String>,
    /// What is wrong, where more can be said.
    pub problem: Option<String>,
}

impl fmt::Display for AssembleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: ", self.line, self.column)?;
        if let Some(problem) = &self.problem {
            return f.write_str(problem);
        }
        match &self.found {
            Some(found) => write!(f, "found `{found}`")?,
            None => f.write_str("the line ends")?,
        }
        for (i, expected) in self.expected.iter().enumerate() {
            let before = match i {
                0 => ", expected ",
                _ if i + 1 == self.expected.len() => " or ",
                _ => ", ",
            };
            write!(f, "{before}{expected}")?;
        }
        Ok(())
    }
}

impl std::error::Error for AssembleError {}

/// Assembles a text in which all names are labels.
///
/// # Errors
/// The first line that is no instruction, label or directive.
pub fn assemble(text: &str) -> Result<Vec<Slot>, AssembleError> {
    assemble_with(text, &NoNames).map(|assembly| assembly.slots)
}

/// Assembles a text, looking up names of helpers, kernel functions and maps in `names`.
///
/// # Errors
/// The first line that is no instruction, label or directive, or names what is not known.
pub fn assemble_with(text: &str, names: &dyn Names) -> Result<Assembly, AssembleError> {
    let lines: Vec<Line<'_>> = text.lines().enumerate().map(|(i, text)| Line::split(i + 1, text)).collect();
    let known = lines.iter().flat_map(|line| line.labels.iter().map(|label| label.text)).collect();
    let mut labels = BTreeMap::new();
    let mut assembly = Assembly::default();
    let mut unresolved = Vec::new();
    for line in &lines {
        line.check_slot_number(assembly.slots.len())?;
        for label in &line.labels {
            if labels.insert(label.text, assembly.slots.len()).is_some() {
                return Err(line.error(Some(label), format!("the label `{}` stands here a second time", label.text)));
            }
        }
        if let Some(statement) = line.read(&known, names)? {
            if statement.label.is_some() {
                unresolved.push((line, assembly.slots.len(), statement));
            }
            assembly.slots.push(statement.slot);
            if statement.form.row().second.is_some() {
                assembly.slots.push(Slot { imm: statement.next, ..Slot::default() });
            }
        } else if let Some(slot) = line.directive()? {
            assembly.slots.push(slot);
        }
        assembly.lines.resize(assembly.slots.len(), line.number as u32);
    }
    for (line, at, statement) in unresolved {
        let slot = line.resolve(at, &statement, &labels)?;
        assembly.slots[at] = slot;
    }
    assembly.labels = labels.into_iter().map(|(name, at)| (name.to_owned(), at)).collect();
    Ok(assembly)
}

/// A line, split into tokens and labels.
struct Line<'a> {
    number: usize,
    text: &'a str,
    slot_number: Option<Token<'a>>,
    labels: Vec<Token<'a>>,
    tokens: Vec<Token<'a>>,
}

impl<'a> Line<'a> {
    /// Takes `12:` and `name:` off the front.
    fn split(number: usize, text: &'a str) -> Line<'a> {
        let all = tokens(text);
        let mut line = Line { number, text, slot_number: None, labels: Vec::new(), tokens: Vec::new() };
        let mut rest = all.as_slice();
        while let [first, colon, after @ ..] = rest
            && colon.text == ":"
        {
            match first.kind {
                Kind::Word => line.labels.push(*first),
                Kind::Number if line.slot_number.is_none() => line.slot_number = Some(*first),
                _ => break,
            }
            rest = after;
        }
        line.tokens = rest.to_vec();
        line
    }

    fn error(&self, token: Option<&Token<'_>>, problem: String) -> AssembleError {
        AssembleError { problem: Some(problem), ..self.mismatch(token, Vec::new()) }
    }

    fn mismatch(&self, token: Option<&Token<'_>>, expected: Vec<String>) -> AssembleError {
        let at = token.map_or(self.text.trim_end().len(), |token| token.at);
        let column = self.text.get(..at).map_or(0, |before| before.chars().count()) + 1;
        let found = token.map(|token| token.text.to_owned());
        AssembleError { line: self.number, column, found, expected, problem: None }
    }

    fn check_slot_number(&self, at: usize) -> Result<(), AssembleError> {
        match self.slot_number {
            Some(token) if number(token.text) != Some(at as u64) => {
                Err(self.error(Some(&token), format!("this is slot {at}, not {}", token.text)))
            }
            _ => Ok(()),
        }
    }

    /// The instruction on this line; `None` if there is none.
    fn read(&self, known: &Labels<'_>, names: &dyn Names) -> Result<Option<Statement<'a>>, AssembleError> {
        if self.tokens.first().is_none_or(|first| first.text.starts_with('.')) {
            return Ok(None);
        }
        let error = |Furthest { token, expected, problem }| {
            let expected = expected.iter().map(ToString::to_string).collect();
            AssembleError { problem, ..self.mismatch(self.tokens.get(token), expected) }
        };
        read(&self.tokens, known, names).map(Some).map_err(error)
    }

    /// The slot of a `.slot` directive; `None` on an empty line.
    fn directive(&self) -> Result<Option<Slot>, AssembleError> {
        let Some((first, rest)) = self.tokens.split_first() else { return Ok(None) };
        if first.text != ".slot" {
            return Err(self.error(Some(first), format!("unknown directive `{}`; there is `.slot`", first.text)));
        }
        let mut numbers = Numbers { line: self, rest };
        let slot = Slot {
            opcode: numbers.take(0, 255)? as u8,
            dst: numbers.take(0, 15)? as u8,
            src: numbers.take(0, 15)? as u8,
            offset: numbers.take(i16::MIN.into(), i16::MAX.into())? as i16,
            imm: numbers.take(i32::MIN.into(), u32::MAX.into())? as i32,
        };
        match numbers.rest.first() {
            Some(token) => Err(self.mismatch(Some(token), vec!["the end of the line".into()])),
            None => Ok(Some(slot)),
        }
    }

    /// The slot with the distance to its label filled in.
    fn resolve(
        &self,
        at: usize,
        statement: &Statement<'_>,
        labels: &BTreeMap<&str, usize>,
    ) -> Result<Slot, AssembleError> {
        let mut slot = statement.slot;
        let Some(used) = statement.label else { return Ok(slot) };
        let missing = || self.error(Some(&used.token), format!("there is no label `{}`", used.token.text));
        let target = *labels.get(used.token.text).ok_or_else(missing)?;
        let distance = target as i64 - at as i64 - 1;
        let too_far =
            |limit: &str| self.error(Some(&used.token), format!("the label is {distance} slots away; {limit}"));
        if used.in_imm {
            slot.imm = i32::try_from(distance).map_err(|_| too_far("an offset has 32 bits"))?;
        } else {
            slot.offset = i16::try_from(distance).map_err(|_| too_far("an offset has 16 bits: use `gotol`"))?;
        }
        Ok(slot)
    }
}

/// Numbers separated by commas.
struct Numbers<'l, 'a> {
    line: &'l Line<'a>,
    rest: &'l [Token<'a>],
}

impl Numbers<'_, '_> {
    fn take(&mut self, least: i64, most: i64) -> Result<i64, AssembleError> {
        if let [comma, rest @ ..] = self.rest
            && comma.text == ","
        {
            self.rest = rest;
        }
        let negative = matches!(self.rest, [sign, ..] if sign.text == "-");
        let rest = if negative { &self.rest[1..] } else { self.rest };
        let value = rest.first().and_then(|token| number(token.text)).and_then(|value| i64::try_from(value).ok());
        let value = value.map(|value| if negative { -value } else { value });
        let Some(value) = value.filter(|value| (least..=most).contains(value)) else {
            let expected = format!("a number from {least} to {most}");
            return Err(self.line.mismatch(rest.first(), vec![expected]));
        };
        self.rest = &rest[1..];
        Ok(value)
    }
}
