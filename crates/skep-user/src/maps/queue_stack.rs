//! `BPF_MAP_TYPE_QUEUE` and `BPF_MAP_TYPE_STACK`: values without keys, taken from one end.

use super::{Definition, Kind, MapImplementation, NewValue, Side, flags};
use skep_abi::errno::Errno;
use skep_abi::map_type::MapType;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A queue or a stack.
pub(crate) struct QueueStack {
    values: Mutex<VecDeque<Box<[u8]>>>,
    capacity: usize,
    value_size: usize,
    /// The newest value leaves first.
    last_in_first_out: bool,
}

impl QueueStack {
    /// Makes the map.
    pub(crate) fn new(definition: &Definition) -> Self {
        QueueStack {
            values: Mutex::default(),
            capacity: definition.max_entries as usize,
            value_size: definition.value.size,
            last_in_first_out: definition.map_type == MapType::Stack,
        }
    }

    fn values(&self) -> MutexGuard<'_, VecDeque<Box<[u8]>>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a value; with `EXIST`, in place of the oldest where it is full.
    pub(crate) fn push(&self, value: &[u8], flags: u64) -> Result<(), Errno> {
        let replace = flags & flags::EXIST != 0;
        if flags & flags::NO_EXIST != 0 || flags > flags::EXIST {
            return Err(Errno::EINVAL);
        }
        let mut values = self.values();
        if values.len() >= self.capacity {
            if !replace {
                return Err(Errno::E2BIG);
            }
            values.pop_front();
        }
        values.push_back(value.into());
        Ok(())
    }

    /// Hands the next value to `to`, and removes it where `remove`.
    pub(crate) fn next<R>(&self, remove: bool, to: impl FnOnce(&[u8]) -> R) -> Result<R, Errno> {
        let mut values = self.values();
        let next = if self.last_in_first_out { values.back() } else { values.front() };
        let result = to(next.ok_or(Errno::ENOENT)?);
        if remove {
            if self.last_in_first_out {
                values.pop_back()
            } else {
                values.pop_front()
            };
        }
        Ok(result)
    }
}

impl MapImplementation for QueueStack {
    fn read(&self, _key: &[u8], _flags: u64, to: &mut [u8]) -> Result<(), Errno> {
        self.next(false, |value| to[..self.value_size].copy_from_slice(value))
    }

    fn update(&self, _key: &[u8], value: NewValue<'_>, flags: u64, _side: Side) -> Result<(), Errno> {
        self.push(value.data()?, flags)
    }

    fn delete(&self, _key: &[u8]) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn next_key(&self, _key: Option<&[u8]>, _next: &mut [u8]) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn take(&self, _key: &[u8], _flags: u64, to: &mut [u8]) -> Result<(), Errno> {
        self.next(true, |value| to[..self.value_size].copy_from_slice(value))
    }

    fn user_value_size(&self) -> usize {
        self.value_size
    }

    fn memory_usage(&self) -> u64 {
        (self.values().len() * self.value_size) as u64
    }

    fn kind(&self) -> Kind<'_> {
        Kind::Queue(self)
    }
}
