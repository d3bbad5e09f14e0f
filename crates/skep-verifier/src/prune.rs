//! Pruning: states kept at certain instructions, and paths ended where one of them covers the present state.
//!
//! Kept states form a tree by [`State::parent`]. A state is *complete* when every path from it has ended. What later
//! paths read and decide is recorded on the states they came through: stack slots read here (a slot counts as read in a
//! state if some path from it reads the slot before writing all of it), numbers that decide in
//! [`crate::domain::precision`]. A path that ends at an old state inherits what the old state has recorded; if the old
//! state is not complete (a loop), what it records later is passed on too, and until the loop is complete states
//! inside are compared by ranges alone.

use crate::domain::register::Register;
use crate::domain::state::{CheckpointId, MAX_FRAMES, State};
use crate::equivalence::{Comparison, Exactness, same_calls};
use crate::refusal::{Check, EINVAL, Refusal};
use crate::report::Names;
use crate::verifier::Verifier;
use skep_abi::kfunc::KfuncFlags;
use skep_isa::Insn;
use std::collections::HashMap;
use std::rc::Rc;

/// A kept state.
#[derive(Debug)]
struct Checkpoint {
    state: State,
    /// Stack slots read by paths from here, per frame.
    read: [u64; MAX_FRAMES],
    /// Paths from here that have not ended.
    branches: u32,
    /// The outermost kept state that was incomplete when a path from here ended at it, or at something inside it.
    loop_entry: Option<CheckpointId>,
    /// Paths that ended here before it was complete: where they came from, and what they had written since then.
    followers: Vec<(Option<CheckpointId>, [u64; MAX_FRAMES])>,
    hits: u32,
    misses: u32,
}

/// All kept states.
#[derive(Debug, Default)]
pub(crate) struct Checkpoints {
    list: Vec<Checkpoint>,
    at: HashMap<usize, Vec<CheckpointId>>,
    /// Instructions and jumps processed when the last state was kept.
    processed: u32,
    jumps: u32,
    pub(crate) total: u32,
    pub(crate) peak: u32,
}

/// What comparing a state led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visit {
    /// It is new.
    New,
    /// An old state covers it.
    SeenBefore,
}

/// What to do about one old state.
enum Verdict {
    Covered,
    Different { keep_new: bool },
}

impl Checkpoints {
    /// Forgets all, for the next function.
    pub(crate) fn clear(&mut self) {
        self.list.clear();
        self.at.clear();
    }

    fn get(&self, id: CheckpointId) -> Option<&Checkpoint> {
        self.list.get(id.0 as usize)
    }

