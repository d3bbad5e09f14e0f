//! `BPF_MAP_TYPE_HASH_OF_MAPS`: maps by key.

use super::hash_table::{HashTable, TableSpec};
use super::key::{Key, with_key};
use super::{Definition, InnerShape, MapImplementation, NewValue, Side, flags};
use crate::cpus::{Cpus, Run};
use crate::memory::{Layout, ObjectCell, Shared};
use crate::objects::Map;
use skep_abi::errno::Errno;
use skep_abi::map_type::MapFlags;
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
        let layout = Layout { header: false, key_size: definition.key_size, value_size: 8 };
        let preallocated = !definition.flags.contains(MapFlags::NO_PREALLOC);
        let budget = definition.budget.clone();
        let spec = TableSpec { capacity: definition.max_entries, layout, seed: definition.seed, preallocated, budget };
        let table = HashTable::new(spec, cpus.clone())?;
        Ok(HashOfMaps { table, inner, cpus })
    }

    fn get<K: Key>(&self, key: K) -> Option<Arc<Map>> {
        let bucket = self.table.lock(key);
        let place = bucket.find()?;
        // SAFETY: writers of a cell hold its bucket's lock, which we hold.
        unsafe { cell(self.table.value(place.element)).get() }
    }

    fn put<K: Key>(&self, key: K, map: Arc<Map>, flags: u64, side: Side) -> Result<(), Errno> {
        let bucket = self.table.lock(key);
        let old = bucket.find();
        match old {
            Some(_) if flags == flags::NO_EXIST => return Err(Errno::EEXIST),
            None if flags == flags::EXIST => return Err(Errno::ENOENT),
            _ => {}
        }
        if let Some(old) = old {
            // One store: programs find the one map or the other.
            cell(self.table.value(old.element)).replace(Some(map), &self.cpus);
            return Ok(());
        }
        bucket.insert(None, side.cpu(), |value| {
            value.zero();
            cell(value).replace(Some(map), &self.cpus);
            Ok(())
        })
    }

    fn remove<K: Key>(&self, key: K, side: Side) -> Result<(), Errno> {
        let bucket = self.table.lock(key);
        let place = bucket.find().ok_or(Errno::ENOENT)?;
        bucket.unlink(place);
        // Before the element may be used again. Programs that found it find the map in it until they end.
        // SAFETY: whoever uses the element again makes its cell anew.
        unsafe { cell(self.table.value(place.element)).retire(&self.cpus) };
        self.table.slab().retire(place.element, side.cpu());
        self.table.give_room();
        Ok(())
    }
}

impl MapImplementation for HashOfMaps {
    fn lookup(&self, key: &[u8], _cpu: u32, run: &Run<'_>) -> u64 {
        let Some(element) = self.table.find(key, run) else { return 0 };
        cell(self.table.value(element)).load(run).map_or(0, |map| std::ptr::from_ref(map) as u64)
    }

    fn read(&self, key: &[u8], _flags: u64, to: &mut [u8]) -> Result<(), Errno> {
        let map = with_key!(self.table.shape(), key, key => self.get(key)).ok_or(Errno::ENOENT)?;
        to[..4].copy_from_slice(&map.id().to_ne_bytes());
        Ok(())
    }

    fn update(&self, key: &[u8], value: NewValue<'_>, flags: u64, side: Side) -> Result<(), Errno> {
        let NewValue::Descriptor(fd, descriptors) = value else { return Err(Errno::EINVAL) };
        let map = self.inner.check(descriptors.map(fd)?)?;
        super::check_update_flags(flags)?;
        with_key!(self.table.shape(), key, key => self.put(key, map, flags, side))
    }

    fn delete(&self, key: &[u8], side: Side) -> Result<(), Errno> {
        with_key!(self.table.shape(), key, key => self.remove(key, side))
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
