//! Hash maps for compiled programs: a function for each length of key that travels in registers, and each kind of value.

use super::Operation;
use super::direct::{answer, array_at, bytes_at, map_at, memory_at, on, side, word_at};
use super::hash::Hash;
use super::key::{AnyKey, Key, KeyShape, OneWord, Seed, TwoWords};
use super::lru::Lru;
use crate::memory::Shared;
use skep_engine::{Direct, DirectFunction, RunFacts};
use std::sync::atomic::AtomicU64;

/// A key that stands in the program's memory.
trait ProgramKey: Key {
    /// Reads it.
    ///
    /// # Safety
    /// A whole key of this kind is readable at the address.
    unsafe fn at(address: u64) -> Self;
}

/// A key of four bytes.
#[derive(Clone, Copy)]
struct FourBytes(OneWord);

impl Key for FourBytes {
    #[inline(always)]
    fn hash(self, seed: Seed) -> u64 {
        self.0.hash(seed)
    }

    #[inline(always)]
    fn is(self, words: &[AtomicU64]) -> bool {
        self.0.is(words)
    }

    #[inline(always)]
    fn write(self, words: &[AtomicU64]) {
        self.0.write(words);
    }
}

impl ProgramKey for FourBytes {
    #[inline(always)]
    unsafe fn at(address: u64) -> Self {
        // SAFETY: the caller's promise.
        let bytes: [u8; 4] = unsafe { array_at(address) };
        let mut padded = [0; 8];
        padded[..4].copy_from_slice(&bytes);
        FourBytes(OneWord(u64::from_ne_bytes(padded)))
    }
}

impl ProgramKey for OneWord {
    #[inline(always)]
    unsafe fn at(address: u64) -> Self {
        // SAFETY: the caller's promise.
        OneWord(unsafe { word_at(address) })
    }
}

impl ProgramKey for TwoWords {
    #[inline(always)]
    unsafe fn at(address: u64) -> Self {
        // SAFETY: the caller's promise.
        unsafe { TwoWords(word_at(address), word_at(address + 8)) }
    }
}

/// What a direct call does with a hash map.
struct Functions {
    lookup: [DirectFunction; 4],
    update: DirectFunction,
    delete: DirectFunction,
}

const fn functions<K: ProgramKey>() -> Functions {
    Functions {
        lookup: [lookup::<K, PLAIN>, lookup::<K, EVICTING>, lookup::<K, PER_CPU>, lookup::<K, { EVICTING | PER_CPU }>],
        update: update::<K>,
        delete: delete::<K>,
    }
}

// Kinds of hash maps.
const PLAIN: usize = 0;
const EVICTING: usize = 1;
const PER_CPU: usize = 2;

/// What stands in the place of a helper call.
pub(super) fn direct(hash: &Hash, operation: Operation) -> Option<Direct> {
    let functions = match hash.table.shape() {
        KeyShape::Four => functions::<FourBytes>(),
        KeyShape::Eight => functions::<OneWord>(),
        KeyShape::Sixteen => functions::<TwoWords>(),
        KeyShape::Any => Functions { lookup: [lookup_any; 4], update: update_any, delete: delete_any },
    };
    let evicting = if hash.lru.is_some() { EVICTING } else { PLAIN };
    let kind = evicting | if hash.values.per_cpu.is_some() { PER_CPU } else { PLAIN };
    match operation {
        Operation::Lookup => on(hash, functions.lookup[kind]),
        Operation::Update => on(hash, functions.update),
        Operation::Delete => on(hash, functions.delete),
        _ => None,
    }
}

#[inline(always)]
fn find<K: Key>(hash: &Hash, key: K, cpu: u32, kind: usize) -> u64 {
    let Some(element) = hash.table.find_key(key) else { return 0 };
    if kind & EVICTING != 0 {
        Lru::touch(&hash.table, element);
    }
    let value = hash.table.value(element);
    if kind & PER_CPU == 0 {
        return value.address();
    }
    hash.values.of_cpu(value, cpu as usize).map_or(0, Shared::address)
}

