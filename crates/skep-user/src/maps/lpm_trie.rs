//! `BPF_MAP_TYPE_LPM_TRIE`: the value of the longest prefix that matches.
//!
//! A key is a `u32` number of bits and those bits, most significant first. The trie is path-compressed: a node stands for
//! a prefix and its children for longer ones that begin with it; a node without a value only joins two others.
//! Writers hold one lock; programs walk without it. A node's prefix never changes, and a subtree is complete before
//! it is linked.
//!
//! The trie knows the order of keys and which prefix covers which. Programs that ask with a whole address, as nearly
//! all do, find the answer in a [`PrefixIndex`].

use super::direct::{self, ElementSizes};
use super::key::{AnyKey, Key};
use super::prefix_index::{self, BITS, MOST, MOST_DATA, PrefixIndex};
use super::{Definition, MapImplementation, NewValue, Operation, Side, ValueFormat, flags, index_of};
use crate::cpus::{Cpus, Run};
use crate::memory::{Element, Layout, Shared, Slab};
use crate::sync::lock;
use skep_abi::errno::Errno;
use skep_engine::{Direct, DirectFunction, RunFacts};
use std::sync::atomic::{
    AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Arc, Mutex};

// Words of a node's header, besides `BITS`; the first two are links to the children.
const MARK: usize = 3;

/// The mark of a node that has no value of its own.
const JOINT: u32 = 1;

/// The trie.
pub(crate) struct LpmTrie {
    root: AtomicU32,
    slab: Slab,
    index: PrefixIndex,
    writers: Mutex<u32>,
    capacity: u32,
    key_size: usize,
    format: ValueFormat,
}

/// Where a node hangs: below the root or as a child.
#[derive(Clone, Copy)]
enum Place {
    Root,
    Child(Element, usize),
}

impl LpmTrie {
    /// Makes the trie.
    ///
    /// # Errors
    /// E2BIG, ENOMEM.
    pub(crate) fn new(definition: &Definition) -> Result<Self, Errno> {
        let data_size = definition.key_size - 4;
        let layout = Layout { header: true, key_size: data_size, value_size: definition.value.size };
        let cpus: &Arc<Cpus> = &definition.cpus;
        // With each prefix comes at most one node that only joins.
        let nodes = definition.max_entries.saturating_mul(2).min(MOST / 2);
        Ok(LpmTrie {
            root: AtomicU32::new(0),
            slab: Slab::new(nodes, layout, cpus.clone(), &definition.budget, 0).ok_or(Errno::ENOMEM)?,
            index: PrefixIndex::new(data_size, definition.max_entries, cpus.clone()).ok_or(Errno::ENOMEM)?,
            writers: Mutex::new(0),
            capacity: definition.max_entries,
            key_size: definition.key_size,
            format: definition.value.clone(),
        })
    }

