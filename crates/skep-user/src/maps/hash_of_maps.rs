//! `BPF_MAP_TYPE_HASH_OF_MAPS`: maps by key.

use super::hash_table::HashTable;
use super::{Definition, InnerShape, MapImplementation, NewValue, Side, flags};
use crate::cpus::{Cpus, Run};
use crate::memory::{ObjectCell, Shared};
use crate::objects::Map;
use skep_abi::errno::Errno;
use std::ops::ControlFlow;
use std::sync::Arc;

/// A hash table whose values are [`ObjectCell`]s.
pub(crate) struct HashOfMaps {
    table: HashTable,
    inner: InnerShape,
    cpus: Arc<Cpus>,
}

/// The cell in an element's value. All values of the table are made and read here alone.
fn cell(value: Shared<'_>) -> ObjectCell<'_, Map> {
    // SAFETY: a fresh value is zeroed before its cell is used, and the values of this map are reached only through this
    // function; programs get the address of the inner map, never of the value.
    unsafe { ObjectCell::new(value) }
}

impl HashOfMaps {
    /// Makes the map, for inner maps of that shape.
    ///
    /// # Errors
    /// E2BIG, ENOMEM.
    pub(crate) fn new(definition: &Definition, inner: InnerShape) -> Result<Self, Errno> {
        let cpus = definition.cpus.clone();
        let table = HashTable::new(definition.max_entries, definition.key_size, 8, definition.seed, cpus.clone())?;
        Ok(HashOfMaps { table, inner, cpus })
    }

    fn get(&self, key: &[u8]) -> Option<Arc<Map>> {
        let bucket = self.table.lock(key);
        let element = bucket.find(key)?;
        // SAFETY: writers of a cell hold its bucket's lock, which we hold.
        unsafe { cell(self.table.value(element)).get() }
    }
}

impl MapImplementation for HashOfMaps {
    fn lookup(&self, key: &[u8], _cpu: u32, run: &Run<'_>) -> u64 {
        let Some(element) = self.table.find(key, run) else { return 0 };
        cell(self.table.value(element)).load(run).map_or(0, |map| std::ptr::from_ref(map) as u64)
    }

    fn read(&self, key: &[u8], _flags: u64, to: &mut [u8]) -> Result<(), Errno> {
        let map = self.get(key).ok_or(Errno::ENOENT)?;
        to[..4].copy_from_slice(&map.id().to_ne_bytes());
        Ok(())
    }

    fn update(&self, key: &[u8], value: NewValue<'_>, flags: u64, _side: Side) -> Result<(), Errno> {
        let NewValue::Descriptor(fd, descriptors) = value else { return Err(Errno::EINVAL) };
        let map = self.inner.check(descriptors.map(fd)?)?;
        super::check_update_flags(flags)?;
        let bucket = self.table.lock(key);
        let old = bucket.find(key);
        match old {
            Some(_) if flags == flags::NO_EXIST => return Err(Errno::EEXIST),
            None if flags == flags::EXIST => return Err(Errno::ENOENT),
            _ => {}
        }
        bucket.insert(key, old, |value| {
            value.zero();
            cell(value).replace(Some(map), &self.cpus);
            Ok(())
        })?;
        if let Some(old) = old {
            cell(self.table.value(old)).replace(None, &self.cpus);
        }
        Ok(())
    }

    fn delete(&self, key: &[u8]) -> Result<(), Errno> {
        let bucket = self.table.lock(key);
        let element = bucket.find(key).ok_or(Errno::ENOENT)?;
        bucket.remove(element);
        cell(self.table.value(element)).replace(None, &self.cpus);
        Ok(())
    }

    fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        self.table.next_key(key, next)
    }

    fn user_value_size(&self) -> usize {
        4
    }

    fn memory_usage(&self) -> u64 {
        self.table.memory_usage()
    }
}

impl Drop for HashOfMaps {
    fn drop(&mut self) {
        let _ = self.table.for_each(&self.cpus.enter(), |element| {
            cell(self.table.value(element)).replace(None, &self.cpus);
            ControlFlow::Continue(())
        });
    }
}
