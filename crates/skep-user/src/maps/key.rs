//! Keys of hash tables: how they are hashed and compared, by length.
//!
//! In a table, keys stand as eight-byte words, the last padded with zeroes. Keys of 4, 8 and 16 bytes travel in registers; all
//! others are slices. The hash is keyed: two halves are mixed by one multiplication to 128 bits, folded to 64.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
const SECOND: u64 = 0xd1b5_4a32_d192_ed03;

/// What makes a table's hashes its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed {
    first: u64,
    second: u64,
}

impl Seed {
    /// A seed that follows from a number.
    pub(crate) fn new(number: u64) -> Seed {
        let first = fold(number ^ SECOND, MULTIPLIER);
        Seed { first, second: fold(first ^ MULTIPLIER, SECOND) | 1 }
    }
}

#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ (product >> 64) as u64
}

/// A key to look for.
pub(crate) trait Key: Copy {
    /// Its hash.
    fn hash(self, seed: Seed) -> u64;

    /// Whether the words of an element are this key.
    fn is(self, words: &[AtomicU64]) -> bool;

    /// Writes it to an element.
    fn write(self, words: &[AtomicU64]);
}

/// A key of at most eight bytes: their number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OneWord(pub(crate) u64);

/// A key of sixteen bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TwoWords(pub(crate) u64, pub(crate) u64);

/// A key of any length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnyKey<'k>(pub(crate) &'k [u8]);

impl Key for OneWord {
    #[inline(always)]
    fn hash(self, seed: Seed) -> u64 {
        // The second round is for keys that differ in their upper bits only.
        fold(fold(self.0 ^ seed.first, MULTIPLIER), seed.second)
    }

    #[inline(always)]
    fn is(self, words: &[AtomicU64]) -> bool {
        words.first().is_some_and(|word| word.load(Relaxed) == self.0)
    }

    #[inline(always)]
    fn write(self, words: &[AtomicU64]) {
        if let Some(word) = words.first() {
            word.store(self.0, Relaxed);
        }
    }
}

impl Key for TwoWords {
    #[inline(always)]
    fn hash(self, seed: Seed) -> u64 {
        fold(fold(self.0 ^ seed.first, self.1 ^ seed.second), MULTIPLIER ^ self.1)
    }

    #[inline(always)]
    fn is(self, words: &[AtomicU64]) -> bool {
        words.first_chunk::<2>().is_some_and(|[a, b]| (a.load(Relaxed) ^ self.0) | (b.load(Relaxed) ^ self.1) == 0)
    }

    #[inline(always)]
    fn write(self, words: &[AtomicU64]) {
        if let Some([a, b]) = words.first_chunk::<2>() {
            a.store(self.0, Relaxed);
            b.store(self.1, Relaxed);
        }
    }
}

/// Up to eight bytes as a word.
#[inline]
fn word(bytes: &[u8]) -> u64 {
    let mut padded = [0; 8];
    padded[..bytes.len()].copy_from_slice(bytes);
    u64::from_ne_bytes(padded)
}

impl AnyKey<'_> {
    fn words(self) -> impl Iterator<Item = u64> {
        let (words, rest) = self.0.as_chunks::<8>();
        let last = (!rest.is_empty()).then(|| match self.0.last_chunk::<8>() {
            // A load and a shift in the place of a copy whose length nobody knows.
            Some(tail) => (u64::from_le_bytes(*tail) >> (64 - 8 * rest.len())).to_le(),
            None => word(rest),
        });
        words.iter().map(|bytes| u64::from_ne_bytes(*bytes)).chain(last)
    }
}

impl Key for AnyKey<'_> {
    fn hash(self, seed: Seed) -> u64 {
        let state = self.words().fold(seed.first, |state, word| fold(state ^ word, seed.second ^ word.rotate_left(32)));
        fold(state ^ self.0.len() as u64, MULTIPLIER)
    }

    fn is(self, words: &[AtomicU64]) -> bool {
        self.words().zip(words).all(|(mine, word)| word.load(Relaxed) == mine)
    }

    fn write(self, words: &[AtomicU64]) {
        self.words().zip(words).for_each(|(mine, word)| word.store(mine, Relaxed));
    }
}

