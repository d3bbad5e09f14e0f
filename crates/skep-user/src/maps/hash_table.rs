//! The table under all hash maps. See `docs/decisions` for why it is made like this.
//!
//! * A hash selects a [`Bucket`], which programs search without a lock. What does not fit is in further buckets that continue
//!   it, and belong to it alone.
//! * Elements never move: whoever finds one has its address until the run ends. A new value of a key is a new element
//!   that takes the place of the old one by one store.
//! * Writers hold the lock of their bucket; readers are programs in a run, or hold that lock too.

use super::bucket::{Bucket, PLACES, tag_of};
use super::key::{Key, KeyShape, Seed, with_key};
use crate::cpus::{Cpus, Run};
use crate::memory::{Atomics, Budget, Element, Layout, Pool, Shared, Slab, Table};
use skep_abi::errno::Errno;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

// SAFETY: a bucket is atomics and nothing else, aligned to a cache line.
unsafe impl Atomics for Bucket {}

/// Elements of a full table for each bucket: few enough that most buckets hold all of theirs.
const ELEMENTS_OF_BUCKET: usize = 8;
/// Buckets beyond those that a full table needs at most: runs may keep unlinked ones from being used again.
const SPARE_BUCKETS: usize = 64;

/// A hash table of fixed capacity.
pub(crate) struct HashTable {
    /// First those that hashes select, then those that continue others.
    buckets: Table<Bucket>,
    mask: usize,
    further: Pool,
    slab: Slab,
    count: Count,
    capacity: usize,
    key_size: usize,
    shape: KeyShape,
    seed: Seed,
    cpus: Arc<Cpus>,
}

/// Written by every insertion: on cache lines of its own.
#[repr(align(128))]
struct Count(AtomicUsize);

/// What a table is made of.
#[derive(Clone, Debug)]
pub(crate) struct TableSpec {
    /// Most elements.
    pub(crate) capacity: u32,
    /// What is in an element.
    pub(crate) layout: Layout,
    /// What makes its hashes its own.
    pub(crate) seed: u64,
    /// Memory for all elements is there from the beginning.
    pub(crate) preallocated: bool,
    /// Who pays for elements.
    pub(crate) budget: Arc<Budget>,
}

/// Where an element is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The bucket before that of the element, where the latter continues another.
    before: usize,
    bucket: usize,
    place: usize,
    /// The element.
    pub(crate) element: Element,
}

/// A bucket whose writers are kept out, and a key that belongs there.
pub(crate) struct LockedBucket<'a, K> {
    table: &'a HashTable,
    home: usize,
    tag: u8,
    key: K,
}

