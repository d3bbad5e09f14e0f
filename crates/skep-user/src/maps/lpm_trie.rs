//! `BPF_MAP_TYPE_LPM_TRIE`: the value of the longest prefix that matches.
//!
//! A key is a `u32` number of bits and those bits, most significant first. The trie is path-compressed: a node stands for
//! a prefix and its children for longer ones that begin with it; a node without a value only joins two others.
//! Writers hold one lock; programs walk without it. A node's prefix never changes, and a subtree is complete before
//! it is linked.

use super::{Definition, MapImplementation, NewValue, Side, ValueFormat, flags, index_of};
use crate::cpus::{Cpus, Run};
use crate::memory::{Element, Link, Region, Shared, Slab};
use skep_abi::errno::Errno;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The mark of a node that has no value of its own.
const JOINT: u32 = 1;

/// The trie.
pub(crate) struct LpmTrie {
    root: Region,
    slab: Slab,
    writers: Mutex<u32>,
    capacity: u32,
    key_size: usize,
    format: ValueFormat,
    cpus: Arc<Cpus>,
}

/// Where a node hangs: below the root or as a child.
#[derive(Clone, Copy)]
enum Place<'a> {
    Root(Link<'a>),
    Child(Element, usize),
}

impl Place<'_> {
    fn get(self) -> Option<Element> {
        match self {
            Place::Root(link) => link.get(),
            Place::Child(parent, side) => parent.link(side),
        }
    }

    fn set(self, node: Option<Element>) {
        match self {
            Place::Root(link) => link.set(node),
            Place::Child(parent, side) => parent.set_link(side, node),
        }
    }
}

impl LpmTrie {
    /// Makes the trie.
    ///
    /// # Errors
    /// E2BIG, ENOMEM.
    pub(crate) fn new(definition: &Definition) -> Result<Self, Errno> {
        Ok(LpmTrie {
            root: Region::new(8).ok_or(Errno::ENOMEM)?,
            slab: Slab::new(definition.key_size, definition.value.size).ok_or(Errno::E2BIG)?,
            writers: Mutex::new(0),
            capacity: definition.max_entries,
            key_size: definition.key_size,
            format: definition.value.clone(),
            cpus: definition.cpus.clone(),
        })
    }

    fn root(&self) -> Link<'_> {
        Link(self.root.bytes().double(0))
    }

    fn lock(&self) -> MutexGuard<'_, u32> {
        self.writers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The prefix of a key, if it is not longer than the key's data.
    fn prefix<'k>(&self, key: &'k [u8]) -> Option<Prefix<'k>> {
        let bits = index_of(key);
        let data = key.get(4..self.key_size)?;
        (bits as usize <= data.len() * 8).then_some(Prefix { bits, data })
    }

    /// The node with the longest prefix that covers `prefix` and has a value.
    fn longest_match(&self, prefix: Prefix<'_>) -> Option<Element> {
        let mut found = None;
        let mut next = self.root().get();
        while let Some(node) = next {
            let bits = node.hash();
            if prefix.common(node, self.key_size) < bits {
                break;
            }
            if node.mark() != JOINT {
                found = Some(node);
            }
            if bits == prefix.bits {
                break;
            }
            next = node.link(prefix.bit(bits));
        }
        found
    }

    /// Walks towards `prefix` and stops at the first place whose node is missing, parts from it, or is at least as long.
    fn descend<'a>(&'a self, prefix: Prefix<'_>) -> (Place<'a>, Vec<Place<'a>>) {
        let mut place = Place::Root(self.root());
        let mut above = Vec::new();
        while let Some(node) = place.get() {
            let bits = node.hash();
            if prefix.common(node, self.key_size) < bits || bits >= prefix.bits {
                break;
            }
            above.push(place);
            place = Place::Child(node, prefix.bit(bits));
        }
        (place, above)
    }

    fn make(&self, prefix: Prefix<'_>, mark: u32) -> Result<Element, Errno> {
        let node = self.slab.allocate(&self.cpus).ok_or(Errno::ENOMEM)?;
        node.set_hash(prefix.bits);
        node.set_mark(mark);
        node.set_link(0, None);
        node.set_link(1, None);
        let mut key = prefix.bits.to_ne_bytes().to_vec();
        key.extend_from_slice(prefix.data);
        node.write_key(&key);
        Ok(node)
    }

    /// Links `node`, of that prefix, at a place that [`LpmTrie::descend`] found.
    fn link(&self, place: Place<'_>, node: Element, prefix: Prefix<'_>) -> Result<(), Errno> {
        let Some(there) = place.get() else {
            place.set(Some(node));
            return Ok(());
        };
        let common = prefix.common(there, self.key_size).min(prefix.bits);
        if common == there.hash() && common == prefix.bits {
            node.set_link(0, there.link(0));
            node.set_link(1, there.link(1));
            place.set(Some(node));
            self.slab.retire(there, &self.cpus);
        } else if common == prefix.bits {
            node.set_link(bit_of(there, common, self.key_size), Some(there));
            place.set(Some(node));
        } else {
            let joint = self.make(Prefix { bits: common, data: prefix.data }, JOINT)?;
            let side = prefix.bit(common);
            joint.set_link(side, Some(node));
            joint.set_link(1 - side, Some(there));
            place.set(Some(joint));
        }
        Ok(())
    }

    /// The node that holds exactly this prefix, with its place and those above.
    fn exact<'a>(&'a self, prefix: Prefix<'_>) -> Option<(Element, Place<'a>, Vec<Place<'a>>)> {
        let (place, above) = self.descend(prefix);
        let node = place.get()?;
        let same = node.hash() == prefix.bits && prefix.common(node, self.key_size) == prefix.bits;
        (same && node.mark() != JOINT).then_some((node, place, above))
    }

    fn remove(&self, node: Element, place: Place<'_>, above: &[Place<'_>]) {
        match (node.link(0), node.link(1)) {
            (Some(_), Some(_)) => {
                node.set_mark(JOINT);
                return;
            }
            (None, None) => {
                place.set(None);
                // A joint that is left with one child gives its place to that.
                let parent = above.last().and_then(|up| Some((*up, up.get()?)));
                if let Some((up, joint)) = parent.filter(|(_, parent)| parent.mark() == JOINT) {
                    up.set(joint.link(0).or(joint.link(1)));
                    self.slab.retire(joint, &self.cpus);
                }
            }
            (one, other) => place.set(one.or(other)),
        }
        self.slab.retire(node, &self.cpus);
    }

    /// The first node with a value in post-order below `node`.
    fn first_below(mut node: Element) -> Element {
        while let Some(child) = node.link(0).or(node.link(1)) {
            node = child;
        }
        node
    }
}

