//! Operations on maps as plain functions, for compiled programs: see [`skep_engine::DirectFunction`].
//!
//! r1 is the address of the map's implementation, which the linker puts in the place of the map's own. Every function
//! here relies on its contract: pointers among the arguments are what the verifier proved of the helper's arguments, and
//! the caller holds the CPU that the facts name, in a run that keeps the map alive.

use super::{MapImplementation, NewValue, Operation, Side};
use crate::memory::Shared;
use skep_abi::errno::Errno;
use skep_engine::{Direct, DirectFunction, RunFacts};
use std::ops::Deref;

/// A map of keys and values whose sizes direct functions have to know.
pub(super) trait ElementSizes: MapImplementation {
    /// Bytes of a key.
    fn key_size(&self) -> usize;

    /// Bytes of a value as programs see it.
    fn value_size(&self) -> usize;
}

/// The address by which [`map_at`] finds a map.
pub(super) fn address_of<T>(map: &T) -> u64 {
    std::ptr::from_ref(map).expose_provenance() as u64
}

/// The map at an address.
///
/// # Safety
/// It is that of a living `T`, as [`address_of`] gave it.
#[inline(always)]
pub(super) unsafe fn map_at<'a, T>(address: u64) -> &'a T {
    // SAFETY: the caller's promise.
    unsafe { &*std::ptr::with_exposed_provenance(address as usize) }
}

/// Bytes of the program's memory.
///
/// # Safety
/// So many are readable there. What another thread writes there meanwhile may come half old, half new.
#[inline(always)]
pub(super) unsafe fn array_at<const SIZE: usize>(address: u64) -> [u8; SIZE] {
    // SAFETY: readable by the contract; bytes need no alignment, and any are valid.
    unsafe { std::ptr::with_exposed_provenance::<[u8; SIZE]>(address as usize).read_volatile() }
}

/// A word of the program's memory, at any address.
///
/// # Safety
/// Eight bytes are readable there; as [`array_at`].
#[inline(always)]
pub(super) unsafe fn word_at(address: u64) -> u64 {
    // SAFETY: the caller's promise; the read asks for no alignment.
    unsafe { std::ptr::with_exposed_provenance::<u64>(address as usize).read_unaligned() }
}

/// A short-lived copy of a program's bytes: on the stack where it is small.
pub(crate) enum Copied {
    Small([u8; Copied::SMALL], usize),
    Large(Vec<u8>),
}

impl Copied {
    const SMALL: usize = 64;
}

impl Deref for Copied {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Copied::Small(bytes, len) => &bytes[..*len],
            Copied::Large(bytes) => bytes,
        }
    }
}

/// A copy of the program's memory.
///
/// # Safety
/// `len` bytes are readable there.
#[inline]
pub(crate) unsafe fn bytes_at(address: u64, len: usize) -> Copied {
    // SAFETY: only read, within the call.
    let memory = unsafe { Shared::new(address, len) };
    if len <= Copied::SMALL {
        let mut bytes = [0; Copied::SMALL];
        memory.read(&mut bytes[..len]);
        Copied::Small(bytes, len)
    } else {
        Copied::Large(memory.to_vec())
    }
}

/// Memory of the program that a helper reads or fills.
///
/// # Safety
/// `len` bytes are readable there, writable where it is written, and used only within the call.
#[inline]
pub(super) unsafe fn memory_at<'a>(address: u64, len: usize) -> Shared<'a> {
    // SAFETY: the caller's promise.
    unsafe { Shared::new(address, len) }
}

/// The facts of the run.
///
/// # Safety
/// They are there, and nobody else uses them during the call.
#[inline(always)]
pub(super) unsafe fn side(facts: *mut RunFacts) -> Side {
    // SAFETY: the caller's promise.
    Side::Program { cpu: unsafe { (*facts).cpu } }
}

/// r0 for a result.
#[inline]
pub(crate) fn answer(result: Result<(), Errno>) -> u64 {
    match result {
        Ok(()) => 0,
        Err(errno) => i64::from(-errno.0).cast_unsigned(),
    }
}

/// A function that works on that map.
pub(super) fn on<T>(map: &T, function: DirectFunction) -> Option<Direct> {
    Some(Direct::Function { function, data: Some(address_of(map)) })
}

/// What can be done with the elements of a map: looking them up by that function, and the rest by the map's own methods.
pub(super) fn of_elements<T: ElementSizes>(map: &T, operation: Operation, lookup: DirectFunction) -> Option<Direct> {
    match operation {
        Operation::Lookup => on(map, lookup),
        Operation::Update => on(map, update::<T>),
        Operation::Delete => on(map, delete::<T>),
        _ => None,
    }
}

/// `bpf_map_update_elem`.
///
/// # Safety
/// As [`DirectFunction`] says; r1 is the address of a `T`.
pub(super) unsafe extern "C" fn update<T: ElementSizes>(
    map: u64,
    key: u64,
    value: u64,
    flags: u64,
    _: u64,
    facts: *mut RunFacts,
) -> u64 {
    // SAFETY: the contract of this function.
    let (map, side) = unsafe { (map_at::<T>(map), side(facts)) };
    // SAFETY: the verifier proved that a key and a value are there.
    let (key, value) = unsafe { (bytes_at(key, map.key_size()), bytes_at(value, map.value_size())) };
    answer(map.update(&key, NewValue::Data(&value), flags, side))
}

/// `bpf_map_delete_elem`.
///
/// # Safety
/// As [`DirectFunction`] says; r1 is the address of a `T`.
pub(super) unsafe extern "C" fn delete<T: ElementSizes>(
    map: u64,
    key: u64,
    _: u64,
    _: u64,
    _: u64,
    facts: *mut RunFacts,
) -> u64 {
    // SAFETY: the contract of this function.
    let (map, side) = unsafe { (map_at::<T>(map), side(facts)) };
    // SAFETY: the verifier proved that a key is there.
    let key = unsafe { bytes_at(key, map.key_size()) };
    answer(map.delete(&key, side))
}