impl HashTable {
    /// Makes the table.
    ///
    /// # Errors
    /// E2BIG if it cannot be addressed, ENOMEM if there is no memory for it.
    pub(crate) fn new(spec: TableSpec, cpus: Arc<Cpus>) -> Result<HashTable, Errno> {
        let capacity = spec.capacity as usize;
        let homes = capacity.div_ceil(ELEMENTS_OF_BUCKET).next_power_of_two();
        let further = capacity / PLACES + SPARE_BUCKETS;
        // Numbers of buckets have 31 bits.
        if homes + further >= 1 << 31 {
            return Err(Errno::E2BIG);
        }
        let buckets = Table::new(homes + further + 1).ok_or(Errno::ENOMEM)?;
        let paid = if spec.preallocated { spec.capacity } else { 0 };
        let slab = Slab::new(spec.capacity, spec.layout, cpus.clone(), &spec.budget, paid).ok_or(Errno::ENOMEM)?;
        if spec.preallocated && !(buckets.populate(homes) && slab.populate(spec.capacity)) {
            return Err(Errno::ENOMEM);
        }
        Ok(HashTable {
            buckets,
            mask: homes - 1,
            further: Pool::new(further as u32, 0),
            slab,
            count: Count(AtomicUsize::new(0)),
            capacity,
            key_size: spec.layout.key_size,
            shape: KeyShape::of(spec.layout.key_size),
            seed: Seed::new(spec.seed),
            cpus,
        })
    }

    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        self.count.0.load(Relaxed)
    }

    /// Bytes of a key.
    pub(crate) fn key_size(&self) -> usize {
        self.key_size
    }

    /// How its keys travel.
    pub(crate) fn shape(&self) -> KeyShape {
        self.shape
    }

    /// Bytes of the buckets and the elements in use.
    pub(crate) fn memory_usage(&self) -> u64 {
        let buckets = self.mask + 1 + self.further.touched() as usize;
        (buckets * size_of::<Bucket>() + self.len() * self.slab.stride()) as u64
    }

    /// The elements.
    #[inline]
    pub(crate) fn slab(&self) -> &Slab {
        &self.slab
    }

    /// The value of an element.
    #[inline]
    pub(crate) fn value(&self, element: Element) -> Shared<'_> {
        self.slab.value(element)
    }

    /// The element of that key, for a program.
    pub(crate) fn find(&self, key: &[u8], _run: &Run<'_>) -> Option<Element> {
        with_key!(self.shape, key, key => self.find_key(key))
    }

    /// The same for whoever is in a run, or holds the key's lock.
    #[inline(always)]
    pub(crate) fn find_key<K: Key>(&self, key: K) -> Option<Element> {
        let hash = key.hash(self.seed);
        let tag = tag_of(hash);
        let mut bucket = hash as usize & self.mask;
        loop {
            let is_it = |number| Element::from_number(number).is_some_and(|e| key.is(self.slab.key(e)));
            match self.buckets[bucket].find(tag, is_it) {
                Ok((_, number)) => return Element::from_number(number),
                Err(0) => return None,
                Err(further) => bucket = self.mask + further as usize,
            }
        }
    }

    /// The bucket that an element with that key is in, or continues.
    pub(crate) fn home<K: Key>(&self, key: K) -> usize {
        key.hash(self.seed) as usize & self.mask
    }

    /// Locks the bucket of a key.
    #[inline(always)]
    pub(crate) fn lock<K: Key>(&self, key: K) -> LockedBucket<'_, K> {
        let hash = key.hash(self.seed);
        let home = hash as usize & self.mask;
        self.buckets[home].lock();
        LockedBucket { table: self, home, tag: tag_of(hash), key }
    }

    /// Removes an element from its bucket, unless somebody else did. Whoever did retires it.
    pub(crate) fn unlink(&self, element: Element, home: usize) -> bool {
        self.buckets[home].lock();
        let place = self.places(home).find(|place| place.element == element);
        if let Some(place) = place {
            self.clear(place);
        }
        self.buckets[home].unlock();
        place.is_some()
    }

    /// Takes note of elements that were unlinked, or did not come into being.
    pub(crate) fn give_room(&self) {
        self.count.0.fetch_sub(1, Relaxed);
    }

    /// Makes sure that there is room for one more.
    pub(crate) fn take_room(&self) -> bool {
        // Where it is full, nobody else's cache line has to know that we asked.
        if self.count.0.load(Relaxed) >= self.capacity {
            return false;
        }
        let room = self.count.0.fetch_add(1, Relaxed) < self.capacity;
        if !room {
            self.give_room();
        }
        room
    }

    /// Visits all elements, for a program.
    pub(crate) fn for_each(
        &self,
        _run: &Run<'_>,
        mut visit: impl FnMut(Element) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        (0..=self.mask).try_for_each(|home| self.places(home).try_for_each(|place| visit(place.element)))
    }

    /// The key that follows `key` in the table's own order; the first, if there is no such key.
    ///
    /// # Errors
    /// ENOENT after the last.
    pub(crate) fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        let mut first = 0;
        if let Some(key) = key {
            let (home, found) = with_key!(self.shape, key, key => {
                let locked = self.lock(key);
                let place = locked.find();
                let mut places = self.places(locked.home);
                let following = place.and_then(|place| {
                    places.find(|other| other.element == place.element)?;
                    places.next()
                });
                if let Some(following) = following {
                    self.slab.read_key(following.element, &mut next[..self.key_size]);
                    return Ok(());
                }
                (locked.home, place.is_some())
            });
            first = if found { home + 1 } else { 0 };
        }
        for home in first..=self.mask {
            // A look without the lock passes over what is empty.
            if self.places(home).next().is_none() {
                continue;
            }
            self.buckets[home].lock();
            let place = self.places(home).next();
            if let Some(place) = place {
                self.slab.read_key(place.element, &mut next[..self.key_size]);
            }
            self.buckets[home].unlock();
            if place.is_some() {
                return Ok(());
            }
        }
        Err(Errno::ENOENT)
    }

    /// The elements of a bucket and of those that continue it.
    fn places(&self, home: usize) -> impl Iterator<Item = Place> {
        let (mut before, mut bucket, mut place) = (home, home, 0);
        std::iter::from_fn(move || {
            loop {
                if place == PLACES {
                    let next = self.buckets[bucket].next();
                    if next == 0 {
                        return None;
                    }
                    (before, bucket, place) = (bucket, self.mask + next as usize, 0);
                }
                let number = self.buckets[bucket].at(place);
                place += 1;
                if let Some(element) = Element::from_number(number) {
                    return Some(Place { before, bucket, place: place - 1, element });
                }
            }
        })
    }

    /// Empties a place of a locked bucket, and unlinks its bucket where that continues another and is empty.
    fn clear(&self, place: Place) {
        let bucket = &self.buckets[place.bucket];
        bucket.clear(place.place);
        if place.bucket != place.before && bucket.is_empty() {
            self.buckets[place.before].set_next(bucket.next());
            let number = (place.bucket - self.mask) as u32;
            self.further.retire(None, number, self.cpus.epochs());
        }
    }
}

