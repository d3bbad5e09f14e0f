//! The states of one exploration.

use crate::domain::stack::StackSlot;
use crate::observe::{Explored, Frame, Kept, Observer, Register, StateView};
use skep_isa::{Reg, RegSet};
use std::rc::Rc;
use std::sync::Arc;

/// States recorded of one program. Beyond that, nothing is claimed.
const MOST_CLAIMS: usize = 20_000;

/// The states of one exploration, by slot.
#[derive(Clone, Debug)]
pub(super) struct Record {
    at: Vec<Vec<Claim>>,
    total: usize,
}

/// Makes a record.
#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) record: Record,
    /// States seen since the end of the last function that was explored by itself: slot and place in the list there.
    open: Vec<(usize, usize)>,
    /// The frames of the last state, and what is kept of them: most of them are those of the next one, too.
    last: Vec<(Rc<Frame>, Arc<Contents>)>,
    /// The stacks of these frames.
    stacks: Vec<KeptStack>,
}

/// A stack of the exploration, and the copy that is kept of it.
type KeptStack = (Rc<Vec<StackSlot>>, Arc<[StackSlot]>);

/// What a function invocation holds.
#[derive(Debug)]
struct Contents {
    registers: [Register; Reg::COUNT],
    stack: Arc<[StackSlot]>,
}

/// One state: frames, the running one last.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) frames: Box<[FrameClaim]>,
    /// When it was seen.
    pub(super) visit: u32,
    /// The kept state it came from.
    kept: Option<Kept>,
}

/// One function invocation of a state.
#[derive(Clone, Debug)]
pub(super) struct FrameClaim {
    contents: Arc<Contents>,
    /// Slot of the call that made it; nothing in the outermost frame.
    pub(super) call_site: usize,
    /// The registers that are claimed.
    claimed: RegSet,
    /// Bit per stack slot that is claimed.
    claimed_slots: u64,
}

impl Recorder {
    /// Nothing yet, of a program of so many slots.
    pub(super) fn new(slots: usize) -> Recorder {
        let record = Record { at: vec![Vec::new(); slots], total: 0 };
        Recorder { record, open: Vec::new(), last: Vec::new(), stacks: Vec::new() }
    }

    fn frame(&mut self, index: usize, frame: &Rc<Frame>) -> FrameClaim {
        let known =
            self.last.get(index).filter(|(last, _)| Rc::ptr_eq(last, frame)).map(|(_, contents)| contents.clone());
        let contents = known.unwrap_or_else(|| {
            let contents = Arc::new(Contents { registers: frame.registers, stack: self.stack(index, &frame.stack) });
            self.last.truncate(index);
            self.last.push((frame.clone(), contents.clone()));
            contents
        });
        FrameClaim { contents, call_site: frame.call_site, claimed: RegSet::ALL, claimed_slots: u64::MAX }
    }

    fn stack(&mut self, index: usize, stack: &Rc<Vec<StackSlot>>) -> Arc<[StackSlot]> {
        let known = self.stacks.get(index).filter(|(last, _)| Rc::ptr_eq(last, stack)).map(|(_, kept)| kept.clone());
        known.unwrap_or_else(|| {
            let kept: Arc<[StackSlot]> = stack.as_slice().into();
            self.stacks.truncate(index);
            self.stacks.push((stack.clone(), kept.clone()));
            kept
        })
    }
}

impl Record {
    /// Whether every state is there.
    pub(super) fn is_whole(&self) -> bool {
        self.total <= MOST_CLAIMS
    }

    /// What is claimed at a slot: first what was seen soon after a visit, which is where a run goes on that was found
    /// there.
    pub(super) fn at(&self, slot: u32, after: u32) -> impl Iterator<Item = &Claim> + Clone {
        let claims = self.at.get(slot as usize).map_or(&[][..], Vec::as_slice);
        let (before, after) = claims.split_at(claims.partition_point(|claim| claim.visit <= after));
        after.iter().chain(before)
    }
}

impl FrameClaim {
    /// The registers that are claimed.
    pub(super) fn registers(&self) -> impl Iterator<Item = (Reg, &Register)> {
        self.claimed.iter().map(|reg| (reg, &self.contents.registers[reg.index()]))
    }

    /// The stack slots that are claimed.
    pub(super) fn stack(&self) -> impl Iterator<Item = (usize, &StackSlot)> {
        self.contents.stack.iter().enumerate().filter(|(slot, _)| self.claimed_slots & 1 << slot != 0)
    }

    /// A register.
    pub(super) fn register(&self, number: usize) -> &Register {
        &self.contents.registers[number]
    }

    /// A stack slot.
    pub(super) fn slot(&self, slot: usize) -> &StackSlot {
        &self.contents.stack[slot]
    }

    /// Gives up what a path may lack that ended at the kept state this one came from.
    fn keep_what_decides(&mut self, index: usize, at: usize, kept: &Kept, explored: &Explored<'_>) {
        let decides = |register: &Register| !register.is_scalar() || explored.decided_since(register);
        let live = explored.live_registers(at);
        self.claimed = live.iter().filter(|reg| decides(&self.contents.registers[reg.index()])).collect();
        self.claimed_slots = explored.slots_read(kept, index);
        for (slot, content) in self.contents.stack.iter().enumerate() {
            if content.is_spill() && !decides(&content.spilled) {
                self.claimed_slots &= !(1 << slot);
            }
        }
    }
}

impl Observer for Recorder {
    fn at(&mut self, slot: usize, state: &StateView<'_>) {
        self.record.total += 1;
        if !self.record.is_whole() || slot >= self.record.at.len() {
            return;
        }
        let frames = state.shared_frames().iter().enumerate().map(|(index, frame)| self.frame(index, frame)).collect();
        let claims = &mut self.record.at[slot];
        claims.push(Claim { frames, visit: state.visit(), kept: state.kept() });
        self.open.push((slot, claims.len() - 1));
    }

    fn explored(&mut self, explored: &Explored<'_>) {
        for (slot, index) in self.open.drain(..) {
            let claim = &mut self.record.at[slot][index];
            let Some(kept) = claim.kept.take().filter(|_| !explored.is_exact()) else { continue };
            let mut at = slot;
            for (index, frame) in claim.frames.iter_mut().enumerate().rev() {
                frame.keep_what_decides(index, at, &kept, explored);
                at = frame.call_site;
            }
        }
    }
}