/// How the keys of a table travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyShape {
    /// As [`OneWord`] of four bytes.
    Four,
    /// As [`OneWord`] of eight bytes.
    Eight,
    /// As [`TwoWords`].
    Sixteen,
    /// As [`AnyKey`].
    Any,
}

impl KeyShape {
    /// The shape of keys of that length.
    pub(crate) fn of(key_size: usize) -> KeyShape {
        match key_size {
            4 => KeyShape::Four,
            8 => KeyShape::Eight,
            16 => KeyShape::Sixteen,
            _ => KeyShape::Any,
        }
    }
}

/// Evaluates an expression for the key in `$bytes`, a slice of the table's key size, as what its shape says.
macro_rules! with_key {
    ($shape:expr, $bytes:expr, $key:ident => $body:expr) => {{
        let bytes: &[u8] = $bytes;
        match $shape {
            $crate::maps::key::KeyShape::Four | $crate::maps::key::KeyShape::Eight => {
                let $key = $crate::maps::key::one_word(bytes);
                $body
            }
            $crate::maps::key::KeyShape::Sixteen => {
                let $key = $crate::maps::key::two_words(bytes);
                $body
            }
            $crate::maps::key::KeyShape::Any => {
                let $key = $crate::maps::key::AnyKey(bytes);
                $body
            }
        }
    }};
}
pub(crate) use with_key;

/// A key of at most eight bytes.
#[inline]
pub(crate) fn one_word(bytes: &[u8]) -> OneWord {
    OneWord(word(&bytes[..bytes.len().min(8)]))
}

/// A key of sixteen bytes.
#[inline]
pub(crate) fn two_words(bytes: &[u8]) -> TwoWords {
    let (first, second) = bytes.split_at(bytes.len().min(8));
    TwoWords(word(first), word(&second[..second.len().min(8)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Buckets that stay empty when `keys` go into as many buckets, by the low bits and by the tags' bits.
    fn empty(hashes: &[u64], shift: u32) -> usize {
        let mut used = vec![false; hashes.len()];
        for hash in hashes {
            used[(hash >> shift) as usize & (hashes.len() - 1)] = true;
        }
        used.iter().filter(|used| !**used).count()
    }

    #[test]
    fn hashes_spread_counters_multiples_and_differences_in_one_place() {
        let seed = Seed::new(7);
        let count = 4096u64;
        for step in [1, 2, 3, 256, 1 << 20, 1 << 32, 1 << 48, 0x0101_0101_0101_0101] {
            let one: Vec<u64> = (0..count).map(|i| OneWord(i.wrapping_mul(step)).hash(seed)).collect();
            let low: Vec<u64> = (0..count).map(|i| TwoWords(i.wrapping_mul(step), 5).hash(seed)).collect();
            let high: Vec<u64> = (0..count).map(|i| TwoWords(5, i.wrapping_mul(step)).hash(seed)).collect();
            let bytes = |i: u64| [i.wrapping_mul(step).to_ne_bytes(), [3; 8], i.to_be_bytes()].concat();
            let any: Vec<u64> = (0..count).map(|i| AnyKey(&bytes(i)).hash(seed)).collect();
            for (kind, hashes) in [("one", one), ("low", low), ("high", high), ("any", any)] {
                for shift in [0, 40] {
                    // A random function leaves 1/e of the buckets empty: 1507, give or take 30.
                    let empty = empty(&hashes, shift);
                    assert!((1300..1700).contains(&empty), "{kind} times {step:#x}, bits from {shift}: {empty} empty");
                }
            }
        }
    }

    #[test]
    fn keys_of_every_length_are_found_as_they_were_written() {
        for len in 1..40 {
            let bytes: Vec<u8> = (1..=len).collect();
            let words: Vec<AtomicU64> = (0..bytes.len().div_ceil(8)).map(|_| AtomicU64::new(u64::MAX)).collect();
            let shape = KeyShape::of(bytes.len());
            with_key!(shape, &bytes, key => key.write(&words));
            assert!(with_key!(shape, &bytes, key => key.is(&words)));
            for at in 0..bytes.len() {
                let mut other = bytes.clone();
                other[at] ^= 0x80;
                assert!(!with_key!(shape, &other, key => key.is(&words)), "byte {at} of {len}");
            }
        }
    }
}
