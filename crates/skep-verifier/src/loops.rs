//! Loops: where they are in the code, and which of them are being gone through.
//!
//! A state inside of a loop is *complete* when every path from it has ended; yet some may have ended at a state of the same
//! loop from which paths still go on, and what those read and decide counts for both. As in Linux this is known of the
//! loop as a whole: from the first path that ended within it until the state that entered it is complete, its states are
//! compared by ranges alone.
//!
//! Invariant: two slots have the same component exactly if each can be reached from the other in their function. A call
//! that calls back is one of its own: its loop is in the kernel.

use crate::cfg::{Code, successors};
use crate::domain::state::{CheckpointId, State};
use skep_isa::Insn;
use std::collections::HashMap;

/// The strongly connected component of each slot; 0 where there is no way back.
pub(crate) fn components(code: &Code, loops_inside: &dyn Fn(&Insn) -> bool) -> Vec<u32> {
    let mut search = Search {
        code,
        loops_inside,
        order: vec![0; code.len()],
        lowest: vec![0; code.len()],
        found: 0,
        open: Vec::new(),
        components: vec![None; code.len()],
        count: 0,
    };
    for (slot, _) in code.iter() {
        search.from(slot);
    }
    search.components.into_iter().map(Option::unwrap_or_default).collect()
}

/// Tarjan's algorithm, with a stack of its own.
struct Search<'a> {
    code: &'a Code,
    loops_inside: &'a dyn Fn(&Insn) -> bool,
    /// When a slot was found, from 1; 0 if not yet.
    order: Vec<u32>,
    /// The earliest slot on the stack that is known to be reached from a slot.
    lowest: Vec<u32>,
    found: u32,
    /// Slots that were found and belong to no component yet.
    open: Vec<usize>,
    components: Vec<Option<u32>>,
    count: u32,
}

impl Search<'_> {
    fn targets(&self, slot: usize) -> [Option<usize>; 2] {
        let Some(insn) = self.code.get(slot) else { return [None; 2] };
        let successors = successors(slot, insn);
        let within = |to: i64| usize::try_from(to).ok().filter(|to| self.code.get(*to).is_some());
        [successors.next.and_then(within), successors.jump.and_then(within)]
    }

    fn from(&mut self, root: usize) {
        let mut path = Vec::new();
        self.enter(root, &mut path);
        while let Some((slot, targets)) = path.last_mut() {
            let slot = *slot;
            match targets.iter_mut().find_map(Option::take) {
                Some(to) if self.order[to] == 0 => self.enter(to, &mut path),
                Some(to) if self.components[to].is_none() => {
                    self.lowest[slot] = self.lowest[slot].min(self.order[to]);
                }
                Some(_) => {}
                None => {
                    path.pop();
                    if let Some((before, _)) = path.last() {
                        self.lowest[*before] = self.lowest[*before].min(self.lowest[slot]);
                    }
                    self.close(slot);
                }
            }
        }
    }

    fn enter(&mut self, slot: usize, path: &mut Vec<(usize, [Option<usize>; 2])>) {
        if self.order[slot] == 0 {
            self.found += 1;
            (self.order[slot], self.lowest[slot]) = (self.found, self.found);
            self.open.push(slot);
            path.push((slot, self.targets(slot)));
        }
    }

    /// Everything from a slot was found: if nothing leads further back, what is open above it is its component.
    fn close(&mut self, slot: usize) {
        if self.lowest[slot] < self.order[slot] {
            return;
        }
        let at = self.open.iter().rposition(|open| *open == slot).unwrap_or(self.open.len());
        let alone = self.open.len() - at == 1;
        let returns = self.targets(slot).contains(&Some(slot)) || self.code.get(slot).is_some_and(self.loops_inside);
        let is_loop = !alone || returns;
        self.count += u32::from(is_loop);
        for slot in self.open.drain(at..) {
            self.components[slot] = Some(if is_loop { self.count } else { 0 });
        }
    }
}

/// A loop as entered by certain calls. Of the functions on the way the outermost one that is in a loop counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Entered {
    calls: Vec<usize>,
    component: u32,
}

/// One of the loops that states are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LoopId(u32);

#[derive(Debug, Default)]
struct Visit {
    /// The state that entered the loop, until it is complete.
    entry: Option<CheckpointId>,
    /// A path ended inside.
    returns: bool,
}

/// The loops that kept states are in.
#[derive(Debug, Default)]
pub(crate) struct Loops {
    ids: HashMap<Entered, LoopId>,
    visits: Vec<Visit>,
}

impl Loops {
    /// Forgets all, for the next function.
    pub(crate) fn clear(&mut self) {
        self.ids.clear();
        self.visits.clear();
    }

    /// A state is kept: the loop that it is in, which it may be the first to enter.
    pub(crate) fn enter(&mut self, components: &[u32], state: &State, id: CheckpointId) -> Option<LoopId> {
        let next = LoopId(self.visits.len() as u32);
        let loop_id = *self.ids.entry(entered(components, state)?).or_insert(next);
        if loop_id == next {
            self.visits.push(Visit::default());
        }
        self.visits[loop_id.0 as usize].entry.get_or_insert(id);
        Some(loop_id)
    }

    /// A path ended at a state of a loop that may still be read and decided from.
    pub(crate) fn returned(&mut self, id: LoopId) {
        self.visits[id.0 as usize].returns = true;
    }

    /// Whether states of a loop may still learn from each other.
    pub(crate) fn is_open(&self, id: LoopId) -> bool {
        self.visits[id.0 as usize].returns
    }

    /// A state is complete.
    pub(crate) fn complete(&mut self, id: LoopId, state: CheckpointId) {
        let visit = &mut self.visits[id.0 as usize];
        if visit.entry == Some(state) {
            *visit = Visit::default();
        }
    }
}

fn entered(components: &[u32], state: &State) -> Option<Entered> {
    let mut calls: Vec<usize> = state.frames.iter().skip(1).map(|frame| frame.call_site).chain([state.slot]).collect();
    let depth = calls.iter().position(|slot| components.get(*slot).is_some_and(|component| *component != 0))?;
    let component = components[calls[depth]];
    calls.truncate(depth);
    Some(Entered { calls, component })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<u32> {
        let slots = skep_isa::text::assemble(text).expect("assembles");
        let code = Code::new(&slots, None, true).expect("well-formed");
        components(&code, &|insn| matches!(insn, Insn::Call(_)))
    }

    #[test]
    fn straight_code_has_no_components() {
        assert_eq!(of("r0 = 0\nif r0 == 0 goto +1\nr0 = 1\nexit"), [0; 4]);
    }

    #[test]
    fn nested_loops_are_one_and_later_ones_another() {
        let nested = "r0 = 0\nr0 += 1\nif r0 < 3 goto -2\nif r0 < 9 goto -3\nr1 = 0\nif r1 != 0 goto -1\nexit";
        let components = of(nested);
        assert_eq!((components[0], components[4], components[6]), (0, 0, 0));
        assert_eq!(components[1], components[2]);
        assert_eq!(components[2], components[3]);
        assert!(components[1] != 0 && components[5] != 0 && components[1] != components[5]);
    }

    #[test]
    fn a_call_that_calls_back_is_a_loop() {
        assert_ne!(of("call 181\nexit")[0], 0);
        assert_eq!(of("call 181\nexit")[1], 0);
    }
}
