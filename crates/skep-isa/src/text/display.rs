//! The text of one instruction.

use super::template::{CHUNKS, Chunk, Hole};
use crate::form::take_apart;
use crate::insn::Insn;
use crate::slot::Slot;
use std::fmt;

/// How to print what LLVM prints in two ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Style {
    /// Name the 32-bit half of a register in loads and stores of less than 64 bits: `w0 = *(u8 *)(r1 + 0)`.
    /// LLVM does from cpu v3 on; the kernel and LLVM for v1 and v2 print `r0`.
    pub alu32: bool,
}

/// An instruction to be printed. See [`Insn::text`].
#[derive(Clone, Copy)]
pub struct Text<'a> {
    insn: Insn,
    style: Style,
    target: Option<&'a dyn Fn(i32) -> Option<String>>,
}

impl Insn {
    /// The instruction's text in a style other than the default.
    pub fn text(&self, style: Style) -> Text<'static> {
        Text { insn: *self, style, target: None }
    }
}

impl<'a> Text<'a> {
    /// Prints labels for jump offsets, where `target` knows one.
    pub(super) fn with_targets(self, target: &'a dyn Fn(i32) -> Option<String>) -> Text<'a> {
        Text { target: Some(target), ..self }
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Insn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text(Style::default()).fmt(f)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((form, slot, next)) = take_apart(&self.insn) else {
            return write!(f, "{:?} (no such instruction)", self.insn);
        };
        for chunk in &CHUNKS[form as usize] {
            match *chunk {
                Chunk::Text(text) => f.write_str(text)?,
                Chunk::NarrowRegister => f.write_str(if self.style.alu32 { "w" } else { "r" })?,
                Chunk::Hole(hole) => self.field(f, hole, &slot, next)?,
            }
        }
        Ok(())
    }
}

impl Text<'_> {
    fn field(&self, f: &mut fmt::Formatter<'_>, hole: Hole, slot: &Slot, next: i32) -> fmt::Result {
        match hole {
            Hole::Dst => write!(f, "{}", slot.dst),
            Hole::Src => write!(f, "{}", slot.src),
            Hole::Offset => write!(f, "{}", slot.offset),
            Hole::Displacement => signed(f, i32::from(slot.offset)),
            Hole::Jump => self.jump(f, "", i32::from(slot.offset)),
            Hole::Imm | Hole::Helper => write!(f, "{}", slot.imm),
            Hole::ImmUnsigned => write!(f, "{}", slot.imm as u32),
            Hole::Index if slot.imm == 0 => Ok(()),
            Hole::Index => {
                f.write_str(" ")?;
                signed(f, slot.imm)
            }
            Hole::JumpImm => self.jump(f, "", slot.imm),
            Hole::Callee => self.jump(f, "pc", slot.imm),
            Hole::Imm64 => write!(f, "{:#x}", u64::from(slot.imm as u32) | u64::from(next as u32) << 32),
            Hole::Next => write!(f, "{next}"),
            Hole::NextUnsigned => write!(f, "{}", next as u32),
            // Only in texts that are never printed.
            Hole::Map | Hole::Kfunc => Ok(()),
        }
    }

    fn jump(&self, f: &mut fmt::Formatter<'_>, prefix: &str, offset: i32) -> fmt::Result {
        match self.target.and_then(|target| target(offset)) {
            Some(label) => f.write_str(&label),
            None => write!(f, "{prefix}{offset:+}"),
        }
    }
}

/// `+ 8` or `- 8`.
fn signed(f: &mut fmt::Formatter<'_>, number: i32) -> fmt::Result {
    let sign = if number < 0 { '-' } else { '+' };
    write!(f, "{sign} {}", number.unsigned_abs())
}
