//! The table under all hash maps: chained buckets that programs walk without a lock.
//!
//! * Writers hold the lock of their bucket's stripe; readers are programs in a run, or hold that lock too.
//! * A new element is complete before it is linked, at the front of its chain. A replaced one is unlinked after its
//!   successor is linked, so that a key that exists is always found.
//! * Unlinked elements keep their links, and are not reused under a run: whoever stands on one finds the way on.

use crate::cpus::{Cpus, Run};
use crate::memory::{Element, Link, Region, Shared, Slab};
use skep_abi::errno::Errno;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const STRIPES: usize = 256;
/// The link that chains a bucket.
const NEXT: usize = 0;

/// A hash table of fixed capacity.
pub(crate) struct HashTable {
    buckets: Region,
    mask: u32,
    stripes: Box<[Mutex<()>]>,
    slab: Slab,
    count: AtomicUsize,
    capacity: usize,
    key_size: usize,
    seed: u64,
    cpus: Arc<Cpus>,
}

/// A bucket whose writers are kept out.
pub(crate) struct LockedBucket<'a> {
    table: &'a HashTable,
    head: Link<'a>,
    hash: u32,
    _stripe: MutexGuard<'a, ()>,
}

impl HashTable {
    /// A table for `capacity` elements of these sizes.
    ///
    /// # Errors
    /// E2BIG if the buckets cannot be addressed, ENOMEM if there is no memory for them.
    pub(crate) fn new(
        capacity: u32,
        key_size: usize,
        value_size: usize,
        seed: u64,
        cpus: Arc<Cpus>,
    ) -> Result<HashTable, Errno> {
        let buckets = capacity.checked_next_power_of_two().ok_or(Errno::E2BIG)?;
        Ok(HashTable {
            buckets: Region::new(buckets as usize * 8).ok_or(Errno::ENOMEM)?,
            mask: buckets - 1,
            stripes: (0..STRIPES.min(buckets as usize)).map(|_| Mutex::default()).collect(),
            slab: Slab::new(key_size, value_size).ok_or(Errno::E2BIG)?,
            count: AtomicUsize::new(0),
            capacity: capacity as usize,
            key_size,
            seed,
            cpus,
        })
    }

    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// Number of elements it may hold.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes of the buckets and the elements in use.
    pub(crate) fn memory_usage(&self) -> u64 {
        self.buckets.bytes().len() as u64 + (self.len() * self.slab.stride()) as u64
    }

    /// The value of an element.
    pub(crate) fn value(&self, element: Element) -> Shared<'_> {
        self.slab.value(element)
    }

    /// The element of that key, for a program.
    pub(crate) fn find(&self, key: &[u8], _run: &Run<'_>) -> Option<Element> {
        let hash = hash(key, self.seed);
        find_in(self.head(hash), key, hash)
    }

    /// Locks the bucket of a key.
    pub(crate) fn lock(&self, key: &[u8]) -> LockedBucket<'_> {
        self.lock_bucket(hash(key, self.seed))
    }

    /// Visits all elements, for a program.
    pub(crate) fn for_each(
        &self,
        _run: &Run<'_>,
        mut visit: impl FnMut(Element) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        for bucket in 0..=self.mask {
            let mut next = self.head(bucket).get();
            while let Some(element) = next {
                visit(element)?;
                next = element.link(NEXT);
            }
        }
        ControlFlow::Continue(())
    }

    /// The key that follows `key` in the table's own order; the first, if there is no such key.
    ///
    /// # Errors
    /// ENOENT after the last.
    pub(crate) fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        let mut bucket = 0;
        if let Some(key) = key {
            let locked = self.lock(key);
            if let Some(element) = locked.find(key) {
                if let Some(following) = element.link(NEXT) {
                    following.read_key(&mut next[..self.key_size]);
                    return Ok(());
                }
                bucket = (locked.hash & self.mask) as usize + 1;
            }
        }
        for bucket in bucket..=self.mask as usize {
            if let Some(element) = self.lock_bucket(bucket as u32).head.get() {
                element.read_key(&mut next[..self.key_size]);
                return Ok(());
            }
        }
        Err(Errno::ENOENT)
    }

    fn head(&self, hash: u32) -> Link<'_> {
        Link(self.buckets.bytes().double((hash & self.mask) as usize * 8))
    }

    fn lock_bucket(&self, hash: u32) -> LockedBucket<'_> {
        let stripe = (hash & self.mask) as usize % self.stripes.len();
        let guard = self.stripes[stripe].lock().unwrap_or_else(PoisonError::into_inner);
        LockedBucket { table: self, head: self.head(hash), hash, _stripe: guard }
    }
}