/// # Safety
/// As [`DirectFunction`] says; r1 is the address of a [`Hash`] of that kind and with keys of that length.
unsafe extern "C" fn lookup<K: ProgramKey, const KIND: usize>(
    hash: u64,
    key: u64,
    _: u64,
    _: u64,
    _: u64,
    facts: *mut RunFacts,
) -> u64 {
    // SAFETY: the contract of this function; the verifier proved that a key is there.
    let (hash, key) = unsafe { (map_at::<Hash>(hash), K::at(key)) };
    // SAFETY: the contract of this function.
    let cpu = if KIND & PER_CPU == 0 { 0 } else { unsafe { (*facts).cpu } };
    find(hash, key, cpu, KIND)
}

/// # Safety
/// As [`lookup`], for any kind and length.
unsafe extern "C" fn lookup_any(hash: u64, key: u64, _: u64, _: u64, _: u64, facts: *mut RunFacts) -> u64 {
    // SAFETY: the contract of this function.
    let (hash, cpu) = unsafe { (map_at::<Hash>(hash), (*facts).cpu) };
    // SAFETY: the verifier proved that a key is there.
    let key = unsafe { bytes_at(key, hash.table.key_size()) };
    let evicting = if hash.lru.is_some() { EVICTING } else { PLAIN };
    find(hash, AnyKey(&key), cpu, evicting | PER_CPU)
}

/// # Safety
/// As [`update`].
#[inline]
unsafe fn update_with<K: Key>(hash: &Hash, key: K, value: u64, flags: u64, facts: *mut RunFacts) -> u64 {
    // SAFETY: the contract of this function; the verifier proved that a value is there.
    let (value, side) = unsafe { (memory_at(value, hash.values.format.size), side(facts)) };
    answer(hash.check_flags(flags).and_then(|()| hash.update_key(key, value, flags, side)))
}

/// # Safety
/// As [`lookup`], for any kind.
unsafe extern "C" fn update<K: ProgramKey>(
    hash: u64,
    key: u64,
    value: u64,
    flags: u64,
    _: u64,
    facts: *mut RunFacts,
) -> u64 {
    // SAFETY: the contract of this function; the verifier proved that a key is there.
    let (hash, key) = unsafe { (map_at::<Hash>(hash), K::at(key)) };
    // SAFETY: the same contract.
    unsafe { update_with(hash, key, value, flags, facts) }
}

/// # Safety
/// As [`lookup_any`].
unsafe extern "C" fn update_any(hash: u64, key: u64, value: u64, flags: u64, _: u64, facts: *mut RunFacts) -> u64 {
    // SAFETY: the contract of this function.
    let hash = unsafe { map_at::<Hash>(hash) };
    // SAFETY: the verifier proved that a key is there.
    let key = unsafe { bytes_at(key, hash.table.key_size()) };
    // SAFETY: the same contract.
    unsafe { update_with(hash, AnyKey(&key), value, flags, facts) }
}

/// # Safety
/// As [`lookup`], for any kind.
unsafe extern "C" fn delete<K: ProgramKey>(hash: u64, key: u64, _: u64, _: u64, _: u64, facts: *mut RunFacts) -> u64 {
    // SAFETY: the contract of this function; the verifier proved that a key is there.
    let (hash, key, side) = unsafe { (map_at::<Hash>(hash), K::at(key), side(facts)) };
    answer(hash.delete_key(key, side))
}

/// # Safety
/// As [`lookup_any`].
unsafe extern "C" fn delete_any(hash: u64, key: u64, _: u64, _: u64, _: u64, facts: *mut RunFacts) -> u64 {
    // SAFETY: the contract of this function.
    let (hash, side) = unsafe { (map_at::<Hash>(hash), side(facts)) };
    // SAFETY: the verifier proved that a key is there.
    let key = unsafe { bytes_at(key, hash.table.key_size()) };
    answer(hash.delete_key(AnyKey(&key), side))
}
