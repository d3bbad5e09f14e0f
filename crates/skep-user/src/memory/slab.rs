//! Elements of one size for linked structures that programs walk without a lock.

use super::{Region, Shared, atomic_copy};
use crate::cpus::Cpus;
use std::collections::VecDeque;
use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Mutex, PoisonError};

/// An element: two links, a hash, a mark, a key and a value.
///
/// It is the address of a place in a [`Slab`] that is alive. What a link says is read with acquire and written with
/// release, so that whoever finds an element sees its key and first value whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Element(u64);

#[repr(C)]
struct Header {
    links: [AtomicU64; 2],
    hash: AtomicU32,
    mark: AtomicU32,
}

const HEADER: u64 = size_of::<Header>() as u64;

impl Element {
    fn header(&self) -> &Header {
        // SAFETY: elements are made by `Slab::allocate` alone, at eight-aligned places of at least `HEADER` bytes in a
        // region that its map keeps alive; the header's fields are atomics, for which any bytes are valid.
        unsafe { &*(self.0 as *const Header) }
    }

    /// Rebuilds the element whose link value is `raw`; 0 is none.
    fn from_link(raw: u64) -> Option<Element> {
        (raw != 0).then_some(Element(raw))
    }

    /// The element that link 0 or 1 points to.
    pub(crate) fn link(self, index: usize) -> Option<Element> {
        Element::from_link(self.header().links[index].load(Acquire))
    }

    /// Points link 0 or 1 elsewhere.
    pub(crate) fn set_link(self, index: usize, to: Option<Element>) {
        self.header().links[index].store(to.map_or(0, |e| e.0), Release);
    }

    /// The stored hash (tries keep the prefix length here).
    pub(crate) fn hash(self) -> u32 {
        self.header().hash.load(Relaxed)
    }

    /// Stores the hash, before the element is linked.
    pub(crate) fn set_hash(self, hash: u32) {
        self.header().hash.store(hash, Relaxed);
    }

    /// The mark: what the owning structure makes of it.
    pub(crate) fn mark(self) -> u32 {
        self.header().mark.load(Relaxed)
    }

    /// Stores the mark.
    pub(crate) fn set_mark(self, mark: u32) {
        self.header().mark.store(mark, Relaxed);
    }

    /// Address of the key.
    pub(crate) fn key_address(self) -> u64 {
        self.0 + HEADER
    }

    /// Whether the key, `key.len()` bytes long as in all elements of the slab, is this one.
    pub(crate) fn key_is(self, key: &[u8]) -> bool {
        // SAFETY: keys are written before the element is linked and not changed while it can be found; the slab's
        // elements have room for a key of this size. Plain reads of memory that nobody writes.
        unsafe { std::slice::from_raw_parts(self.key_address() as *const u8, key.len()) == key }
    }

    /// Copies the key out.
    pub(crate) fn read_key(self, to: &mut [u8]) {
        // SAFETY: the slab's elements have room for a key of this size.
        unsafe { atomic_copy::copy_out(self.key_address(), to) }
    }

    /// Copies the key in, before the element is linked.
    pub(crate) fn write_key(self, key: &[u8]) {
        // SAFETY: the slab's elements have room for a key of this size.
        unsafe { atomic_copy::copy_in(self.key_address(), key) }
    }
}

/// The head of a linked structure: a link that is not in an element.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link<'a>(pub(crate) &'a AtomicU64);

impl Link<'_> {
    /// The first element.
    pub(crate) fn get(self) -> Option<Element> {
        Element::from_link(self.0.load(Acquire))
    }

    /// Makes that the first element.
    pub(crate) fn set(self, to: Option<Element>) {
        self.0.store(to.map_or(0, |e| e.0), Release);
    }
}

/// Where elements come from and return to.
#[derive(Debug)]
pub(crate) struct Slab {
    key_room: usize,
    value_size: usize,
    stride: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    chunks: Vec<Region>,
    /// Elements handed out of the last chunk.
    used: usize,
    free: Vec<Element>,
    /// Unlinked elements with the epoch of their retirement, oldest first.
    retired: VecDeque<(u64, Element)>,
}

const SMALLEST_CHUNK: usize = 1 << 14;
const LARGEST_CHUNK: usize = 1 << 22;

impl Slab {
    /// For keys and values of these sizes; `None` if an element does not fit the address space.
    pub(crate) fn new(key_size: usize, value_size: usize) -> Option<Slab> {
        let key_room = key_size.checked_next_multiple_of(8)?;
        let value_room = value_size.checked_next_multiple_of(8)?;
        let stride = (HEADER as usize).checked_add(key_room)?.checked_add(value_room)?;
        Some(Slab { key_room, value_size, stride, state: Mutex::default() })
    }

    /// Bytes of an element.
    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    /// The value of an element of this slab.
    pub(crate) fn value(&self, element: Element) -> Shared<'_> {
        // SAFETY: elements of this slab have room for a value behind the key, and stay mapped while the slab lives.
        unsafe { Shared::new(element.key_address() + self.key_room as u64, self.value_size) }
    }

    /// An element with unset contents, or `None` when memory is short.
    pub(crate) fn allocate(&self, cpus: &Cpus) -> Option<Element> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(element) = state.free.pop() {
            return Some(element);
        }
        state.reclaim(cpus);
        if let Some(element) = state.free.pop() {
            return Some(element);
        }
        let room = state.chunks.last().map_or(0, |chunk| chunk.bytes().len() / self.stride);
        if state.used == room {
            let wanted = (SMALLEST_CHUNK << state.chunks.len().min(8)).min(LARGEST_CHUNK).max(self.stride);
            state.chunks.push(Region::new(wanted)?);
            state.used = 0;
        }
        let at = state.chunks.last()?.bytes().address() + (state.used * self.stride) as u64;
        state.used += 1;
        Some(Element(at))
    }

    /// Takes back an element that was never linked.
    pub(crate) fn give_back(&self, element: Element) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).free.push(element);
    }

    /// Takes back an element that was unlinked just now; it is reused once no run can see it.
    pub(crate) fn retire(&self, element: Element, cpus: &Cpus) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let epoch = cpus.retire_epoch();
        state.retired.push_back((epoch, element));
    }
}

impl State {
    fn reclaim(&mut self, cpus: &Cpus) {
        // Oldest first, and epochs only grow: the newest that is past tells it of all before.
        let count = self.retired.len();
        let past = match self.retired.back() {
            Some((newest, _)) if cpus.is_past(*newest) => count,
            Some(_) => self.retired.partition_point(|(epoch, _)| cpus.is_past(*epoch)),
            None => 0,
        };
        self.free.extend(self.retired.drain(..past).map(|(_, element)| element));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_do_not_overlap_and_are_not_reused_under_a_run() {
        let cpus = Cpus::new(1);
        let slab = Slab::new(5, 9).expect("small");
        let first: Vec<Element> = (0..2000).map(|_| slab.allocate(&cpus).expect("memory")).collect();
        let mut addresses: Vec<u64> = first.iter().map(|e| e.0).collect();
        addresses.sort_unstable();
        assert!(addresses.windows(2).all(|w| w[1] - w[0] >= (HEADER + 8 + 16)));
        let run = cpus.enter();
        slab.retire(first[0], &cpus);
        assert_ne!(slab.allocate(&cpus), Some(first[0]));
        drop(run);
        assert_eq!(slab.allocate(&cpus), Some(first[0]));
    }
}
