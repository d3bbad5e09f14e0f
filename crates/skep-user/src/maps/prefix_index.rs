//! Where programs find the longest prefix: four bits at a time, the first sixteen at once.
//!
//! An entry says the longest prefix that ends within its node's bits, and what goes on below: one longer prefix (a leaf,
//! compared in full), or a node. Bits that all prefixes below a node have in common are skipped, and compared with one of
//! them. For a given key each step is one load, and each change one store: programs need no lock. Writers hold the lock of
//! the map.
//!
//! ```text
//! bits  0–31   element of the longest prefix that ends here, 0 for none
//!      32–61   below: an element or a node
//!      62–63   0 nothing, 1 a leaf, 2 a node for the very next bits, 3 a node after bits that are skipped
//! ```

use crate::cpus::Cpus;
use crate::memory::{Atomics, Element, Header, Pool, Slab, Table};
use std::sync::Arc;
use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// The word of an element's header that holds the length of its prefix.
pub(super) const BITS: usize = 2;

/// Numbers of elements and nodes have 30 bits.
pub(super) const MOST: u32 = (1 << 30) - 1;

const STRIDE: u32 = 4;
const LEAF: u32 = 1;
const NODE: u32 = 2;
const SKIPPING: u32 = 3;

/// See the module.
pub(super) struct PrefixIndex {
    root: Table<AtomicU64>,
    root_bits: u32,
    nodes: Table<Node>,
    facts: Table<Facts>,
    pool: Pool,
    /// The prefix of no bits.
    default: AtomicU32,
    cpus: Arc<Cpus>,
}

#[repr(align(128))]
struct Node {
    entries: [AtomicU64; 1 << STRIDE],
}

/// What is seldom needed of a node.
struct Facts {
    /// Bits in front of its own.
    depth: AtomicU32,
    /// An element below it, which has those bits.
    witness: AtomicU32,
}

// SAFETY: these three are atomics and nothing else.
unsafe impl Atomics for AtomicU64 {}
// SAFETY: as above.
unsafe impl Atomics for Node {}
// SAFETY: as above.
unsafe impl Atomics for Facts {}

/// What is below an entry.
#[derive(Clone, Copy)]
enum Below {
    Nothing,
    Leaf(Element),
    Node(u32),
}

fn below(entry: u64) -> Below {
    let child = (entry >> 32) as u32;
    match (child >> 30, Element::from_number(child & MOST)) {
        (LEAF, Some(element)) => Below::Leaf(element),
        (NODE | SKIPPING, _) => Below::Node(child & MOST),
        _ => Below::Nothing,
    }
}

fn set_below(slot: &AtomicU64, kind: u32, number: u32) {
    let value = slot.load(Relaxed) & u64::from(u32::MAX);
    slot.store(value | u64::from(kind << 30 | number) << 32, Release);
}

fn set_value(slot: &AtomicU64, element: u32) {
    slot.store(slot.load(Relaxed) >> 32 << 32 | u64::from(element), Release);
}

/// Four bits of a key.
#[inline(always)]
fn nibble(data: &[u8], depth: u32) -> usize {
    let byte = data.get(depth as usize / 8).copied().unwrap_or(0);
    usize::from(if depth.is_multiple_of(8) { byte >> 4 } else { byte & 15 })
}

/// The first bits of a key, up to sixteen.
#[inline(always)]
fn first(data: &[u8], bits: u32) -> usize {
    let bytes = [data.first().copied().unwrap_or(0), data.get(1).copied().unwrap_or(0)];
    usize::from(u16::from_be_bytes(bytes) >> (16 - bits))
}

/// How many bits from the front a key has in common with the data of an element.
#[inline]
pub(super) fn common(slab: &Slab, element: Element, data: &[u8]) -> u32 {
    let mut shared = 0;
    for (bytes, word) in data.chunks(8).zip(slab.key(element)) {
        let mut padded = [0; 8];
        padded[..bytes.len()].copy_from_slice(bytes);
        let differing = u64::from_be_bytes(padded) ^ u64::from_be(word.load(Relaxed));
        shared += differing.leading_zeros();
        if differing != 0 {
            return shared;
        }
    }
    data.len() as u32 * 8
}