    /// The prefix of a key, if it is not longer than the key's data.
    #[inline]
    fn prefix<'k>(&self, key: &'k [u8]) -> Option<Prefix<'k>> {
        let bits = index_of(key);
        let data = key.get(4..self.key_size)?;
        (bits as usize <= data.len() * 8).then_some(Prefix { bits, data })
    }

    fn link(&self, place: Place) -> &AtomicU32 {
        match place {
            Place::Root => &self.root,
            Place::Child(parent, side) => &self.slab.header(parent)[side],
        }
    }

    fn get(&self, place: Place) -> Option<Element> {
        Element::from_number(self.link(place).load(Acquire))
    }

    fn set(&self, place: Place, node: Option<Element>) {
        self.link(place).store(node.map_or(0, Element::number), Release);
    }

    fn child(&self, node: Element, side: usize) -> Option<Element> {
        self.get(Place::Child(node, side))
    }

    fn set_child(&self, node: Element, side: usize, child: Option<Element>) {
        self.set(Place::Child(node, side), child);
    }

    fn bits(&self, node: Element) -> u32 {
        self.slab.header(node)[BITS].load(Relaxed)
    }

    fn is_joint(&self, node: Element) -> bool {
        self.slab.header(node)[MARK].load(Relaxed) == JOINT
    }

    /// How many bits from the front a prefix shares with a node, at most the shorter's length.
    fn common(&self, prefix: Prefix<'_>, node: Element) -> u32 {
        prefix_index::common(&self.slab, node, prefix.data).min(prefix.bits).min(self.bits(node))
    }

    /// The node with the longest prefix that covers `prefix` and has a value.
    #[inline]
    fn longest_match(&self, prefix: Prefix<'_>) -> Option<Element> {
        if prefix.bits as usize == prefix.data.len() * 8 {
            return self.index.find(&self.slab, prefix.data);
        }
        let mut found = None;
        let mut next = self.get(Place::Root);
        while let Some(node) = next {
            let bits = self.bits(node);
            if self.common(prefix, node) < bits {
                break;
            }
            if !self.is_joint(node) {
                found = Some(node);
            }
            if bits == prefix.bits {
                break;
            }
            next = self.child(node, prefix.bit(bits));
        }
        found
    }

    /// Walks towards `prefix` and stops at the first place whose node is missing, parts from it, or is at least as long.
    fn descend(&self, prefix: Prefix<'_>) -> (Place, Vec<Place>) {
        let mut place = Place::Root;
        let mut above = Vec::new();
        while let Some(node) = self.get(place) {
            let bits = self.bits(node);
            if self.common(prefix, node) < bits || bits >= prefix.bits {
                break;
            }
            above.push(place);
            place = Place::Child(node, prefix.bit(bits));
        }
        (place, above)
    }

    fn make(&self, prefix: Prefix<'_>, mark: u32, side: Side) -> Result<Element, Errno> {
        let node = self.slab.allocate(side.cpu()).ok_or(Errno::ENOMEM)?;
        for (word, value) in self.slab.header(node).iter().zip([0, 0, prefix.bits, mark]) {
            word.store(value, Relaxed);
        }
        AnyKey(prefix.data).write(self.slab.key(node));
        Ok(node)
    }

    /// Links `node`, of that prefix, at a place that [`LpmTrie::descend`] found. Gives the node that it replaces.
    fn insert(&self, place: Place, node: Element, prefix: Prefix<'_>, side: Side) -> Result<Option<Element>, Errno> {
        let Some(there) = self.get(place) else {
            self.set(place, Some(node));
            return Ok(None);
        };
        let common = self.common(prefix, there);
        if common == self.bits(there) && common == prefix.bits {
            self.set_child(node, 0, self.child(there, 0));
            self.set_child(node, 1, self.child(there, 1));
            self.set(place, Some(node));
            return Ok(Some(there));
        }
        if common == prefix.bits {
            self.set_child(node, self.bit_of(there, common), Some(there));
            self.set(place, Some(node));
        } else {
            let joint = self.make(Prefix { bits: common, data: prefix.data }, JOINT, side)?;
            let side = prefix.bit(common);
            self.set_child(joint, side, Some(node));
            self.set_child(joint, 1 - side, Some(there));
            self.set(place, Some(joint));
        }
        Ok(None)
    }

    /// The node that holds exactly this prefix, with its place and those above.
    fn exact(&self, prefix: Prefix<'_>) -> Option<(Element, Place, Vec<Place>)> {
        let (place, above) = self.descend(prefix);
        let node = self.get(place)?;
        let same = self.bits(node) == prefix.bits && self.common(prefix, node) == prefix.bits;
        (same && !self.is_joint(node)).then_some((node, place, above))
    }

    fn remove(&self, node: Element, place: Place, above: &[Place], side: Side) {
        match (self.child(node, 0), self.child(node, 1)) {
            (Some(_), Some(_)) => {
                self.slab.header(node)[MARK].store(JOINT, Relaxed);
                return;
            }
            (None, None) => {
                self.set(place, None);
                // A joint that is left with one child gives its place to that.
                let parent = above.last().and_then(|up| Some((*up, self.get(*up)?)));
                if let Some((up, joint)) = parent.filter(|(_, parent)| self.is_joint(*parent)) {
                    self.set(up, self.child(joint, 0).or(self.child(joint, 1)));
                    self.slab.retire(joint, side.cpu());
                }
            }
            (one, other) => self.set(place, one.or(other)),
        }
        self.slab.retire(node, side.cpu());
    }

    /// The first node with a value in post-order below `node`.
    fn first_below(&self, mut node: Element) -> Element {
        while let Some(child) = self.child(node, 0).or(self.child(node, 1)) {
            node = child;
        }
        node
    }

    fn bit_of(&self, node: Element, index: u32) -> usize {
        let mut data = [0; MOST_DATA];
        let data = &mut data[..self.key_size - 4];
        self.slab.read_key(node, data);
        Prefix { bits: self.bits(node), data }.bit(index)
    }

    fn read_key(&self, node: Element, to: &mut [u8]) {
        to[..4].copy_from_slice(&self.bits(node).to_ne_bytes());
        self.slab.read_key(node, &mut to[4..self.key_size]);
    }

    /// The longest of the nodes above with a value and more than `depth` bits.
    fn shorter(&self, above: &[Place], depth: u32) -> Option<Element> {
        let nodes = above.iter().rev().filter_map(|place| self.get(*place));
        nodes.take_while(|node| self.bits(*node) > depth).find(|node| !self.is_joint(*node))
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
}

impl MapImplementation for LpmTrie {
    fn lookup(&self, key: &[u8], _cpu: u32, _run: &Run<'_>) -> u64 {
        let node = self.prefix(key).and_then(|prefix| self.longest_match(prefix));
        node.map_or(0, |node| self.slab.value(node).address())
    }

    fn read(&self, key: &[u8], _flags: u64, to: &mut [u8]) -> Result<(), Errno> {
        let _writers = lock(&self.writers);
        let node = self.prefix(key).and_then(|prefix| self.longest_match(prefix)).ok_or(Errno::ENOENT)?;
        self.format.read(self.slab.value(node), to);
        Ok(())
    }

