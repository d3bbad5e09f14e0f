//! Pruning: states kept at certain instructions, and paths ended where one of them covers the present state.
//!
//! Kept states form a tree by [`State::parent`]. A state is *complete* when every path from it has ended. What later
//! paths read and decide is recorded on the states they came through: stack slots read here (a slot counts as read in a
//! state if some path from it reads the slot before writing all of it), numbers that decide in
//! [`crate::domain::precision`]. A path that ends at an old state inherits what the old state has recorded; if the old
//! state is not complete (a loop), what it records later is passed on too, and until the loop is complete states
//! inside are compared by ranges alone.

use crate::check::kfunc_signature::KfuncTable;
use crate::domain::register::Register;
use crate::domain::state::{CallbackKind, CheckpointId, MAX_FRAMES, State};
use crate::equivalence::{Comparison, Exactness, identical, same_calls};
use crate::planted::{Fault, is_planted};
use crate::reason::Reason;
use crate::refusal::{Check, EINVAL, Refusal};
use crate::report::Names;
use crate::tables;
use crate::verifier::Verifier;
use skep_abi::helper::HelperFlags;
use skep_abi::kfunc::KfuncFlags;
use skep_isa::{CallTarget, Insn};
use std::cell::Cell;
use std::rc::Rc;

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