/// The first `bits` bits of `data`.
#[derive(Clone, Copy)]
struct Prefix<'k> {
    bits: u32,
    data: &'k [u8],
}

impl Prefix<'_> {
    /// Bit number `index` from the front, 0 or 1.
    fn bit(self, index: u32) -> usize {
        let byte = self.data.get(index as usize / 8).copied().unwrap_or(0);
        usize::from(byte >> (7 - index % 8) & 1)
    }

    /// How many bits from the front it shares with a node, at most the shorter's length.
    fn common(self, node: Element, key_size: usize) -> u32 {
        let most = self.bits.min(node.hash());
        let mut key = [0; MAX_KEY];
        node.read_key(&mut key[..key_size]);
        let mut shared = 0;
        for (a, b) in self.data.iter().zip(&key[4..key_size]) {
            let differing = (a ^ b).leading_zeros();
            shared += differing;
            if differing < 8 || shared >= most {
                break;
            }
        }
        shared.min(most)
    }
}

/// Four bytes of length and 256 of data: the largest key.
const MAX_KEY: usize = 260;

fn bit_of(node: Element, index: u32, key_size: usize) -> usize {
    let mut key = [0; MAX_KEY];
    node.read_key(&mut key[..key_size]);
    Prefix { bits: node.hash(), data: &key[4..key_size] }.bit(index)
}

impl MapImplementation for LpmTrie {
    fn lookup(&self, key: &[u8], _cpu: u32, _run: &Run<'_>) -> u64 {
        let node = self.prefix(key).and_then(|prefix| self.longest_match(prefix));
        node.map_or(0, |node| self.slab.value(node).address())
    }

    fn read(&self, key: &[u8], _flags: u64, to: &mut [u8]) -> Result<(), Errno> {
        let _writers = self.lock();
        let node = self.prefix(key).and_then(|prefix| self.longest_match(prefix)).ok_or(Errno::ENOENT)?;
        self.format.read(self.slab.value(node), to);
        Ok(())
    }

    fn update(&self, key: &[u8], value: NewValue<'_>, flags: u64, _side: Side) -> Result<(), Errno> {
        if flags > flags::EXIST {
            return Err(Errno::EINVAL);
        }
        let prefix = self.prefix(key).ok_or(Errno::EINVAL)?;
        let source = value.data()?;
        let mut count = self.lock();
        let (place, _) = self.descend(prefix);
        let exists = self.exact(prefix).is_some();
        match exists {
            true if flags == flags::NO_EXIST => return Err(Errno::EEXIST),
            false if flags == flags::EXIST => return Err(Errno::ENOENT),
            false if *count == self.capacity => return Err(Errno::ENOSPC),
            _ => {}
        }
        let node = self.make(prefix, 0)?;
        let place_for_value: Shared<'_> = self.slab.value(node);
        place_for_value.zero();
        self.format.write(place_for_value, source);
        if let Err(errno) = self.link(place, node, prefix) {
            self.slab.give_back(node);
            return Err(errno);
        }
        *count += u32::from(!exists);
        Ok(())
    }

    fn delete(&self, key: &[u8]) -> Result<(), Errno> {
        let prefix = self.prefix(key).ok_or(Errno::EINVAL)?;
        let mut count = self.lock();
        let (node, place, above) = self.exact(prefix).ok_or(Errno::ENOENT)?;
        self.remove(node, place, &above);
        *count -= 1;
        Ok(())
    }

    /// In post-order, so that a longer prefix comes before the shorter ones that cover it.
    fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        let _writers = self.lock();
        let root = self.root().get().ok_or(Errno::ENOENT)?;
        let current = key.and_then(|key| self.prefix(key)).and_then(|prefix| self.exact(prefix));
        let Some((_, mut place, mut above)) = current else {
            LpmTrie::first_below(root).read_key(&mut next[..self.key_size]);
            return Ok(());
        };
        loop {
            let (Place::Child(parent, side), Some(up)) = (place, above.pop()) else { return Err(Errno::ENOENT) };
            let sibling = (side == 0).then(|| parent.link(1)).flatten();
            let node = match sibling {
                Some(sibling) => LpmTrie::first_below(sibling),
                None => parent,
            };
            place = up;
            if node.mark() != JOINT {
                node.read_key(&mut next[..self.key_size]);
                return Ok(());
            }
        }
    }

    fn user_value_size(&self) -> usize {
        self.format.size
    }

    fn memory_usage(&self) -> u64 {
        u64::from(*self.lock()) * self.slab.stride() as u64
    }
}
