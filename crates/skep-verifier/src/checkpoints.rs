//! The states kept for comparison, and what is recorded on them.
//!
//! Kept states form a tree by [`State::parent`]; those of one place form a list, the newest first. A place is a slot
//! and the call that leads to its function: states that return elsewhere are never compared. A state that never helps
//! leaves its list. What it holds goes once no path can come back to it; its records stay, because paths that
//! ended inside a loop may still pass what they learn through it.

use crate::domain::state::{CheckpointId, MAX_FRAMES, State};
use crate::loops::{LoopId, Loops};
use std::collections::HashMap;

/// A kept state.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    pub(crate) state: State,
    /// Stack slots read by paths from here, per frame.
    pub(crate) read: [u64; MAX_FRAMES],
    /// Paths from here that have not ended.
    pub(crate) branches: u32,
    /// The outermost kept state that was incomplete when a path from here ended at it, or at something inside it.
    loop_entry: Option<CheckpointId>,
    /// The loop that the state is in.
    pub(crate) in_loop: Option<LoopId>,
    /// Paths that ended here before it was complete: where they came from, and what they had written since then.
    pub(crate) followers: Vec<(Option<CheckpointId>, [u64; MAX_FRAMES])>,
    pub(crate) hits: u32,
    pub(crate) misses: u32,
    /// The state kept here before this one.
    pub(crate) older: Option<CheckpointId>,
    /// Not in its place's list any more.
    retired: bool,
    /// How many frames the state has, or had.
    frames: usize,
}

/// A slot, and the call site of the function it is in.
type Place = (usize, usize);

fn place(state: &State) -> Place {
    (state.slot, state.frame().call_site)
}

/// All kept states.
#[derive(Debug, Default)]
pub(crate) struct Checkpoints {
    list: Vec<Checkpoint>,
    /// The newest of each place.
    newest: HashMap<Place, CheckpointId>,
    pub(crate) loops: Loops,
    /// Instructions and jumps processed when the last state was kept.
    pub(crate) processed: u32,
    pub(crate) jumps: u32,
    pub(crate) total: u32,
    alive: u32,
    pub(crate) peak: u32,
    /// Most states compared with at one instruction.
    pub(crate) most_compared: u32,
}

impl Checkpoints {
    /// Forgets all, for the next function.
    pub(crate) fn clear(&mut self) {
        self.list.clear();
        self.newest.clear();
        self.loops.clear();
        self.alive = 0;
    }

    /// The state kept last where a state is.
    pub(crate) fn newest(&self, state: &State) -> Option<CheckpointId> {
        self.newest.get(&place(state)).copied()
    }

    /// Keeps a state, which is its own parent from then on.
    pub(crate) fn keep(&mut self, components: &[u32], state: &mut State) {
        let id = CheckpointId(self.list.len() as u32);
        let in_loop = self.loops.enter(components, state, id);
        self.list.push(Checkpoint {
            state: state.clone(),
            read: [0; MAX_FRAMES],
            branches: 1,
            loop_entry: None,
            in_loop,
            followers: Vec::new(),
            hits: 0,
            misses: 0,
            older: self.newest.insert(place(state), id),
            retired: false,
            frames: state.frames.len(),
        });
        self.total += 1;
        self.alive += 1;
        self.peak = self.peak.max(self.alive);
        state.parent = Some(id);
        state.written = [0; MAX_FRAMES];
    }

    /// Takes a state out of its place's list; `newer` is the one before it there.
    pub(crate) fn retire(&mut self, id: CheckpointId, newer: Option<CheckpointId>) {
        let Some(checkpoint) = self.get_mut(id) else { return };
        checkpoint.retired = true;
        let (older, place) = (checkpoint.older, place(&checkpoint.state));
        match newer.and_then(|newer| self.get_mut(newer)) {
            Some(newer) => newer.older = older,
            None => match older {
                Some(older) => drop(self.newest.insert(place, older)),
                None => drop(self.newest.remove(&place)),
            },
        }
        self.release_if_done(id);
    }

