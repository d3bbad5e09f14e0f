//! A function's stack: 8-byte slots, each byte of known kind, each slot with room for a spilled register.
//!
//! Slot `i` covers offsets `-8 * (i + 1)` to `-8 * i - 1` from the frame pointer. Byte 0 of a slot is the one of lowest
//! address. Invariant: where any byte is [`ByteKind::Spill`], these bytes are the first ones and `spilled` is what the
//! low bytes hold (for fewer than eight bytes: a number). Where one byte is [`ByteKind::Iterator`] or
//! [`ByteKind::Dynptr`], all are, and `spilled` says which object that is.

use super::register::Register;

/// Bytes of stack a function may use.
pub const STACK_BYTES: i32 = 512;

/// What is in one byte of the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ByteKind {
    /// Never written.
    Invalid,
    /// Part of a spilled register.
    Spill,
    /// Any data.
    Misc,
    /// Zero.
    Zero,
    /// Part of an iterator: only the functions made for it may touch it.
    Iterator,
    /// Part of a dynptr: likewise.
    Dynptr,
    /// Part of a saved interrupt flag: likewise.
    InterruptFlag,
}

impl ByteKind {
    /// Whether it is part of an object that only the functions made for it may touch.
    pub fn is_object(self) -> bool {
        matches!(self, ByteKind::Iterator | ByteKind::Dynptr | ByteKind::InterruptFlag)
    }

    /// The letter Linux's log uses.
    pub fn letter(self) -> char {
        match self {
            ByteKind::Invalid => '?',
            ByteKind::Spill => 'r',
            ByteKind::Misc => 'm',
            ByteKind::Zero => '0',
            ByteKind::Iterator => 'i',
            ByteKind::Dynptr => 'd',
            ByteKind::InterruptFlag => 'f',
        }
    }
}

/// Eight bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackSlot {
    /// Each byte's kind.
    pub bytes: [ByteKind; 8],
    /// The register whose bytes are there.
    pub spilled: Register,
}

impl StackSlot {
    /// A slot never written.
    pub const EMPTY: StackSlot = StackSlot { bytes: [ByteKind::Invalid; 8], spilled: Register::UNINITIALISED };

    /// Whether it holds a spilled register (of any size).
    pub fn is_spill(&self) -> bool {
        self.bytes[0] == ByteKind::Spill
    }

    /// How many low bytes the spilled register has.
    pub fn spill_size(&self) -> u8 {
        self.bytes.iter().take_while(|b| **b == ByteKind::Spill).count() as u8
    }

    /// Whether it holds all of a spilled pointer.
    pub fn is_pointer(&self) -> bool {
        self.is_spill() && self.spilled.is_pointer()
    }

    /// Whether it is half of a dynptr.
    pub fn is_dynptr(&self) -> bool {
        self.bytes[0] == ByteKind::Dynptr
    }

    /// Forgets the spilled register or object; its bytes, and what else was written beside them, become plain data.
    pub fn scrub(&mut self) {
        if self.is_spill() || self.bytes.iter().any(|byte| byte.is_object()) {
            for byte in self.bytes.iter_mut().filter(|byte| **byte != ByteKind::Invalid) {
                *byte = ByteKind::Misc;
            }
        }
        self.spilled = Register::UNINITIALISED;
    }
}

/// Slot and byte in it of a negative offset within the stack.
pub fn position(offset: i32) -> (usize, usize) {
    let distance = (-offset - 1) as usize;
    (distance / 8, 7 - distance % 8)
}