impl<K: Key> LockedBucket<'_, K> {
    /// The element of the key.
    #[inline(always)]
    pub(crate) fn find(&self) -> Option<Place> {
        let table = self.table;
        let (mut before, mut bucket) = (self.home, self.home);
        loop {
            let is_it = |number| Element::from_number(number).is_some_and(|e| self.key.is(table.slab.key(e)));
            match table.buckets[bucket].find(self.tag, is_it) {
                Ok((place, number)) => {
                    return Some(Place { before, bucket, place, element: Element::from_number(number)? });
                }
                Err(0) => return None,
                Err(further) => (before, bucket) = (bucket, table.mask + further as usize),
            }
        }
    }

    /// Links an element of the key, which is not there yet.
    ///
    /// # Errors
    /// ENOMEM if there is no bucket for it.
    pub(crate) fn link(&self, element: Element) -> Result<(), Errno> {
        let table = self.table;
        let mut bucket = self.home;
        loop {
            if let Some(place) = table.buckets[bucket].vacancy() {
                table.buckets[bucket].put(place, self.tag, element.number());
                return Ok(());
            }
            match table.buckets[bucket].next() {
                0 => break,
                further => bucket = table.mask + further as usize,
            }
        }
        let further = table.further.allocate(None, table.cpus.epochs()).ok_or(Errno::ENOMEM)?;
        let fresh = &table.buckets[table.mask + further as usize];
        fresh.set_next(0);
        fresh.put(0, self.tag, element.number());
        table.buckets[bucket].set_next(further);
        Ok(())
    }

    /// Puts an element of the same key in the place of one that [`LockedBucket::find`] gave.
    #[inline(always)]
    pub(crate) fn replace(&self, old: Place, element: Element) {
        self.table.buckets[old.bucket].replace(old.place, element.number());
    }

    /// A complete element of the key that is not linked.
    #[inline(always)]
    pub(crate) fn make<T>(
        &self,
        cpu: Option<u32>,
        fill: impl FnOnce(Shared<'_>) -> Result<T, Errno>,
    ) -> Result<(Element, T), Errno> {
        let slab = &self.table.slab;
        let element = slab.allocate(cpu).ok_or(Errno::ENOMEM)?;
        self.key.write(slab.key(element));
        match fill(slab.value(element)) {
            Ok(extra) => Ok((element, extra)),
            Err(errno) => {
                slab.give_back(element, cpu);
                Err(errno)
            }
        }
    }

    /// Links a new element whose value `fill` writes, in place of `old`, which must be what [`LockedBucket::find`] gave.
    ///
    /// # Errors
    /// E2BIG if the table is full, ENOMEM if there is no memory for the element, what `fill` says.
    #[inline(always)]
    pub(crate) fn insert<T>(
        &self,
        old: Option<Place>,
        cpu: Option<u32>,
        fill: impl FnOnce(Shared<'_>) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let table = self.table;
        if let Some(old) = old {
            let (element, extra) = self.make(cpu, fill)?;
            self.replace(old, element);
            table.slab.retire(old.element, cpu);
            return Ok(extra);
        }
        if !table.take_room() {
            return Err(Errno::E2BIG);
        }
        let made = self.make(cpu, fill).and_then(|(element, extra)| match self.link(element) {
            Ok(()) => Ok(extra),
            Err(errno) => {
                table.slab.give_back(element, cpu);
                Err(errno)
            }
        });
        if made.is_err() {
            table.give_room();
        }
        made
    }

    /// Removes an element that [`LockedBucket::find`] gave; who calls retires it, and gives its room.
    #[inline]
    pub(crate) fn unlink(&self, place: Place) {
        self.table.clear(place);
    }

    /// Removes an element that [`LockedBucket::find`] gave.
    #[inline]
    pub(crate) fn remove(&self, place: Place, cpu: Option<u32>) {
        self.unlink(place);
        self.table.slab.retire(place.element, cpu);
        self.table.give_room();
    }
}

impl<K> Drop for LockedBucket<'_, K> {
    #[inline]
    fn drop(&mut self) {
        self.table.buckets[self.home].unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maps::key::OneWord;
    use std::collections::HashSet;

    /// All keys in one bucket.
    #[derive(Clone, Copy)]
    struct Colliding(u64);

    impl Key for Colliding {
        fn hash(self, _seed: Seed) -> u64 {
            0
        }

        fn is(self, words: &[std::sync::atomic::AtomicU64]) -> bool {
            OneWord(self.0).is(words)
        }

        fn write(self, words: &[std::sync::atomic::AtomicU64]) {
            OneWord(self.0).write(words);
        }
    }

    #[test]
    fn a_bucket_grows_and_shrinks_and_loses_nothing() {
        let cpus = Arc::new(Cpus::new(1));
        let layout = Layout { header: false, key_size: 8, value_size: 8 };
        let budget = Budget::new(u64::MAX);
        let spec = TableSpec { capacity: 100, layout, seed: 1, preallocated: false, budget };
        let table = HashTable::new(spec, cpus.clone()).expect("small");
        for round in 0..200_u64 {
            for key in 0..100 {
                let bucket = table.lock(Colliding(key));
                let old = bucket.find();
                assert!(old.is_none(), "round {round}, key {key}");
                bucket.insert(old, None, |_| Ok(())).expect("room");
            }
            assert_eq!(table.lock(Colliding(100)).insert(None, None, |_| Ok(())), Err(Errno::E2BIG));
            let mut seen = HashSet::new();
            let run = cpus.enter();
            let _ = table.for_each(&run, |element| {
                seen.insert(element.number());
                ControlFlow::Continue(())
            });
            assert_eq!(seen.len(), 100);
            // In another order every time.
            for key in (0..100).map(|key| (key * 37 + round) % 100) {
                assert!(table.find_key(Colliding(key)).is_some());
                let bucket = table.lock(Colliding(key));
                let place = bucket.find().expect("it is there");
                bucket.remove(place, Some(run.cpu()));
                drop(bucket);
                assert!(table.find_key(Colliding(key)).is_none());
            }
            assert_eq!(table.len(), 0);
        }
    }
}
