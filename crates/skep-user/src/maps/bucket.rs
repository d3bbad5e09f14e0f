//! A bucket of a hash table: one cache line with twelve places, each a one-byte tag of the hash and an element's number.
//!
//! ```text
//! word 0   tags of the places 0 to 7
//! word 1   tags of the places 8 to 11, the number of the bucket that continues this one (31 bits), the lock (1 bit)
//! words 2… twelve numbers of 32 bits
//! ```
//!
//! Readers compare all tags at once and then look at the elements whose tags are equal; they never write. A tag of 0 is an
//! empty place. A number is written before its tag, and an element that takes the place of another of the same key does so
//! by one store, so that a key that exists is always found. Writers of a bucket and of those that continue it hold the
//! lock of the first.

use crate::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    pause,
};

/// Places of a bucket.
pub(crate) const PLACES: usize = 12;

const LOCK: u64 = 1 << 63;
const NEXT_SHIFT: u32 = 32;
const TAGS_OF_SECOND: u64 = 0xffff_ffff;
const LOW_BITS: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// See the module.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Bucket {
    tags: [AtomicU64; 2],
    numbers: [AtomicU32; PLACES],
}

/// The tag of a hash: never 0, and of other bits than a bucket's number is made of.
#[inline(always)]
pub(crate) fn tag_of(hash: u64) -> u8 {
    let tag = (hash >> 56) as u8;
    if tag == 0 { 1 } else { tag }
}

/// The high bit of every byte of `word` that is `byte`. Above an equal byte there may be others, but the lowest is right.
#[inline(always)]
fn equal_bytes(word: u64, byte: u8) -> u64 {
    let differing = word ^ (u64::from(byte) * LOW_BITS);
    differing.wrapping_sub(LOW_BITS) & !differing & HIGH_BITS
}

/// One bit for each place: that of a place in the second word stands beside that of the one eight places before. So the way
/// through the code does not depend on which word it is, which no processor could foresee.
#[inline(always)]
fn places(first: u64, second: u64) -> u64 {
    (first >> 7) | ((second & TAGS_OF_SECOND) >> 6)
}

/// The place of the lowest bit.
#[inline(always)]
fn first_place(places: u64) -> usize {
    let bit = places.trailing_zeros() as usize;
    (bit / 8 + bit % 8 * 8) & 15
}

impl Bucket {
    /// An empty bucket.
    #[allow(dead_code, reason = "tables begin as zeroes; models begin here")]
    pub(crate) fn new() -> Bucket {
        Bucket { tags: std::array::from_fn(|_| AtomicU64::new(0)), numbers: std::array::from_fn(|_| AtomicU32::new(0)) }
    }

    /// The place and the number of the first element with that tag that `is_it` takes; else the bucket that continues this
    /// one, 0 for none.
    #[inline(always)]
    pub(crate) fn find(&self, tag: u8, mut is_it: impl FnMut(u32) -> bool) -> Result<(usize, u32), u32> {
        let first = self.tags[0].load(Acquire);
        let second = self.tags[1].load(Acquire);
        let mut equal = places(equal_bytes(first, tag), equal_bytes(second, tag));
        while equal != 0 {
            let place = first_place(equal);
            let number = self.numbers[place].load(Acquire);
            if number != 0 && is_it(number) {
                return Ok((place, number));
            }
            equal &= equal - 1;
        }
        Err(continuation(second))
    }

    /// The bucket that continues this one, 0 for none.
    #[inline]
    pub(crate) fn next(&self) -> u32 {
        continuation(self.tags[1].load(Acquire))
    }

    /// The number at a place, 0 for none.
    #[inline]
    pub(crate) fn at(&self, place: usize) -> u32 {
        let tag = self.tags[place / 8].load(Acquire) >> (place % 8 * 8) & 0xff;
        if tag == 0 { 0 } else { self.numbers[place].load(Acquire) }
    }

    /// Keeps other writers out of this bucket and those that continue it.
    #[inline]
    pub(crate) fn lock(&self) {
        let word = &self.tags[1];
        let mut tries = 0u32;
        loop {
            let old = word.load(Relaxed);
            if old & LOCK == 0 && word.compare_exchange_weak(old, old | LOCK, Acquire, Relaxed).is_ok() {
                return;
            }
            pause(tries);
            tries = tries.wrapping_add(1);
        }
    }

    /// Lets the next writer in. The caller has the lock.
    #[inline]
    pub(crate) fn unlock(&self) {
        let word = &self.tags[1];
        word.store(word.load(Relaxed) & !LOCK, Release);
    }

    // What follows is for whoever holds the lock of the first bucket.

    /// An empty place.
    #[inline]
    pub(crate) fn vacancy(&self) -> Option<usize> {
        let empty = places(equal_bytes(self.tags[0].load(Relaxed), 0), equal_bytes(self.tags[1].load(Relaxed), 0));
        (empty != 0).then(|| first_place(empty))
    }

    /// Puts an element into an empty place.
    #[inline]
    pub(crate) fn put(&self, place: usize, tag: u8, number: u32) {
        self.numbers[place].store(number, Release);
        self.set_tag(place, tag);
    }

    /// Puts an element of the same key in the place of another.
    #[inline]
    pub(crate) fn replace(&self, place: usize, number: u32) {
        self.numbers[place].store(number, Release);
    }

    /// Empties a place.
    #[inline]
    pub(crate) fn clear(&self, place: usize) {
        self.set_tag(place, 0);
        self.numbers[place].store(0, Release);
    }

    /// Whether nothing is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.tags[0].load(Relaxed) == 0 && self.tags[1].load(Relaxed) & TAGS_OF_SECOND == 0
    }

    /// Lets another bucket continue this one.
    pub(crate) fn set_next(&self, bucket: u32) {
        let word = &self.tags[1];
        let kept = word.load(Relaxed) & (TAGS_OF_SECOND | LOCK);
        word.store(kept | u64::from(bucket) << NEXT_SHIFT, Release);
    }

    #[inline]
    fn set_tag(&self, place: usize, tag: u8) {
        let word = &self.tags[place / 8];
        let shift = place % 8 * 8;
        word.store(word.load(Relaxed) & !(0xff << shift) | u64::from(tag) << shift, Release);
    }
}

#[inline]
fn continuation(second: u64) -> u32 {
    (second >> NEXT_SHIFT) as u32 & (u32::MAX >> 1)
}
