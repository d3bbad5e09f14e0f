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

use crate::domain::state::State;
use crate::input::MapFacts;
use crate::report::Names;
use skep_isa::Reg;

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

    /// Frames of the functions called, the running one last.
    pub fn frames(&self) -> impl DoubleEndedIterator<Item = &'a Frame> + ExactSizeIterator {
        self.state.frames.iter().map(|frame| &**frame)
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