fn bits(slab: &Slab, element: Element) -> u32 {
    let header: &Header = slab.header(element);
    header[BITS].load(Relaxed)
}

impl PrefixIndex {
    /// For keys of so many bytes; `None` when it does not fit the address space.
    pub(super) fn new(data_size: usize, capacity: u32, cpus: Arc<Cpus>) -> Option<Self> {
        let root_bits = if data_size > 1 { 16 } else { 8 };
        // Each prefix brings at most one node; runs may keep some that are no longer linked.
        let total = capacity.saturating_add(1024).min(MOST);
        Some(PrefixIndex {
            root: Table::new(1 << root_bits)?,
            root_bits,
            nodes: Table::new(total as usize + 1)?,
            facts: Table::new(total as usize + 1)?,
            pool: Pool::new(total, 0),
            default: AtomicU32::new(0),
            cpus,
        })
    }

    /// Bytes it uses.
    pub(super) fn memory_usage(&self) -> u64 {
        (self.root.len() * 8 + self.pool.touched() as usize * (size_of::<Node>() + size_of::<Facts>())) as u64
    }

    /// The element of the longest prefix that covers all of `data`. Without a lock: the caller is in a run, or holds the lock.
    #[inline]
    pub(super) fn find(&self, slab: &Slab, data: &[u8]) -> Option<Element> {
        let mut best = self.default.load(Acquire);
        let mut depth = self.root_bits;
        let mut entry = self.root[first(data, depth)].load(Acquire);
        loop {
            if entry as u32 != 0 {
                best = entry as u32;
            }
            let child = (entry >> 32) as u32;
            let number = child & MOST;
            match child >> 30 {
                0 => break,
                LEAF => {
                    if let Some(leaf) = Element::from_number(number)
                        && common(slab, leaf, data) >= bits(slab, leaf)
                    {
                        return Some(leaf);
                    }
                    break;
                }
                NODE => {}
                _ => {
                    depth = self.facts[number as usize].depth.load(Relaxed);
                    let witness = Element::from_number(self.facts[number as usize].witness.load(Acquire))?;
                    if common(slab, witness, data) < depth {
                        break;
                    }
                }
            }
            entry = self.nodes[number as usize].entries[nibble(data, depth)].load(Acquire);
            depth += STRIDE;
        }
        Element::from_number(best)
    }

    fn depth(&self, node: u32) -> u32 {
        self.facts[node as usize].depth.load(Relaxed)
    }

    fn make(&self, depth: u32, witness: Element) -> Option<u32> {
        let node = self.pool.allocate(None, self.cpus.epochs())?;
        self.nodes[node as usize].entries.iter().for_each(|entry| entry.store(0, Relaxed));
        self.facts[node as usize].depth.store(depth, Relaxed);
        self.facts[node as usize].witness.store(witness.number(), Relaxed);
        Some(node)
    }

    fn link(&self, slot: &AtomicU64, depth: u32, node: u32) {
        let kind = if self.depth(node) == depth { NODE } else { SKIPPING };
        set_below(slot, kind, node);
    }

    /// Writes a prefix that ends within these entries to all that it covers, but for those with a longer one.
    fn expand(slab: &Slab, entries: &[AtomicU64], place: usize, end: u32, element: Element) {
        let len = bits(slab, element);
        let count = 1 << (end - len);
        let first = place & !(count - 1);
        for slot in &entries[first..first + count] {
            let longer = Element::from_number(slot.load(Relaxed) as u32).is_some_and(|there| bits(slab, there) > len);
            if !longer {
                set_value(slot, element.number());
            }
        }
    }