    /// Gives back what a state holds that nothing will be compared with.
    fn release_if_done(&mut self, id: CheckpointId) {
        let Some(checkpoint) = self.get_mut(id) else { return };
        if checkpoint.retired && checkpoint.branches == 0 {
            checkpoint.state.frames = Vec::new();
            checkpoint.state.references = Vec::new();
            self.alive -= 1;
        }
    }

    pub(crate) fn get(&self, id: CheckpointId) -> Option<&Checkpoint> {
        self.list.get(id.0 as usize)
    }

    pub(crate) fn get_mut(&mut self, id: CheckpointId) -> Option<&mut Checkpoint> {
        self.list.get_mut(id.0 as usize)
    }

    /// The kept state before a kept state.
    pub(crate) fn parent(&self, id: CheckpointId) -> Option<CheckpointId> {
        self.get(id)?.state.parent
    }

    /// One more path from a kept state.
    pub(crate) fn add_branch(&mut self, parent: Option<CheckpointId>) {
        if let Some(parent) = parent.and_then(|id| self.get_mut(id)) {
            parent.branches += 1;
        }
    }

    /// A path from a kept state has ended.
    pub(crate) fn end_branch(&mut self, mut parent: Option<CheckpointId>) {
        while let Some(id) = parent {
            let Some(checkpoint) = self.get_mut(id) else { return };
            checkpoint.branches = checkpoint.branches.saturating_sub(1);
            if checkpoint.branches > 0 {
                return;
            }
            parent = checkpoint.state.parent;
            if let Some(in_loop) = checkpoint.in_loop {
                self.loops.complete(in_loop, id);
            }
            self.release_if_done(id);
        }
    }

    /// The incomplete loop that a state belongs to: what is recorded on it may still grow.
    pub(crate) fn incomplete_loop(&self, id: CheckpointId) -> Option<CheckpointId> {
        let mut at = Some(id);
        while let Some(id) = at {
            let checkpoint = self.get(id)?;
            if checkpoint.branches > 0 {
                return Some(id);
            }
            at = checkpoint.loop_entry;
        }
        None
    }

    /// Whether states of the loop that a state is in may still learn from each other.
    pub(crate) fn is_in_open_loop(&self, id: CheckpointId) -> bool {
        self.get(id).and_then(|kept| kept.in_loop).is_some_and(|in_loop| self.loops.is_open(in_loop))
    }

    /// Records that `slots` of `frame` were read on the path that came from `from`, having written `written`.
    pub(crate) fn mark_read(&mut self, from: Option<CheckpointId>, written: u64, frame: usize, slots: u64) {
        let mut pending = vec![(from, slots & !written)];
        while let Some((id, slots)) = pending.pop() {
            let Some(checkpoint) = id.and_then(|id| self.get_mut(id)) else { continue };
            if frame >= checkpoint.frames {
                continue;
            }
            let new = slots & !checkpoint.read[frame];
            if new == 0 {
                continue;
            }
            checkpoint.read[frame] |= new;
            pending.push((checkpoint.state.parent, new & !checkpoint.state.written[frame]));
            for (parent, written) in &checkpoint.followers {
                pending.push((*parent, new & !written[frame]));
            }
        }
    }

    /// The stack slots of a frame that paths from a kept state read. Frames it does not have are none of its business:
    /// all of theirs count.
    pub(crate) fn slots_read(&self, id: CheckpointId, frame: usize) -> u64 {
        self.get(id).filter(|kept| frame < kept.frames).map_or(u64::MAX, |kept| kept.read[frame])
    }

    /// All states on the way from `from` up to `entry` belong to its loop.
    pub(crate) fn enter_loop(&mut self, mut from: Option<CheckpointId>, entry: CheckpointId) {
        while let Some(id) = from {
            if id <= entry {
                return;
            }
            let already = self.get(id).and_then(|c| c.loop_entry);
            // An entry further out that is still open covers this one.
            if let Some(outer) = already
                && outer <= entry
                && self.get(outer).is_some_and(|c| c.branches > 0)
            {
                return;
            }
            let Some(checkpoint) = self.get_mut(id) else { return };
            checkpoint.loop_entry = Some(entry);
            from = checkpoint.state.parent;
        }
    }
}
