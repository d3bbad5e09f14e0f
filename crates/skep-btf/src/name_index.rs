//! Finds types by name in constant time.

use std::hash::{BuildHasher, RandomState};

/// A hash table over the names of types that keeps no names: who asks compares what it yields.
///
/// The hash is keyed at random, so that hostile names cannot make it slow.
#[derive(Clone, Debug)]
pub(crate) struct NameIndex {
    hasher: RandomState,
    /// Index plus one of the first type in each bucket; a power of two of them.
    heads: Vec<u32>,
    /// Index plus one of the next type in the same bucket.
    next: Vec<u32>,
}

impl NameIndex {
    /// Over the names of all types, in order; types with an empty name are left out.
    pub(crate) fn new<'a>(names: impl ExactSizeIterator<Item = &'a str> + DoubleEndedIterator) -> Self {
        let count = names.len();
        let hasher = RandomState::new();
        let mut heads = vec![0; count.max(1).next_power_of_two()];
        let mut next = vec![0; count];
        // From the last to the first, so that each bucket is in ascending order.
        for (index, name) in names.enumerate().rev().filter(|(_, n)| !n.is_empty()) {
            let head = bucket(&hasher, &mut heads, name);
            next[index] = std::mem::replace(head, index as u32 + 1);
        }
        NameIndex { hasher, heads, next }
    }

    /// Indices of the types that may have a name, in ascending order.
    pub(crate) fn lookup(&self, name: &str) -> impl Iterator<Item = u32> + '_ {
        let mask = self.heads.len() - 1;
        let mut at = self.heads[self.hasher.hash_one(name) as usize & mask];
        std::iter::from_fn(move || {
            let index = at.checked_sub(1)?;
            at = self.next[index as usize];
            Some(index)
        })
    }
}

fn bucket<'a>(hasher: &RandomState, heads: &'a mut [u32], name: &str) -> &'a mut u32 {
    let mask = heads.len() - 1;
    &mut heads[hasher.hash_one(name) as usize & mask]
}