    /// Puts a prefix into a node of its own, whose bits are the last that it shares with what else is there.
    fn put(&self, slab: &Slab, node: u32, element: Element, data: &[u8]) {
        let (depth, entries) = (self.depth(node), &self.nodes[node as usize].entries);
        let place = nibble(data, depth);
        if bits(slab, element) <= depth + STRIDE {
            PrefixIndex::expand(slab, entries, place, depth + STRIDE, element);
        } else {
            set_below(&entries[place], LEAF, element.number());
        }
    }

    /// Adds a prefix, in place of `old` where there was the same. `false` if there is no memory.
    pub(super) fn insert(&self, slab: &Slab, element: Element, data: &[u8], old: Option<Element>) -> bool {
        let len = bits(slab, element);
        if len == 0 {
            self.default.store(element.number(), Release);
            return true;
        }
        let mut depth = self.root_bits;
        let place = first(data, depth);
        if len <= depth {
            PrefixIndex::expand(slab, &self.root, place, depth, element);
            return true;
        }
        let mut slot = &self.root[place];
        loop {
            let node = match below(slot.load(Relaxed)) {
                Below::Nothing => {
                    set_below(slot, LEAF, element.number());
                    return true;
                }
                Below::Leaf(leaf) if Some(leaf) == old => {
                    set_below(slot, LEAF, element.number());
                    return true;
                }
                Below::Leaf(leaf) => return self.part(slab, slot, depth, element, data, leaf),
                Below::Node(node) => node,
            };
            let facts = &self.facts[node as usize];
            if facts.witness.load(Relaxed) == old.map_or(0, Element::number) {
                facts.witness.store(element.number(), Release);
            }
            let witness = Element::from_number(facts.witness.load(Relaxed));
            let shared = witness.map_or(0, |witness| common(slab, witness, data)).min(len - 1);
            let below_depth = self.depth(node);
            if shared < below_depth {
                let Some(witness) = witness else { return false };
                return self.part_from_node(slab, (slot, depth), element, data, (node, witness, shared));
            }
            depth = below_depth + STRIDE;
            let entries = &self.nodes[node as usize].entries;
            let place = nibble(data, below_depth);
            if len <= depth {
                PrefixIndex::expand(slab, entries, place, depth, element);
                return true;
            }
            slot = &entries[place];
        }
    }

    /// A new node for two prefixes, one of which was a leaf.
    fn part(&self, slab: &Slab, slot: &AtomicU64, depth: u32, element: Element, data: &[u8], leaf: Element) -> bool {
        let most = bits(slab, element).min(bits(slab, leaf)) - 1;
        let shared = common(slab, leaf, data).min(most);
        let Some(node) = self.make(shared / STRIDE * STRIDE, element) else { return false };
        let mut bytes = [0; MOST_DATA];
        let leaf_data = data_of(slab, leaf, &mut bytes[..data.len()]);
        self.put(slab, node, leaf, leaf_data);
        self.put(slab, node, element, data);
        self.link(slot, depth, node);
        true
    }

    /// A new node for a prefix that ends, or parts from what is below a node, within the bits that the node skips.
    fn part_from_node(
        &self,
        slab: &Slab,
        (slot, depth): (&AtomicU64, u32),
        element: Element,
        data: &[u8],
        (old, witness, shared): (u32, Element, u32),
    ) -> bool {
        let Some(node) = self.make(shared / STRIDE * STRIDE, element) else { return false };
        let mut bytes = [0; MOST_DATA];
        let place = nibble(data_of(slab, witness, &mut bytes[..data.len()]), self.depth(node));
        self.link(&self.nodes[node as usize].entries[place], self.depth(node) + STRIDE, old);
        self.put(slab, node, element, data);
        self.link(slot, depth, node);
        true
    }