    fn get_mut(&mut self, id: CheckpointId) -> Option<&mut Checkpoint> {
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
        }
    }

    /// The incomplete loop that a state belongs to: what is recorded on it may still grow.
    fn incomplete_loop(&self, id: CheckpointId) -> Option<CheckpointId> {
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

    /// Records that `slots` of `frame` were read on the path that came from `from`, having written `written`.
    fn mark_read(&mut self, from: Option<CheckpointId>, written: u64, frame: usize, slots: u64) {
        let mut pending = vec![(from, slots & !written)];
        while let Some((id, slots)) = pending.pop() {
            let Some(checkpoint) = id.and_then(|id| self.get_mut(id)) else { continue };
            if frame >= checkpoint.state.frames.len() {
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

    /// All states on the way from `from` up to `entry` belong to its loop.
    fn enter_loop(&mut self, mut from: Option<CheckpointId>, entry: CheckpointId) {
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

impl Verifier<'_> {
    /// Records that stack slots were read.
    pub(crate) fn mark_stack_read(&mut self, state: &State, frame: usize, slots: u64) {
        self.exploration.checkpoints.mark_read(state.parent, state.written[frame], frame, slots);
    }

    /// Records that stack slots were written whole.
    pub(crate) fn mark_stack_written(&self, state: &mut State, frame: usize, slots: u64) {
        state.written[frame] |= slots;
    }

    /// Compares a state with those kept here, and keeps it if it is worth it.
    pub(crate) fn visit(&mut self, state: &mut State) -> Check<Visit> {
        let slot = state.slot;
        let forced = self.options.test_state_frequency || self.repeats(slot);
        let since_jumps = self.exploration.jumps - self.exploration.checkpoints.jumps;
        let since = self.exploration.processed - self.exploration.checkpoints.processed;
        let mut keep = forced || since_jumps >= 2 && since >= 8;
        let candidates = self.exploration.checkpoints.at.get(&slot).cloned().unwrap_or_default();
        for id in candidates {
            match self.compare(id, state, forced, since_jumps < 20 && since < 100)? {
                Verdict::Covered => return Ok(Visit::SeenBefore),
                Verdict::Different { keep_new } => {
                    keep &= keep_new;
                    self.count_miss(slot, id, keep, forced);
                }
            }
        }
        if keep {
            self.keep(state);
        }
        Ok(Visit::New)
    }

    /// Instructions that paths come back to by design: calls that call back, steps of iterators, `may_goto`.
    fn repeats(&self, slot: usize) -> bool {
        matches!(self.code.get(slot), Some(Insn::MayGoto { .. })) || self.calls_back(slot) || self.iterates(slot)
    }

    fn calls_back(&self, slot: usize) -> bool {
        let Some(Insn::Call(skep_isa::CallTarget::Helper(id))) = self.code.get(slot) else { return false };
        u32::try_from(*id).ok().and_then(crate::tables::helper).is_some_and(|h| h.callback.is_some())
    }

    fn iterates(&self, slot: usize) -> bool {
        self.code.get(slot).is_some_and(|insn| self.kfuncs.calls(insn, KfuncFlags::ITER_NEXT))
    }

    fn compare(&mut self, id: CheckpointId, state: &State, forced: bool, recent: bool) -> Check<Verdict> {
        let Some(old) = self.exploration.checkpoints.get(id) else {
            return Ok(Verdict::Different { keep_new: true });
        };
        if !same_calls(&old.state, state) {
            return Ok(Verdict::Different { keep_new: true });
        }
        if old.branches > 0 {
            return self.compare_in_loop(id, state, forced, recent);
        }
        let open = self.exploration.checkpoints.incomplete_loop(id);
        let exactness = if open.is_some() { Exactness::Within } else { Exactness::Relevant };
        if self.covers(id, state, exactness) {
            self.inherit(id, state, open);
            return Ok(Verdict::Covered);
        }
        Ok(Verdict::Different { keep_new: true })
    }

    /// An old state from which the present one came.
    fn compare_in_loop(&mut self, id: CheckpointId, state: &State, forced: bool, recent: bool) -> Check<Verdict> {
        let slot = state.slot;
        let (depth, iterations) =
            self.exploration.checkpoints.get(id).map_or((0, 0), |c| (c.state.may_goto_depth, c.state.iterations));
        let iterates = self.iterates(slot);
        let bounded = if iterates {
            self.may_have_next(state)
        } else if matches!(self.code.get(slot), Some(Insn::MayGoto { .. })) {
            depth != state.may_goto_depth
        } else {
            self.calls_back(slot)
        };
        if bounded && self.covers(id, state, Exactness::Within) {
            self.inherit(id, state, Some(id));
            return Ok(Verdict::Covered);
        }
        let same = !bounded
            && !iterates
            && (depth, iterations) == (state.may_goto_depth, state.iterations)
            && self.covers(id, state, Exactness::Same);
        if same && self.same_callback_depth(id, state) {
            let mut refusal = Refusal::new(EINVAL, format!("infinite loop detected at insn {slot}"))
                .hint("nothing changes from one round of this loop to the next: it never ends");
            if let Some(old) = self.exploration.checkpoints.get(id) {
                let names = Names { maps: &self.maps, values: &self.values };
                refusal.before = vec![
                    format!("cur state: {}", names.state(state)),
                    format!("old state: {}", names.state(&old.state)),
                ];
            }
            return Err(refusal.at(slot));
        }
        // States of one loop are kept only now and then.
        Ok(Verdict::Different { keep_new: forced || !recent })
    }

    fn same_callback_depth(&self, id: CheckpointId, state: &State) -> bool {
        let depth = |s: &State| s.frames.iter().map(|f| f.callback_depth).sum::<u32>();
        self.exploration.checkpoints.get(id).is_some_and(|old| depth(&old.state) == depth(state))
    }

    fn covers(&self, id: CheckpointId, state: &State, exactness: Exactness) -> bool {
        let Some(old) = self.exploration.checkpoints.get(id) else { return false };
        let complete = exactness == Exactness::Relevant;
        let everything = self.options.exact_pruning;
        let comparison = Comparison {
            values: &self.values,
            exactness: if everything && complete { Exactness::Within } else { exactness },
            live: if everything { &[] } else { &self.live },
            read: if complete && !everything { old.read } else { [u64::MAX; MAX_FRAMES] },
            uninitialised_readable: self.may_read_uninitialised(),
        };
        comparison.covers(&old.state, state)
    }

    /// A path ends at an old state: whatever is read and decided from there is read and decided on this path.
    fn inherit(&mut self, id: CheckpointId, state: &State, open: Option<CheckpointId>) {
        let checkpoints = &mut self.exploration.checkpoints;
        let Some(old) = checkpoints.get_mut(id) else { return };
        old.hits += 1;
        let (read, old_state) = (old.read, old.state.clone());
        if open.is_some() {
            old.followers.push((state.parent, state.written));
        }
        for (frame, read) in read.into_iter().enumerate().take(state.frames.len()) {
            checkpoints.mark_read(state.parent, state.written[frame], frame, read);
        }
        if let Some(entry) = open {
            checkpoints.enter_loop(state.parent, entry);
        }
        for (before, now) in pairs(&old_state, state) {
            if !before.is_scalar() || !now.is_scalar() {
                continue;
            }
            if self.values.is_precise(before.origin) {
                self.values.mark(now.origin);
            } else if open.is_some() {
                self.values.follow(before.origin, now.origin);
            }
        }
    }

    /// Old states that never match are not asked any more.
    fn count_miss(&mut self, slot: usize, id: CheckpointId, kept: bool, forced: bool) {
        if !kept {
            return;
        }
        let checkpoints = &mut self.exploration.checkpoints;
        let Some(old) = checkpoints.get_mut(id) else { return };
        old.misses += 1;
        let patience = if forced && old.branches > 0 { 64 } else { 3 };
        if old.misses > old.hits * patience + patience {
            checkpoints.at.entry(slot).or_default().retain(|other| *other != id);
        }
    }

    fn keep(&mut self, state: &mut State) {
        state.separate_origins(&mut self.values);
        let checkpoints = &mut self.exploration.checkpoints;
        let id = CheckpointId(checkpoints.list.len() as u32);
        checkpoints.list.push(Checkpoint {
            state: state.clone(),
            read: [0; MAX_FRAMES],
            branches: 1,
            loop_entry: None,
            followers: Vec::new(),
            hits: 0,
            misses: 0,
        });
        checkpoints.at.entry(state.slot).or_default().push(id);
        checkpoints.total += 1;
        checkpoints.peak = checkpoints.peak.max(checkpoints.list.len() as u32);
        (checkpoints.processed, checkpoints.jumps) = (self.exploration.processed, self.exploration.jumps);
        state.parent = Some(id);
        state.written = [0; MAX_FRAMES];
    }

    /// Gives up what a loop body changes but nothing depends on, so that its state repeats: numbers that differ from
    /// those of the last visit here and decided nothing.
    pub(crate) fn widen_since_last_visit(&mut self, state: &mut State, from: Option<CheckpointId>) {
        let Some(before) = self.last_visit(state, from) else { return };
        let values = &self.values;
        let widen = |old: &Register, new: &mut Register| {
            let numbers = old.is_scalar() && new.is_scalar();
            let decided = values.is_precise(old.origin) || values.is_precise(new.origin);
            if numbers && !decided && (old.value != new.value || old.id != new.id) {
                new.forget();
            }
        };
        for (old, new) in before.frames.iter().zip(&mut state.frames) {
            let new = Rc::make_mut(new);
            for (old, new) in old.registers.iter().zip(&mut new.registers) {
                widen(old, new);
            }
            let slots = Rc::make_mut(&mut new.stack);
            for (old, new) in old.stack.iter().zip(slots) {
                if old.spill_size() == 8 && new.spill_size() == 8 {
                    widen(&old.spilled, &mut new.spilled);
                }
            }
        }
    }

    /// The last kept state at this slot on the path that ends at `from`.
    fn last_visit(&self, state: &State, from: Option<CheckpointId>) -> Option<State> {
        let mut at = from;
        while let Some(id) = at {
            let checkpoint = self.exploration.checkpoints.get(id)?;
            if checkpoint.state.slot == state.slot && same_calls(&checkpoint.state, state) {
                return Some(checkpoint.state.clone());
            }
            at = checkpoint.state.parent;
        }
        None
    }
}

/// Registers and spilled slots of two states that stand in the same place.
fn pairs<'a>(old: &'a State, new: &'a State) -> impl Iterator<Item = (&'a Register, &'a Register)> {
    old.frames.iter().zip(&new.frames).flat_map(|(old, new)| {
        let registers = old.registers.iter().zip(&new.registers);
        let slots = old.stack.iter().zip(new.stack.iter());
        let spilled = slots.filter(|(o, n)| o.is_spill() && n.is_spill()).map(|(o, n)| (&o.spilled, &n.spilled));
        registers.chain(spilled)
    })
}
