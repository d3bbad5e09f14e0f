//! Watching a verification: the abstract state before every instruction, on every path.
//!
//! An [`Observer`] is told of each instruction looked at, in the order of exploration, with a read-only view of the
//! state there; it decides what to keep. Without one nothing is recorded.
//!
//! A path also ends where an explored state covers the present one. Usually "covers" leaves out what no path read and
//! numbers that decided nothing, so that the states seen at an instruction do not bound every run there. With
//! [`crate::Options::exact_pruning`] they do: every run's registers and stack bytes lie in a state seen.

pub use crate::domain::known_bits::KnownBits;
pub use crate::domain::register::{Kind, Link, MapRef, PointerFlags, Register};
pub use crate::domain::scalar::Scalar;
pub use crate::domain::stack::{ByteKind, StackSlot};
pub use crate::domain::state::{Frame, Lock, Reference};

use crate::checkpoints::Checkpoints;
use crate::domain::precision::{ValueId, Values};
use crate::domain::state::{CheckpointId, MAX_FRAMES, State};
use crate::input::MapFacts;
use crate::report::Names;
use skep_isa::{Reg, RegSet};
use std::rc::Rc;

/// Watches a verification.
pub trait Observer {
    /// The instruction at `slot` is about to be looked at.
    fn at(&mut self, slot: usize, state: &StateView<'_>);

    /// The path ends before `slot`: an explored state covers this one.
    fn covered(&mut self, slot: usize, state: &StateView<'_>) {
        _ = (slot, state);
    }

    /// The state before `slot` is kept, for others to be compared with.
    fn kept(&mut self, slot: usize) {
        _ = slot;
    }

    /// All paths of the main program, or of a function that is verified by itself, were found safe: what they read and
    /// decided is known.
    fn explored(&mut self, explored: &Explored<'_>) {
        _ = explored;
    }
}

/// The kept state that a path came through last, and what it has written since.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    id: CheckpointId,
    written: [u64; MAX_FRAMES],
}

/// What all paths together read and decided.
#[derive(Clone, Copy)]
pub struct Explored<'a> {
    pub(crate) values: &'a Values,
    pub(crate) live: &'a [RegSet],
    pub(crate) checkpoints: &'a Checkpoints,
    pub(crate) exact: bool,
}

impl Explored<'_> {
    /// Whether paths ended only at states that cover them completely.
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    /// Whether a number decided something, or stems from nothing that the kept state before knew.
    pub fn decided_since(&self, register: &Register) -> bool {
        register.origin == ValueId::ROOT || self.values.is_precise(register.origin)
    }

    /// The registers that some path from a slot reads.
    pub fn live_registers(&self, slot: usize) -> RegSet {
        self.live.get(slot).copied().unwrap_or(RegSet::ALL)
    }

    /// Bit per slot of a frame's stack that some path from the kept state reads, or that was written since.
    pub fn slots_read(&self, kept: &Kept, frame: usize) -> u64 {
        self.checkpoints.slots_read(kept.id, frame) | kept.written[frame]
    }
}

/// The state of one path before one instruction.
#[derive(Clone, Copy)]
pub struct StateView<'a> {
    state: &'a State,
    names: Names<'a>,
    visit: u32,
}

impl<'a> StateView<'a> {
    pub(crate) fn new(state: &'a State, names: Names<'a>, visit: u32) -> Self {
        StateView { state, names, visit }
    }

    /// Which visit of an instruction this is, counted from 1 over the whole verification.
    pub fn visit(&self) -> u32 {
        self.visit
    }

    /// The visit that this path came from; `None` at the start of a function that is verified by itself.
    pub fn previous_visit(&self) -> Option<u32> {
        (self.state.visit != 0).then_some(self.state.visit)
    }

    /// The kept state that this path came through last; `None` before the first.
    pub fn kept(&self) -> Option<Kept> {
        self.state.parent.map(|id| Kept { id, written: self.state.written })
    }

    /// Frames of the functions called, the running one last.
    pub fn frames(&self) -> impl DoubleEndedIterator<Item = &'a Frame> + ExactSizeIterator {
        self.state.frames.iter().map(|frame| &**frame)
    }

    /// The same, as the verifier shares them between states.
    pub(crate) fn shared_frames(&self) -> &'a [Rc<Frame>] {
        &self.state.frames
    }

    /// The running frame.
    pub fn frame(&self) -> &'a Frame {
        self.state.frame()
    }

    /// A register of the running frame.
    pub fn register(&self, reg: Reg) -> &'a Register {
        self.state.register(reg)
    }

    /// What must be given back before the program ends.
    pub fn references(&self) -> &'a [Reference] {
        &self.state.references
    }

    /// The locks held, in the order they were taken.
    pub fn locks(&self) -> &'a [Lock] {
        &self.state.locks
    }

    /// Whether a number decided something on a path explored so far.
    pub fn is_precise(&self, register: &Register) -> bool {
        self.names.values.is_precise(register.origin)
    }

    /// What is known of a map.
    pub fn map(&self, map: MapRef) -> &'a MapFacts {
        self.names.maps.facts(map)
    }

    /// A register of the frame of index `frame` in the notation of Linux's log.
    pub fn register_text(&self, register: &Register, frame: usize) -> String {
        self.names.register(register, frame)
    }

    /// The state in the notation of Linux's log.
    pub fn text(&self) -> String {
        self.names.state(self.state).trim_start().to_owned()
    }
}
