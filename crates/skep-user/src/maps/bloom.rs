//! `BPF_MAP_TYPE_BLOOM_FILTER`: values that were surely not, or perhaps, put in.

use super::{Definition, Kind, MapImplementation, NewValue, Side, flags};
use crate::memory::Region;
use skep_abi::errno::Errno;
use std::sync::atomic::Ordering::Relaxed;

/// A bloom filter.
pub(crate) struct BloomFilter {
    bits: Region,
    mask: u64,
    hashes: u64,
    seed: u64,
    value_size: usize,
}

const DEFAULT_HASHES: u64 = 5;

impl BloomFilter {
    /// Makes the filter. The low four bits of `map_extra` are the number of hash functions.
    ///
    /// # Errors
    /// EINVAL for other bits, ENOMEM.
    pub(crate) fn new(definition: &Definition) -> Result<Self, Errno> {
        if definition.extra & !0xf != 0 {
            return Err(Errno::EINVAL);
        }
        let hashes = if definition.extra == 0 { DEFAULT_HASHES } else { definition.extra };
        // The best number of bits for n entries and k hash functions is n * k / ln 2.
        let wanted = (u64::from(definition.max_entries) * hashes / 5 * 7).max(64);
        let bits = wanted.next_power_of_two().min(1 << 32);
        Ok(BloomFilter {
            bits: Region::new((bits / 8) as usize).ok_or(Errno::ENOMEM)?,
            mask: bits - 1,
            hashes,
            seed: definition.seed,
            value_size: definition.value.size,
        })
    }

    fn positions(&self, value: &[u8]) -> impl Iterator<Item = (usize, u32)> {
        let (first, second) = (digest(value, self.seed), digest(value, !self.seed) | 1);
        (0..self.hashes).map(move |i| {
            let bit = first.wrapping_add(i.wrapping_mul(second)) & self.mask;
            ((bit / 32 * 4) as usize, 1 << (bit % 32))
        })
    }

    /// Puts a value in.
    pub(crate) fn push(&self, value: &[u8], flags: u64) -> Result<(), Errno> {
        if flags != flags::ANY {
            return Err(Errno::EINVAL);
        }
        for (word, bit) in self.positions(value) {
            self.bits.bytes().word(word).fetch_or(bit, Relaxed);
        }
        Ok(())
    }

    /// Whether it may have been put in: ENOENT if surely not.
    pub(crate) fn peek(&self, value: &[u8]) -> Result<(), Errno> {
        let all = self.positions(value).all(|(word, bit)| self.bits.bytes().word(word).load(Relaxed) & bit != 0);
        if all { Ok(()) } else { Err(Errno::ENOENT) }
    }
}

fn digest(value: &[u8], seed: u64) -> u64 {
    value.iter().fold(seed ^ 0xcbf2_9ce4_8422_2325, |state, byte| {
        let mixed = (state ^ u64::from(*byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 29)
    })
}

impl MapImplementation for BloomFilter {
    /// User space asks with the value it passes.
    fn read(&self, _key: &[u8], _flags: u64, to: &mut [u8]) -> Result<(), Errno> {
        self.peek(&to[..self.value_size])
    }

    fn update(&self, _key: &[u8], value: NewValue<'_>, flags: u64, _side: Side) -> Result<(), Errno> {
        self.push(value.data()?, flags)
    }

    fn delete(&self, _key: &[u8], _side: Side) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn next_key(&self, _key: Option<&[u8]>, _next: &mut [u8]) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn user_value_size(&self) -> usize {
        self.value_size
    }

    fn memory_usage(&self) -> u64 {
        self.bits.bytes().len() as u64
    }

    fn kind(&self) -> Kind<'_> {
        Kind::Bloom(self)
    }
}