    fn update(&self, key: &[u8], value: NewValue<'_>, flags: u64, side: Side) -> Result<(), Errno> {
        if flags > flags::EXIST {
            return Err(Errno::EINVAL);
        }
        let prefix = self.prefix(key).ok_or(Errno::EINVAL)?;
        let source = value.data()?;
        let mut count = lock(&self.writers);
        let (place, above) = self.descend(prefix);
        let old = self.exact(prefix).map(|(old, ..)| old);
        match old {
            Some(_) if flags == flags::NO_EXIST => return Err(Errno::EEXIST),
            None if flags == flags::EXIST => return Err(Errno::ENOENT),
            None if *count == self.capacity => return Err(Errno::ENOSPC),
            _ => {}
        }
        let node = self.make(prefix, 0, side)?;
        let place_for_value: Shared<'_> = self.slab.value(node);
        place_for_value.zero();
        self.format.write(place_for_value, source);
        if !self.index.insert(&self.slab, node, prefix.data, old) {
            self.slab.give_back(node, side.cpu());
            return Err(Errno::ENOMEM);
        }
        match self.insert(place, node, prefix, side) {
            Ok(Some(replaced)) => self.slab.retire(replaced, side.cpu()),
            Ok(None) => {}
            Err(errno) => {
                self.index.remove(&self.slab, node, prefix.data, |depth| self.shorter(&above, depth));
                self.slab.retire(node, side.cpu());
                return Err(errno);
            }
        }
        *count += u32::from(old.is_none());
        Ok(())
    }

    fn delete(&self, key: &[u8], side: Side) -> Result<(), Errno> {
        let prefix = self.prefix(key).ok_or(Errno::EINVAL)?;
        let mut count = lock(&self.writers);
        let (node, place, above) = self.exact(prefix).ok_or(Errno::ENOENT)?;
        self.index.remove(&self.slab, node, prefix.data, |depth| self.shorter(&above, depth));
        self.remove(node, place, &above, side);
        *count -= 1;
        Ok(())
    }

    /// In post-order, so that a longer prefix comes before the shorter ones that cover it.
    fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        let _writers = lock(&self.writers);
        let root = self.get(Place::Root).ok_or(Errno::ENOENT)?;
        let current = key.and_then(|key| self.prefix(key)).and_then(|prefix| self.exact(prefix));
        let Some((_, mut place, mut above)) = current else {
            self.read_key(self.first_below(root), next);
            return Ok(());
        };
        loop {
            let (Place::Child(parent, side), Some(up)) = (place, above.pop()) else { return Err(Errno::ENOENT) };
            let sibling = (side == 0).then(|| self.child(parent, 1)).flatten();
            let node = match sibling {
                Some(sibling) => self.first_below(sibling),
                None => parent,
            };
            place = up;
            if !self.is_joint(node) {
                self.read_key(node, next);
                return Ok(());
            }
        }
    }

    fn user_value_size(&self) -> usize {
        self.format.size
    }

    fn memory_usage(&self) -> u64 {
        u64::from(*lock(&self.writers)) * self.slab.stride() as u64 + self.index.memory_usage()
    }

    fn direct(&self, operation: Operation) -> Option<Direct> {
        let lookup: DirectFunction = match self.key_size {
            // IPv4, IPv6.
            8 => lookup::<8>,
            20 => lookup::<20>,
            _ => lookup_any,
        };
        direct::of_elements(self, operation, lookup)
    }
}

impl ElementSizes for LpmTrie {
    fn key_size(&self) -> usize {
        self.key_size
    }

    fn value_size(&self) -> usize {
        self.format.size
    }
}

impl LpmTrie {
    #[inline]
    fn address(&self, key: &[u8]) -> u64 {
        let node = self.prefix(key).and_then(|prefix| self.longest_match(prefix));
        node.map_or(0, |node| self.slab.value(node).address())
    }
}

/// # Safety
/// As [`DirectFunction`] says; r1 is the address of an [`LpmTrie`] with keys of `SIZE` bytes.
unsafe extern "C" fn lookup<const SIZE: usize>(trie: u64, key: u64, _: u64, _: u64, _: u64, _: *mut RunFacts) -> u64 {
    // SAFETY: the contract of this function; the verifier proved that a key is there.
    let (trie, key) = unsafe { (direct::map_at::<LpmTrie>(trie), direct::array_at::<SIZE>(key)) };
    trie.address(&key)
}

/// # Safety
/// As [`DirectFunction`] says; r1 is the address of an [`LpmTrie`].
unsafe extern "C" fn lookup_any(trie: u64, key: u64, _: u64, _: u64, _: u64, _: *mut RunFacts) -> u64 {
    // SAFETY: the contract of this function.
    let trie = unsafe { direct::map_at::<LpmTrie>(trie) };
    // SAFETY: the verifier proved that a key is there.
    let key = unsafe { direct::bytes_at(key, trie.key_size) };
    trie.address(&key)
}
