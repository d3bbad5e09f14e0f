//! Precision: which numbers decided something.
//!
//! Two states may be held equal although they differ in numbers that never decide anything. Every number a register
//! or a stack slot holds has a *value*: a node that knows the values it was computed from. Whenever the value of a
//! number matters (an offset, a size, a branch that only goes one way), its node and all nodes it stems from become
//! precise. A kept state reads off its registers' nodes whether to compare them exactly.
//!
//! Linux finds the same set by walking instructions backwards; the graph gives it by reachability, across calls,
//! spills and linked registers alike, and marks each node at most once.

use std::collections::HashMap;

/// A node of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ValueId(u32);

impl ValueId {
    /// A value that stems from nothing: constants, loads from memory, pointers.
    pub const ROOT: ValueId = ValueId(0);
}

/// The graph.
#[derive(Debug)]
pub struct Values {
    parents: Vec<[ValueId; 2]>,
    precise: Vec<bool>,
    /// Values that become precise with another one, added after it was made (loops).
    followers: HashMap<ValueId, Vec<ValueId>>,
}

impl Values {
    /// An empty graph.
    pub fn new() -> Self {
        Values { parents: vec![[ValueId::ROOT; 2]], precise: vec![false], followers: HashMap::new() }
    }

    /// A value computed from two others.
    pub fn derive(&mut self, a: ValueId, b: ValueId) -> ValueId {
        let id = ValueId(self.parents.len() as u32);
        self.parents.push([a, b]);
        self.precise.push(false);
        id
    }

    /// A value that is its own, so that it can be told from others.
    pub fn fresh(&mut self) -> ValueId {
        self.derive(ValueId::ROOT, ValueId::ROOT)
    }

    /// A copy.
    pub fn copy(&mut self, a: ValueId) -> ValueId {
        self.derive(a, ValueId::ROOT)
    }

    /// Whether it decided something.
    pub fn is_precise(&self, id: ValueId) -> bool {
        self.precise.get(id.0 as usize).copied().unwrap_or(true)
    }

    /// Marks it and everything it stems from.
    pub fn mark(&mut self, id: ValueId) {
        let mut pending = vec![id];
        while let Some(id) = pending.pop() {
            let index = id.0 as usize;
            if id == ValueId::ROOT || self.is_precise(id) {
                continue;
            }
            self.precise[index] = true;
            pending.extend(self.parents[index]);
            if let Some(followers) = self.followers.get(&id) {
                pending.extend(followers);
            }
        }
    }

    /// `follower` becomes precise when `leader` is or becomes precise.
    pub fn follow(&mut self, leader: ValueId, follower: ValueId) {
        if leader == ValueId::ROOT || follower == ValueId::ROOT || self.is_precise(follower) {
            return;
        }
        if self.is_precise(leader) {
            self.mark(follower);
        } else {
            self.followers.entry(leader).or_default().push(follower);
        }
    }
}