impl LockedBucket<'_> {
    /// The element of that key.
    pub(crate) fn find(&self, key: &[u8]) -> Option<Element> {
        find_in(self.head, key, self.hash)
    }

    /// Links a new element whose value `fill` writes, in place of `old`, which must be what [`LockedBucket::find`] gave.
    ///
    /// # Errors
    /// E2BIG if the table is full, ENOMEM if there is no memory for the element, what `fill` says.
    pub(crate) fn insert<T>(
        &self,
        key: &[u8],
        old: Option<Element>,
        fill: impl FnOnce(Shared<'_>) -> Result<T, Errno>,
    ) -> Result<(Element, T), Errno> {
        let table = self.table;
        if old.is_none() && table.count.fetch_add(1, Relaxed) >= table.capacity {
            table.count.fetch_sub(1, Relaxed);
            return Err(Errno::E2BIG);
        }
        let made = self.make(key, fill);
        match (&made, old) {
            (Ok((element, _)), _) => {
                element.set_link(NEXT, self.head.get());
                self.head.set(Some(*element));
                if let Some(old) = old {
                    self.unlink(old);
                }
            }
            (Err(_), None) => {
                table.count.fetch_sub(1, Relaxed);
            }
            (Err(_), Some(_)) => {}
        }
        made
    }

    fn make<T>(&self, key: &[u8], fill: impl FnOnce(Shared<'_>) -> Result<T, Errno>) -> Result<(Element, T), Errno> {
        let slab = &self.table.slab;
        let element = slab.allocate(&self.table.cpus).ok_or(Errno::ENOMEM)?;
        element.set_hash(self.hash);
        element.write_key(key);
        match fill(slab.value(element)) {
            Ok(extra) => Ok((element, extra)),
            Err(errno) => {
                slab.give_back(element);
                Err(errno)
            }
        }
    }

    /// Removes an element that [`LockedBucket::find`] gave.
    pub(crate) fn remove(&self, element: Element) {
        self.unlink(element);
        self.table.count.fetch_sub(1, Relaxed);
    }

    fn unlink(&self, element: Element) {
        let next = element.link(NEXT);
        if self.head.get() == Some(element) {
            self.head.set(next);
        } else {
            let mut before = self.head.get();
            while let Some(here) = before {
                let following = here.link(NEXT);
                if following == Some(element) {
                    here.set_link(NEXT, next);
                    break;
                }
                before = following;
            }
        }
        self.table.slab.retire(element, &self.table.cpus);
    }
}

fn find_in(head: Link<'_>, key: &[u8], hash: u32) -> Option<Element> {
    let mut next = head.get();
    while let Some(element) = next {
        if element.hash() == hash && element.key_is(key) {
            return Some(element);
        }
        next = element.link(NEXT);
    }
    None
}

/// A fast keyed hash: eight bytes at a time, folded by 128-bit multiplication.
fn hash(key: &[u8], seed: u64) -> u32 {
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    let fold = |state: u64, word: u64| {
        let product = u128::from(state ^ word) * u128::from(MULTIPLIER);
        (product as u64) ^ (product >> 64) as u64
    };
    let (words, rest) = key.as_chunks::<8>();
    let mut state = seed ^ (key.len() as u64).wrapping_mul(MULTIPLIER);
    for word in words {
        state = fold(state, u64::from_ne_bytes(*word));
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        state = fold(state, u64::from_ne_bytes(last));
    }
    fold(state, seed) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_spreads_small_integers() {
        let mut used = [false; 1024];
        for i in 0..1024u32 {
            used[(hash(&i.to_ne_bytes(), 7) & 1023) as usize] = true;
        }
        // A random function leaves about 1/e of the buckets empty.
        let empty = used.iter().filter(|u| !**u).count();
        assert!(empty < 450, "{empty} of 1024 buckets empty");
    }
}
