//! Records where every visit came from, and what the refused path accessed on the stack.

use crate::cfg::Code;
use crate::domain::register::{Kind, Register};
use crate::observe::{Observer, StateView};
use skep_isa::{Insn, Reg};

/// Longest path that is explained, in instructions; what lies before is left out.
const LONGEST_PATH: usize = 100_000;

/// One instruction of a path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visit {
    pub(super) slot: u32,
    previous: u32,
    /// Index of the running frame.
    pub(super) depth: u8,
    /// The stack slot a load or store at a fixed place accesses: frame and index.
    pub(super) place: Option<(u8, u8)>,
}

/// All visits, by their number; 16 bytes each, at most as many as the limit of processed instructions.
pub(super) struct Recorder<'a> {
    code: &'a Code,
    visits: Vec<Visit>,
    last: Option<u32>,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(code: &'a Code) -> Self {
        Recorder { code, visits: Vec::new(), last: None }
    }

    /// The path to the instruction looked at last, oldest first.
    pub(super) fn path(&self) -> Vec<Visit> {
        let mut path = Vec::new();
        let mut at = self.last;
        while let Some(visit) = at.and_then(|number| self.visits.get(number as usize)) {
            path.push(*visit);
            if path.len() == LONGEST_PATH {
                break;
            }
            at = (visit.previous != 0).then_some(visit.previous);
        }
        path.reverse();
        path
    }
}

impl Observer for Recorder<'_> {
    fn at(&mut self, slot: usize, state: &StateView<'_>) {
        let visit = Visit {
            slot: slot as u32,
            previous: state.previous_visit().unwrap_or(0),
            depth: (state.frames().len() - 1) as u8,
            place: self.code.get(slot).and_then(|insn| place(insn, state)),
        };
        let number = state.visit() as usize;
        // Visits that ended at a covered state leave gaps.
        self.visits.resize(number, visit);
        self.visits.push(visit);
        self.last = Some(state.visit());
    }
}

fn place(insn: &Insn, state: &StateView<'_>) -> Option<(u8, u8)> {
    let (base, offset) = access(insn)?;
    stack_slot(state.register(base), offset)
}

/// The base and offset of a memory access.
fn access(insn: &Insn) -> Option<(Reg, i16)> {
    match *insn {
        Insn::Load { base, offset, .. }
        | Insn::Store { base, offset, .. }
        | Insn::LoadAcquire { base, offset, .. }
        | Insn::StoreRelease { base, offset, .. }
        | Insn::Atomic { base, offset, .. } => Some((base, offset)),
        _ => None,
    }
}

fn stack_slot(base: &Register, offset: i16) -> Option<(u8, u8)> {
    let Kind::Stack(frame) = base.kind else { return None };
    let at = i64::from(base.offset) + base.value.as_constant()? as i64 + i64::from(offset);
    Some((frame, u8::try_from((-at - 1) / 8).ok().filter(|_| at < 0)?))
}
