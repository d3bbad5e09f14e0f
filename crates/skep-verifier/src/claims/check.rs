//! Holding a run against the claims.

use super::Claims;
use super::place::Place;
use super::record::{Claim, FrameClaim};
use crate::domain::register::{Kind, Register, type_name};
use crate::domain::stack::{ByteKind, StackSlot};
use skep_isa::Reg;
use std::fmt;

/// One frame of a running program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunningFrame {
    /// The slot it stands at, of the program as it was given: in all frames but the last, that of the call.
    pub slot: u32,
    /// `r0` to `r10`.
    pub registers: [u64; Reg::COUNT],
}

/// A running program that stands before an instruction.
pub trait Running {
    /// Its frames, the running one last.
    fn frames(&self) -> &[RunningFrame];

    /// The eight bytes of a frame's stack that begin at `-8 * (slot + 1)` from its frame pointer, if it is that large.
    fn stack_slot(&self, frame: usize, slot: usize) -> Option<u64>;

    /// Whether `wanted` holds for the address of one of the things that are such a place; `None` where nobody knows.
    fn any(&self, place: Place, wanted: &mut dyn FnMut(u64) -> bool) -> Option<bool>;
}

/// Where a run was found among the claims the last time: it is looked for there first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Position([u32; 2]);

/// A run that no claim covers: the verifier is wrong, or what runs the program is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lie {
    /// Where, in the program as it was given.
    pub slot: u32,
    /// What was found and what was claimed.
    pub text: String,
}

impl fmt::Display for Lie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "instruction {}: {}", self.slot, self.text)
    }
}

/// What of a run a claim does not cover.
#[derive(Clone, Copy, Debug)]
enum Mismatch {
    /// It is in other functions, or was called from elsewhere.
    Calls,
    Register {
        frame: usize,
        register: usize,
    },
    Stack {
        frame: usize,
        slot: usize,
    },
    /// Two things of one identity disagree.
    Identity(u32),
}

impl Claims {
    /// Holds a run against the claims at the instruction it stands before.
    ///
    /// # Errors
    /// No claim covers it.
    pub fn check(&self, running: &dyn Running, position: &mut Position) -> Result<(), Lie> {
        let Some(here) = running.frames().last() else { return Ok(()) };
        for ((word, record), last) in self.records().zip(&mut position.0) {
            let run = Run { claims: self, word, running };
            let covering = run.covered_by(record.at(here.slot, *last));
            *last = covering.map_err(|text| Lie { slot: here.slot, text })?;
        }
        Ok(())
    }
}

/// A run and what is claimed of its program.
struct Run<'a> {
    claims: &'a Claims,
    /// What is said of claims, for messages.
    word: &'static str,
    running: &'a dyn Running,
}

