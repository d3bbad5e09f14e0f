//! A whole program as text.

use super::display::Style;
use crate::code::instructions;
use crate::insn::Insn;
use crate::slot::Slot;
use std::collections::BTreeMap;
use std::fmt;

/// Prints a program, one instruction to a line, with a label wherever a jump or call leads. What does not decode is
/// printed as `.slot` with the reason beside it, so that every program has a listing and
/// [`assemble`](super::assemble) reads it back to the same slots.
#[derive(Clone)]
pub struct Listing<'a> {
    slots: &'a [Slot],
    style: Style,
    numbers: bool,
    bytes: bool,
    labels: BTreeMap<usize, String>,
    /// Whether an instruction begins at a slot.
    begins: Vec<bool>,
    comment: Option<&'a Comment<'a>>,
}

/// What to say beside the instruction that begins at a slot.
type Comment<'a> = dyn Fn(usize, &Insn) -> Option<String> + 'a;

impl fmt::Debug for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing").field("slots", &self.slots.len()).field("style", &self.style).finish_non_exhaustive()
    }
}

impl<'a> Listing<'a> {
    /// A listing with slot numbers and labels `L12`, `sub_30`.
    pub fn new(slots: &'a [Slot]) -> Listing<'a> {
        let begins = begins(slots);
        Listing {
            slots,
            style: Style::default(),
            numbers: true,
            bytes: false,
            labels: default_labels(slots, &begins),
            begins,
            comment: None,
        }
    }

    /// In another style.
    pub fn style(self, style: Style) -> Self {
        Listing { style, ..self }
    }

    /// With or without slot numbers.
    pub fn numbers(self, numbers: bool) -> Self {
        Listing { numbers, ..self }
    }

    /// With the bytes of each slot as a comment.
    pub fn bytes(self, bytes: bool) -> Self {
        Listing { bytes, ..self }
    }

    /// Names a slot, a subprogram's first for example, in place of the label it would get. A name that the assembler would
    /// not read, or that stands at another slot already, is not taken; nor one for a slot at which no instruction begins.
    pub fn label(mut self, slot: usize, name: &str) -> Self {
        let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let goes_well = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$'));
        let begins = self.begins.get(slot).is_some_and(|begins| *begins);
        if begins && starts_well && goes_well && name != "pc" && !self.labels.values().any(|other| other == name) {
            self.labels.insert(slot, name.to_owned());
        }
        self
    }

    /// Without labels: jumps are printed with their offsets.
    pub fn without_labels(self) -> Self {
        Listing { labels: BTreeMap::new(), ..self }
    }

    /// With a comment beside each instruction for which there is one: a helper's name, a source line.
    pub fn comments(self, comment: &'a Comment<'a>) -> Self {
        Listing { comment: Some(comment), ..self }
    }

    fn instruction(&self, at: usize, insn: &Insn) -> String {
        let target = |offset: i32| {
            let slot = target(at, offset, self.slots.len())?;
            self.labels.get(&slot).cloned()
        };
        insn.text(self.style).with_targets(&target).to_string()
    }

    fn line(
        &self,
        f: &mut fmt::Formatter<'_>,
        at: usize,
        text: &str,
        len: usize,
        comment: Option<&str>,
    ) -> fmt::Result {
        if let Some(label) = self.labels.get(&at) {
            writeln!(f, "{label}:")?;
        }
        if self.numbers {
            write!(f, "{at:5}: ")?;
        }
        let bytes: String = if self.bytes {
            self.slots[at..at + len].iter().map(|slot| format!(" {slot:x}")).collect()
        } else {
            String::new()
        };
        // A comment ends with its line.
        let comment: Option<String> = comment.map(|comment| comment.lines().collect::<Vec<_>>().join(" "));
        match (bytes.as_str(), comment) {
            ("", None) => writeln!(f, "{text}"),
            (bytes, None) => writeln!(f, "{text:<44} ;{bytes}"),
            ("", Some(comment)) => writeln!(f, "{text:<44} ; {comment}"),
            (bytes, Some(comment)) => writeln!(f, "{text:<44} ;{bytes}  {comment}"),
        }
    }
}

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for insn in instructions(self.slots) {
            match insn {
                Ok((at, insn)) => {
                    let comment = self.comment.and_then(|comment| comment(at, &insn));
                    self.line(f, at, &self.instruction(at, &insn), insn.slots(), comment.as_deref())?;
                }
                Err(error) => {
                    let Slot { opcode, dst, src, offset, imm } = self.slots[error.slot];
                    let text = format!(".slot {opcode:#04x}, {dst}, {src}, {offset}, {imm}");
                    self.line(f, error.slot, &text, 1, Some(&error.reason.to_string()))?;
                }
            }
        }
        Ok(())
    }
}

/// The slot that an offset leads to, if the program has it.
fn target(at: usize, offset: i32, len: usize) -> Option<usize> {
    let slot = (at + 1).checked_add_signed(isize::try_from(offset).ok()?)?;
    (slot < len).then_some(slot)
}

/// Whether an instruction (or a slot that does not decode) begins at each slot.
fn begins(slots: &[Slot]) -> Vec<bool> {
    let mut begins = vec![false; slots.len()];
    for insn in instructions(slots) {
        begins[insn.map_or_else(|error| error.slot, |(at, _)| at)] = true;
    }
    begins
}

/// Labels for all slots that jumps and calls lead to and at which an instruction begins.
fn default_labels(slots: &[Slot], begins: &[bool]) -> BTreeMap<usize, String> {
    let mut labels = BTreeMap::new();
    for (at, insn) in instructions(slots).flatten() {
        if let Some(slot) = insn.jump_offset().and_then(|offset| target(at, offset, slots.len())) {
            labels.entry(slot).or_insert_with(|| format!("L{slot}"));
        }
        if let Some(slot) = insn.subprogram_offset().and_then(|offset| target(at, offset, slots.len())) {
            labels.insert(slot, format!("sub_{slot}"));
        }
    }
    labels.retain(|&slot, _| begins[slot]);
    labels
}
