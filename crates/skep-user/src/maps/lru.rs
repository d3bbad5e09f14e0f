//! The order in which evicting maps give elements up: that of insertion, with a second chance for what was used since.
//!
//! An element is in the list from before it can be found until after it can no longer be found. Looking an element up only
//! marks it, once; the list is changed by writers alone, under its lock. One list for all CPUs, or one for each
//! (`BPF_F_NO_COMMON_LRU`), which then may have its share of the elements.
//!
//! Lock order: a list before a bucket.

use super::hash_table::HashTable;
use super::{spin_lock, spin_unlock};
use crate::memory::Element;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

// Words of an element's header.
const OLDER: usize = 0;
const NEWER: usize = 1;
/// The bucket that a table finds it by.
const HOME: usize = 2;
/// The list it is in, and whether it was used.
const STATE: usize = 3;

const USED: u32 = 1;
const LIST_SHIFT: u32 = 1;

/// The lists of a map.
pub(crate) struct Lru {
    lists: Box<[List]>,
    /// Elements that each list may have; `None` where the table's capacity is all that counts.
    share: Option<u32>,
}

#[derive(Default)]
#[repr(align(128))]
struct List {
    lock: AtomicU32,
    newest: AtomicU32,
    oldest: AtomicU32,
    len: AtomicU32,
}

/// All elements are in the hands of other writers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Full;

/// A list whose lock is held.
struct Locked<'a> {
    list: &'a List,
    table: &'a HashTable,
}

impl Lru {
    /// One list for all.
    pub(crate) fn common() -> Lru {
        Lru { lists: std::iter::once(List::default()).collect(), share: None }
    }

    /// A list for each CPU, each with its share of `capacity`.
    pub(crate) fn per_cpu(capacity: u32, cpus: usize) -> Lru {
        Lru { lists: (0..cpus).map(|_| List::default()).collect(), share: Some((capacity / cpus as u32).max(1)) }
    }

    /// Marks an element as used.
    #[inline(always)]
    pub(crate) fn touch(table: &HashTable, element: Element) {
        let state = &table.slab().header(element)[STATE];
        let old = state.load(Relaxed);
        if old & USED == 0 {
            state.store(old | USED, Relaxed);
        }
    }

    fn index_for(&self, cpu: u32) -> usize {
        cpu as usize % self.lists.len()
    }

    fn lock<'a>(&'a self, index: usize, table: &'a HashTable) -> Locked<'a> {
        let list = &self.lists[index];
        spin_lock(&list.lock);
        Locked { list, table }
    }

    /// Puts an element that is about to be linked in front of the list of that CPU. Where it is `fresh`, the table must have room
    /// for it: another element is given up where there is none, and comes back. `Err` if none could be.
    pub(crate) fn add(
        &self,
        table: &HashTable,
        element: Element,
        cpu: u32,
        home: usize,
        fresh: bool,
    ) -> Result<Option<Element>, Full> {
        let index = self.index_for(cpu);
        let locked = self.lock(index, table);
        let room = !fresh || (self.share.is_none_or(|share| locked.len() < share) && table.take_room());
        let victim = if room { None } else { Some(locked.give_one_up().ok_or(Full)?) };
        let header = table.slab().header(element);
        header[HOME].store(home as u32, Relaxed);
        header[STATE].store((index as u32) << LIST_SHIFT | u32::from(!fresh), Relaxed);
        locked.add(element);
        Ok(victim)
    }

    /// Takes an element that was unlinked out of its list.
    pub(crate) fn remove(&self, table: &HashTable, element: Element) {
        let index = table.slab().header(element)[STATE].load(Relaxed) >> LIST_SHIFT;
        self.lock(index as usize, table).remove(element);
    }
}

impl Locked<'_> {
    fn word(&self, element: Element, word: usize) -> &AtomicU32 {
        &self.table.slab().header(element)[word]
    }

    /// Where the link to `number` from one side is: in an element, or the list's end.
    fn link(&self, number: u32, word: usize) -> &AtomicU32 {
        match Element::from_number(number) {
            Some(element) => self.word(element, word),
            None if word == OLDER => &self.list.newest,
            None => &self.list.oldest,
        }
    }

    fn len(&self) -> u32 {
        self.list.len.load(Relaxed)
    }

    fn add(&self, element: Element) {
        self.link_newest(element);
        self.list.len.store(self.len() + 1, Relaxed);
    }

    fn remove(&self, element: Element) {
        self.unlink(element);
        self.list.len.store(self.len() - 1, Relaxed);
    }

    fn link_newest(&self, element: Element) {
        let second = self.list.newest.load(Relaxed);
        self.word(element, OLDER).store(second, Relaxed);
        self.word(element, NEWER).store(0, Relaxed);
        self.link(second, NEWER).store(element.number(), Relaxed);
        self.list.newest.store(element.number(), Relaxed);
    }

    fn unlink(&self, element: Element) {
        let older = self.word(element, OLDER).load(Relaxed);
        let newer = self.word(element, NEWER).load(Relaxed);
        self.link(newer, OLDER).store(older, Relaxed);
        self.link(older, NEWER).store(newer, Relaxed);
    }

    /// Unlinks the oldest element that was not used since it was last looked at here, from the list and the table.
    fn give_one_up(&self) -> Option<Element> {
        // Every element may get one second chance.
        for _ in 0..2 * self.len() {
            let element = Element::from_number(self.list.oldest.load(Relaxed))?;
            let state = self.word(element, STATE);
            let seen = state.load(Relaxed);
            if seen & USED != 0 {
                state.store(seen & !USED, Relaxed);
            } else if self.table.unlink(element, self.word(element, HOME).load(Relaxed) as usize) {
                self.remove(element);
                return Some(element);
            }
            // Used, or in the hands of somebody who is about to link or remove it.
            self.unlink(element);
            self.link_newest(element);
        }
        None
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        spin_unlock(&self.list.lock);
    }
}