impl Run<'_> {
    /// The visit whose claim covers the run; else what the last one says that is about the same calls.
    fn covered_by<'c>(&self, claims: impl Iterator<Item = &'c Claim> + Clone) -> Result<u32, String> {
        let mut closest = None;
        for claim in claims.clone() {
            match self.compare(claim) {
                Ok(()) => return Ok(claim.visit),
                Err(Mismatch::Calls) => {}
                Err(mismatch) => closest = Some((claim, mismatch)),
            }
        }
        Err(match closest {
            Some((claim, mismatch)) => self.describe(claim, mismatch),
            None => format!("no path leads here (of {} through this instruction)", claims.count()),
        })
    }

    /// Frames of the run before the first one that the claim is about: global functions and callbacks that run later
    /// are verified by themselves.
    fn outer_frames(&self, claim: &Claim) -> Option<usize> {
        self.running.frames().len().checked_sub(claim.frames.len())
    }

    fn compare(&self, claim: &Claim) -> Result<(), Mismatch> {
        let outer = self.outer_frames(claim).ok_or(Mismatch::Calls)?;
        let running = &self.running.frames()[outer..];
        let called_from = claim.frames.iter().skip(1).map(|frame| frame.call_site);
        if !called_from.eq(running.iter().map(|frame| frame.slot as usize).take(claim.frames.len() - 1)) {
            return Err(Mismatch::Calls);
        }
        let mut identities = Identities::default();
        for (index, (claimed, frame)) in claim.frames.iter().zip(running).enumerate().rev() {
            // What a caller keeps over a call: r6 to r10.
            let first = if index + 1 == claim.frames.len() { 0 } else { Reg::R6.index() };
            for (reg, register) in claimed.registers().filter(|(reg, _)| reg.index() >= first) {
                let number = reg.index();
                let value = frame.registers[number];
                if !self.holds(register, value, outer) {
                    return Err(Mismatch::Register { frame: index, register: number });
                }
                identities.add(register, value)?;
            }
            self.stack(claimed, index, outer, &mut identities)?;
        }
        Ok(())
    }

    fn stack(
        &self,
        claim: &FrameClaim,
        frame: usize,
        outer: usize,
        identities: &mut Identities,
    ) -> Result<(), Mismatch> {
        for (slot, claimed) in claim.stack() {
            let Some(value) = self.running.stack_slot(outer + frame, slot) else { continue };
            if !self.slot_holds(claimed, value, outer) {
                return Err(Mismatch::Stack { frame, slot });
            }
            if claimed.spill_size() == 8 {
                identities.add(&claimed.spilled, value)?;
            }
        }
        Ok(())
    }

    fn slot_holds(&self, claimed: &StackSlot, value: u64, outer: usize) -> bool {
        let zero = |(index, kind): (usize, &ByteKind)| *kind != ByteKind::Zero || value.to_le_bytes()[index] == 0;
        let size = claimed.spill_size();
        if size == 8 {
            return self.holds(&claimed.spilled, value, outer);
        }
        let low = value & ((1 << (8 * size)) - 1);
        claimed.bytes.iter().enumerate().all(zero) && (size == 0 || self.holds(&claimed.spilled, low, outer))
    }

    /// Whether a value is among those that a register may have.
    fn holds(&self, claimed: &Register, value: u64, outer: usize) -> bool {
        let from = |base: u64| value.wrapping_sub(base).wrapping_sub(i64::from(claimed.offset).cast_unsigned());
        match claimed.kind {
            Kind::Uninitialised => true,
            Kind::Scalar => claimed.value.contains(value),
            _ if claimed.is_nullable() && value == 0 => true,
            Kind::Stack(frame) => {
                let base = self.running.frames().get(outer + usize::from(frame));
                base.is_some_and(|frame| claimed.value.contains(from(frame.registers[Reg::R10.index()])))
            }
            kind => {
                let Some(place) = Place::of(kind, &self.claims.maps) else { return true };
                let inside = |base: u64| claimed.value.contains(from(base));
                self.running.any(place, &mut |base| inside(base)) != Some(false)
                    && self.range_exists(claimed, value, place)
            }
        }
    }

    /// Whether the bytes that are known to follow a packet pointer do.
    fn range_exists(&self, claimed: &Register, value: u64, place: Place) -> bool {
        let (Kind::Packet { range } | Kind::PacketMeta { range }) = claimed.kind else { return true };
        let Some(end) = place.end().filter(|_| range > 0) else { return true };
        let start = value.wrapping_sub(i64::from(claimed.offset).cast_unsigned());
        self.running.any(end, &mut |end| start.wrapping_add(range.into()) <= end) != Some(false)
    }

    fn describe(&self, claim: &Claim, mismatch: Mismatch) -> String {
        let outer = self.outer_frames(claim).unwrap_or(0);
        match mismatch {
            Mismatch::Calls => "it was called from elsewhere".to_owned(),
            Mismatch::Register { frame, register } => {
                let value = self.running.frames()[outer + frame].registers[register];
                let claimed = text(claim.frames[frame].register(register));
                format!("frame {frame}: R{register} is {value:#x}, {} is {claimed}", self.word)
            }
            Mismatch::Stack { frame, slot } => {
                let value = self.running.stack_slot(outer + frame, slot).unwrap_or(0);
                let claimed = claim.frames[frame].slot(slot);
                let letters: String = claimed.bytes.iter().rev().map(|byte| byte.letter()).collect();
                let register = text(&claimed.spilled);
                format!("frame {frame}: fp-{} is {value:#x}, {} is {letters} {register}", 8 * (slot + 1), self.word)
            }
            Mismatch::Identity(id) => format!("what has the identity {id} differs"),
        }
    }
}

fn text(claimed: &Register) -> String {
    let name = type_name(claimed.kind, claimed.flags);
    match (claimed.is_scalar(), claimed.value.as_constant()) {
        (true, Some(number)) => format!("{number:#x}"),
        (true, None) => format!("{name}({})", claimed.value),
        (false, _) => format!("{name}(off={},{})", claimed.offset, claimed.value),
    }
}

/// What things of one identity have in common: the number the identity was given to, or whether they are NULL.
#[derive(Default)]
struct Identities(Vec<(u32, Common)>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Common {
    Number(u64),
    Start(u64),
    Null(bool),
}

impl Identities {
    fn add(&mut self, register: &Register, value: u64) -> Result<(), Mismatch> {
        let common = match register.kind {
            _ if register.id == 0 => return Ok(()),
            Kind::Scalar => Common::Number(register.link.first(value)),
            _ if register.is_nullable() => Common::Null(value == 0),
            Kind::Packet { .. } | Kind::PacketMeta { .. } => {
                Common::Start(value.wrapping_sub(i64::from(register.offset).cast_unsigned()))
            }
            _ => return Ok(()),
        };
        let same_sort = |other: &Common| std::mem::discriminant(other) == std::mem::discriminant(&common);
        match self.0.iter().find(|(id, other)| *id == register.id && same_sort(other)) {
            Some((_, other)) if *other != common => Err(Mismatch::Identity(register.id)),
            Some(_) => Ok(()),
            None => {
                self.0.push((register.id, common));
                Ok(())
            }
        }
    }
}
