//! `BPF_MAP_TYPE_QUEUE` and `BPF_MAP_TYPE_STACK`: values without keys, taken from one end.

use super::direct::{self, answer, bytes_at, map_at, memory_at};
use super::{Definition, Kind, MapImplementation, NewValue, Operation, Side, flags, spin_lock, spin_unlock};
use crate::memory::{Region, Shared};
use skep_abi::errno::Errno;
use skep_abi::map_type::MapType;
use skep_engine::{Direct, RunFacts};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// A queue or a stack: places in a circle, used one after the other.
pub(crate) struct QueueStack {
    places: Region,
    stride: usize,
    capacity: usize,
    value_size: usize,
    /// The newest value leaves first.
    last_in_first_out: bool,
    ends: Ends,
}

/// Where values are: touched with the lock held.
#[derive(Default)]
#[repr(align(128))]
struct Ends {
    lock: AtomicU32,
    /// Place of the oldest value.
    oldest: AtomicU32,
    /// Number of values.
    len: AtomicU32,
}

/// The map's lock, held.
struct Locked<'a>(&'a QueueStack);

impl QueueStack {
    /// Makes the map.
    ///
    /// # Errors
    /// E2BIG if no kernel could hold it, ENOMEM if this machine cannot.
    pub(crate) fn new(definition: &Definition) -> Result<Self, Errno> {
        let (stride, capacity) = (definition.value.stride(), definition.max_entries as usize);
        let places = Region::new(stride.checked_mul(capacity).ok_or(Errno::E2BIG)?).ok_or(Errno::ENOMEM)?;
        Ok(QueueStack {
            places,
            stride,
            capacity,
            value_size: definition.value.size,
            last_in_first_out: definition.map_type == MapType::Stack,
            ends: Ends::default(),
        })
    }

    fn lock(&self) -> Locked<'_> {
        spin_lock(&self.ends.lock);
        Locked(self)
    }

    /// Adds a value; with `EXIST`, in place of the oldest where it is full.
    pub(crate) fn push(&self, value: &[u8], flags: u64) -> Result<(), Errno> {
        let replace = flags & flags::EXIST != 0;
        if flags & flags::NO_EXIST != 0 || flags > flags::EXIST {
            return Err(Errno::EINVAL);
        }
        let values = self.lock();
        if values.len() >= self.capacity {
            if !replace {
                return Err(Errno::E2BIG);
            }
            values.drop_oldest();
        }
        values.place(values.len()).write(&value[..self.value_size]);
        values.set_len(values.len() + 1);
        Ok(())
    }

    /// Hands the next value to `to`, and removes it where `remove`.
    pub(crate) fn next<R>(&self, remove: bool, to: impl FnOnce(Shared<'_>) -> R) -> Result<R, Errno> {
        let values = self.lock();
        let last = values.len().checked_sub(1).ok_or(Errno::ENOENT)?;
        let result = to(values.place(if self.last_in_first_out { last } else { 0 }));
        match (remove, self.last_in_first_out) {
            (false, _) => {}
            (true, true) => values.set_len(last),
            (true, false) => values.drop_oldest(),
        }
        Ok(result)
    }
}

impl<'a> Locked<'a> {
    fn len(&self) -> usize {
        self.0.ends.len.load(Relaxed) as usize
    }

    fn set_len(&self, len: usize) {
        self.0.ends.len.store(len as u32, Relaxed);
    }

    /// Place number `index`, counted from the oldest value.
    fn place(&self, index: usize) -> Shared<'a> {
        let map = self.0;
        let at = map.ends.oldest.load(Relaxed) as usize + index;
        let at = if at >= map.capacity { at - map.capacity } else { at };
        map.places.bytes().part(at * map.stride, map.value_size)
    }

    fn drop_oldest(&self) {
        let second = self.0.ends.oldest.load(Relaxed) as usize + 1;
        self.0.ends.oldest.store(if second == self.0.capacity { 0 } else { second as u32 }, Relaxed);
        self.set_len(self.len() - 1);
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        spin_unlock(&self.0.ends.lock);
    }
}

impl MapImplementation for QueueStack {
    fn read(&self, _key: &[u8], _flags: u64, to: &mut [u8]) -> Result<(), Errno> {
        self.next(false, |value| value.read(&mut to[..self.value_size]))
    }

    fn update(&self, _key: &[u8], value: NewValue<'_>, flags: u64, _side: Side) -> Result<(), Errno> {
        self.push(value.data()?, flags)
    }

    fn delete(&self, _key: &[u8], _side: Side) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn next_key(&self, _key: Option<&[u8]>, _next: &mut [u8]) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn take(&self, _key: &[u8], _flags: u64, to: &mut [u8]) -> Result<(), Errno> {
        self.next(true, |value| value.read(&mut to[..self.value_size]))
    }

    fn user_value_size(&self) -> usize {
        self.value_size
    }

    fn memory_usage(&self) -> u64 {
        self.places.bytes().len() as u64
    }

    fn direct(&self, operation: Operation) -> Option<Direct> {
        match operation {
            Operation::Push => direct::on(self, push),
            Operation::Pop => direct::on(self, next::<true>),
            Operation::Peek => direct::on(self, next::<false>),
            _ => None,
        }
    }

    fn kind(&self) -> Kind<'_> {
        Kind::Queue(self)
    }
}

/// `bpf_map_push_elem`.
///
/// # Safety
/// As [`skep_engine::DirectFunction`] says; r1 is the address of a [`QueueStack`].
unsafe extern "C" fn push(map: u64, value: u64, flags: u64, _: u64, _: u64, _: *mut RunFacts) -> u64 {
    // SAFETY: the contract of this function.
    let map = unsafe { map_at::<QueueStack>(map) };
    // SAFETY: the verifier proved that a value is there.
    let value = unsafe { bytes_at(value, map.value_size) };
    answer(map.push(&value, flags))
}

/// `bpf_map_pop_elem` and `bpf_map_peek_elem`. Where there is no value, zeroes are written.
///
/// # Safety
/// As [`skep_engine::DirectFunction`] says; r1 is the address of a [`QueueStack`].
unsafe extern "C" fn next<const REMOVE: bool>(map: u64, to: u64, _: u64, _: u64, _: u64, _: *mut RunFacts) -> u64 {
    // SAFETY: the contract of this function.
    let map = unsafe { map_at::<QueueStack>(map) };
    // SAFETY: the verifier proved that there is room for a value.
    let to = unsafe { memory_at(to, map.value_size) };
    let result = map.next(REMOVE, |value| to.copy_from(value));
    if result.is_err() {
        to.zero();
    }
    answer(result)
}