    /// Takes a prefix out. `shorter` gives the longest prefix of it that is longer than so many bits.
    pub(super) fn remove(&self, slab: &Slab, element: Element, data: &[u8], shorter: impl Fn(u32) -> Option<Element>) {
        let len = bits(slab, element);
        let shorter = |depth| shorter(depth).map_or(0, Element::number);
        if len == 0 {
            self.default.store(0, Release);
            return;
        }
        let place = first(data, self.root_bits);
        if len <= self.root_bits {
            PrefixIndex::contract(&self.root, place, self.root_bits - len, element, shorter(0));
            return;
        }
        // Where each node on the way hangs.
        let mut way: Vec<(&AtomicU64, u32, u32)> = Vec::new();
        let (mut slot, mut end) = (&self.root[place], self.root_bits);
        while let Below::Node(node) = below(slot.load(Relaxed)) {
            way.push((slot, end, node));
            let (depth, entries) = (self.depth(node), &self.nodes[node as usize].entries);
            let place = nibble(data, depth);
            (slot, end) = (&entries[place], depth + STRIDE);
            if len <= end {
                PrefixIndex::contract(entries, place, end - len, element, shorter(depth));
                break;
            }
        }
        if matches!(below(slot.load(Relaxed)), Below::Leaf(leaf) if leaf == element) {
            set_below(slot, 0, 0);
        }
        self.tidy(slab, element, &way);
    }

    /// Replaces a prefix by a shorter one where it is the longest.
    fn contract(entries: &[AtomicU64], place: usize, free_bits: u32, element: Element, shorter: u32) {
        let count = 1 << free_bits;
        let first = place & !(count - 1);
        for slot in &entries[first..first + count] {
            if slot.load(Relaxed) as u32 == element.number() {
                set_value(slot, shorter);
            }
        }
    }

    /// After an element was removed: nodes that no longer tell anything apart go, others get another witness. There are then
    /// fewer nodes than prefixes.
    fn tidy(&self, slab: &Slab, element: Element, way: &[(&AtomicU64, u32, u32)]) {
        for (slot, depth, node) in way.iter().rev() {
            let facts = &self.facts[*node as usize];
            match self.only_content(*node) {
                Content::Nothing => set_below(slot, 0, 0),
                Content::Prefix(other) => set_below(slot, LEAF, other.number()),
                Content::Node(other) => self.link(slot, *depth, other),
                Content::Several => {
                    if facts.witness.load(Relaxed) == element.number() {
                        let other = self.any_below(slab, *node);
                        facts.witness.store(other.map_or(0, Element::number), Release);
                    }
                    continue;
                }
            }
            self.pool.retire(None, *node, self.cpus.epochs());
        }
    }

    fn only_content(&self, node: u32) -> Content {
        let mut content = Content::Nothing;
        for slot in &self.nodes[node as usize].entries {
            let entry = slot.load(Relaxed);
            let here = match (Element::from_number(entry as u32), below(entry)) {
                (None, Below::Nothing) => continue,
                (Some(element), Below::Nothing) | (None, Below::Leaf(element)) => Content::Prefix(element),
                (None, Below::Node(node)) => Content::Node(node),
                (Some(_), _) => return Content::Several,
            };
            match content {
                Content::Nothing => content = here,
                // A prefix is in all the entries that it covers.
                _ if content == here => {}
                _ => return Content::Several,
            }
        }
        content
    }

    /// An element that has all the bits in front of a node's own.
    fn any_below(&self, slab: &Slab, node: u32) -> Option<Element> {
        let depth = self.depth(node);
        self.nodes[node as usize].entries.iter().find_map(|slot| {
            let entry = slot.load(Relaxed);
            let here = Element::from_number(entry as u32).filter(|element| bits(slab, *element) > depth);
            here.or_else(|| match below(entry) {
                Below::Nothing => None,
                Below::Leaf(leaf) => Some(leaf),
                Below::Node(node) => Element::from_number(self.facts[node as usize].witness.load(Relaxed)),
            })
        })
    }
}

/// What a node holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Nothing,
    Prefix(Element),
    Node(u32),
    Several,
}

/// The most bytes that a prefix may have.
pub(super) const MOST_DATA: usize = 256;

fn data_of<'b>(slab: &Slab, element: Element, to: &'b mut [u8]) -> &'b [u8] {
    slab.read_key(element, to);
    to
}