impl Verifier<'_> {
    /// Records that stack slots were read.
    pub(crate) fn mark_stack_read(&mut self, state: &State, frame: usize, slots: u64) {
        if !is_planted(Fault::StackReadNotMarked) {
            self.exploration.checkpoints.mark_read(state.parent, state.written[frame], frame, slots);
        }
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
        let recent = since_jumps < 20 && since < 100;
        let (mut newer, mut compared) = (None, 0);
        let mut candidate = self.exploration.checkpoints.newest(state);
        while let Some(id) = candidate {
            candidate = self.exploration.checkpoints.get(id).and_then(|kept| kept.older);
            compared += 1;
            match self.compare(id, state, forced, recent)? {
                Verdict::Covered => return Ok(Visit::SeenBefore),
                Verdict::Different { keep_new } => {
                    keep &= keep_new;
                    if self.never_helps(id, keep, forced) {
                        self.exploration.checkpoints.retire(id, newer);
                    } else {
                        newer = Some(id);
                    }
                }
            }
        }
        let checkpoints = &mut self.exploration.checkpoints;
        checkpoints.most_compared = checkpoints.most_compared.max(compared);
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
        self.code.get(slot).is_some_and(|insn| calls_back(insn, &self.kfuncs))
    }

    fn iterates(&self, slot: usize) -> bool {
        self.code.get(slot).is_some_and(|insn| self.kfuncs.calls(insn, KfuncFlags::ITER_NEXT))
    }

    fn compare(&mut self, id: CheckpointId, state: &State, forced: bool, recent: bool) -> Check<Verdict> {
        let Some(old) = self.exploration.checkpoints.get(id) else {
            return Ok(Verdict::Different { keep_new: true });
        };
        if old.branches > 0 {
            return self.compare_in_loop(id, state, forced, recent);
        }
        let checkpoints = &self.exploration.checkpoints;
        let open = checkpoints.incomplete_loop(id);
        let ranges_alone = open.is_some() || checkpoints.is_in_open_loop(id);
        let exactness = if ranges_alone { Exactness::Within } else { Exactness::Relevant };
        if self.covers(id, state, exactness) {
            self.inherit(id, state, open);
            return Ok(Verdict::Covered);
        }
        Ok(Verdict::Different { keep_new: true })
    }

    /// An old state from which the present one came.
    fn compare_in_loop(&mut self, id: CheckpointId, state: &State, forced: bool, recent: bool) -> Check<Verdict> {
        let slot = state.slot;
        if self.is_other_entry(id, state) {
            return Ok(Verdict::Different { keep_new: forced || !recent });
        }
        let depth = self.exploration.checkpoints.get(id).map_or(0, |old| old.state.may_goto_depth);
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
        let endless = !bounded && !iterates && self.stands_still(id, state) && self.covers(id, state, Exactness::Same);
        if endless {
            let mut refusal = Refusal::new(EINVAL, format!("infinite loop detected at insn {slot}"))
                .of(Reason::InfiniteLoop)
                .hint("nothing changes from one round of this loop to the next: it never ends");
            if let Some(old) = self.exploration.checkpoints.get(id) {
                let names = Names::new(&self.maps, &self.values, self.options);
                refusal.before = vec![
                    format!("cur state:{}", names.state(state)),
                    format!("old state:{}", names.of_kept_state().state(&old.state)),
                ];
            }
            return Err(refusal.at(slot));
        }
        // States of one loop are kept only now and then.
        Ok(Verdict::Different { keep_new: forced || !recent })
    }

    /// Whether the old state is of another call of a function that runs later: being there again is no loop, and the
    /// old path, which this one was put aside on, is not known to be safe yet.
    fn is_other_entry(&self, id: CheckpointId, state: &State) -> bool {
        let runs_later = state.frame().callback.is_some_and(|callback| callback.kind == CallbackKind::Later);
        let old = self.exploration.checkpoints.get(id);
        runs_later && old.is_some_and(|old| old.state.later_entries != state.later_entries)
    }

    /// Whether nothing has moved in the running function, and nothing that counts. As in Linux an identity given anew is a
    /// move, in a register that nobody reads any more as well.
    fn stands_still(&self, id: CheckpointId, state: &State) -> bool {
        let Some(old) = self.exploration.checkpoints.get(id) else { return false };
        let mut registers = old.state.frame().registers.iter().zip(&state.frame().registers);
        old.state.progress() == state.progress() && registers.all(|(old, new)| identical(old, new))
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
            same_numbers: self.masks_variable_offsets,
            uninitialised_readable: self.may_read_uninitialised(),
            unset_read: Cell::new(false),
        };
        let covers = comparison.covers(&old.state, state);
        if covers && comparison.unset_read.get() {
            self.reads_unset_stack.set(true);
        }
        covers
    }

    /// A path ends at an old state: whatever is read and decided from there is read and decided on this path.
    fn inherit(&mut self, id: CheckpointId, state: &State, open: Option<CheckpointId>) {
        let checkpoints = &mut self.exploration.checkpoints;
        let Some(old) = checkpoints.get_mut(id) else { return };
        old.hits += 1;
        let (read, old_state) = (old.read, old.state.clone());
        if open.is_some() {
            old.followers.push((state.parent, state.written));
            if let Some(in_loop) = old.in_loop {
                checkpoints.loops.returned(in_loop);
            }
        }
        let read = if is_planted(Fault::ReadsStopAtCovered) { [0; MAX_FRAMES] } else { read };
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
            if is_planted(Fault::PrecisionStopsAtCovered) {
                continue;
            }
            if self.values.is_precise(before.origin) {
                self.values.mark(now.origin);
            } else if open.is_some() {
                self.values.follow(before.origin, now.origin);
            }
        }
    }

    /// Counts a comparison in vain. Whether there were so many that the old state is not worth asking any more.
    fn never_helps(&mut self, id: CheckpointId, keep: bool, forced: bool) -> bool {
        let Some(old) = self.exploration.checkpoints.get_mut(id) else { return false };
        // A state that is not kept says nothing about the old one: rounds of a loop would drive out what was kept first.
        old.misses += u32::from(keep);
        let patience = if forced && old.branches > 0 { 64 } else { 3 };
        old.misses > old.hits * patience + patience
    }

    fn keep(&mut self, state: &mut State) {
        state.separate_origins(&mut self.values);
        let checkpoints = &mut self.exploration.checkpoints;
        checkpoints.keep(&self.components, state);
        if let Some(observer) = &mut self.observer {
            observer.kept(state.slot);
        }
        (checkpoints.processed, checkpoints.jumps) = (self.exploration.processed, self.exploration.jumps);
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

/// Whether a call goes through a function of the program any number of times before it returns.
pub(crate) fn calls_back(insn: &Insn, kfuncs: &KfuncTable) -> bool {
    match insn {
        Insn::Call(CallTarget::Helper(id)) => {
            let helper = u32::try_from(*id).ok().and_then(tables::helper);
            helper.is_some_and(|h| h.callback.is_some() && !h.flags.contains(HelperFlags::ASYNC_CALLBACK))
        }
        insn => kfuncs.calls_back(insn),
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
