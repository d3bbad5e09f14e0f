//! `BPF_MAP_TYPE_HASH`, `PERCPU_HASH`, `LRU_HASH` and `LRU_PERCPU_HASH`: one table, values per CPU or not, evicting or not.

use super::hash_direct;
use super::hash_table::{HashTable, LockedBucket, Place, TableSpec};
use super::key::{Key, with_key};
use super::lru::{Full, Lru};
use super::value::Source;
use super::{Definition, MapImplementation, NewValue, Operation, Side, ValueFormat, Visit, flags};
use crate::cpus::{Cpus, Run};
use crate::memory::{Element, Layout, Shared};
use skep_abi::errno::Errno;
use skep_abi::map_type::{MapFlags, MapType};
use skep_engine::Direct;
use std::sync::Arc;

/// A hash map.
pub(crate) struct Hash {
    pub(super) table: HashTable,
    pub(super) values: Values,
    /// Only evicting maps have it.
    pub(super) lru: Option<Lru>,
    cpus: Arc<Cpus>,
}

/// How the bytes of an element's value are laid out.
pub(super) struct Values {
    pub(super) format: ValueFormat,
    /// One value per CPU, at multiples of eight bytes.
    pub(super) per_cpu: Option<usize>,
}

impl Hash {
    /// Makes the map.
    ///
    /// # Errors
    /// E2BIG if no kernel could hold it, ENOMEM if this machine cannot.
    pub(crate) fn new(definition: &Definition) -> Result<Hash, Errno> {
        let per_cpu = matches!(definition.map_type, MapType::PerCpuHash | MapType::LruPerCpuHash);
        let evicts = matches!(definition.map_type, MapType::LruHash | MapType::LruPerCpuHash);
        let cpus = definition.cpus.clone();
        let values = Values { format: definition.value.clone(), per_cpu: per_cpu.then(|| cpus.count()) };
        let own_lists = definition.flags.contains(MapFlags::NO_COMMON_LRU);
        let capacity = if own_lists { of_lists(definition.max_entries, cpus.count()) } else { definition.max_entries };
        let lru = evicts.then(|| if own_lists { Lru::per_cpu(capacity, cpus.count()) } else { Lru::common() });
        let layout = Layout { header: evicts, key_size: definition.key_size, value_size: values.size() };
        let preallocated = !definition.flags.contains(MapFlags::NO_PREALLOC);
        let (seed, budget) = (definition.seed, definition.budget.clone());
        let spec = TableSpec { capacity, layout, seed, preallocated, budget };
        let table = HashTable::new(spec, cpus.clone())?;
        Ok(Hash { table, values, lru, cpus })
    }

    /// The element of a key is in use.
    #[inline(always)]
    pub(super) fn touch(&self, element: Element) {
        if self.lru.is_some() {
            Lru::touch(&self.table, element);
        }
    }

    /// Creates or replaces an element. `source` has been checked, the flags too.
    #[inline(always)]
    pub(super) fn update_key<K: Key, V: Source>(&self, key: K, source: V, flags: u64, side: Side) -> Result<(), Errno> {
        // Per-CPU values are written in place by their CPU; locked values under their lock.
        let in_place = self.values.per_cpu.is_some() || flags & flags::LOCK != 0;
        if let Some(lru) = &self.lru {
            return self.update_evicting(lru, key, source, flags, side, in_place);
        }
        let bucket = self.table.lock(key);
        let old = bucket.find();
        check_existence(old.is_some(), flags)?;
        if let Some(old) = old.filter(|_| in_place) {
            return self.write_in_place(old.element, source, flags, side);
        }
        bucket.insert(old, side.cpu(), |value| {
            self.values.write(value, source, side, true);
            Ok(())
        })
    }

    fn write_in_place(&self, element: Element, source: impl Source, flags: u64, side: Side) -> Result<(), Errno> {
        let value = self.table.value(element);
        let _guard = self.values.format.guard(value, flags)?;
        self.values.write(value, source, side, false);
        self.touch(element);
        Ok(())
    }

    /// An element comes into its list before it is linked, and leaves it after it is unlinked: only so can nobody find
    /// one that is in no list.
    #[inline(never)]
    fn update_evicting<K: Key, V: Source>(
        &self,
        lru: &Lru,
        key: K,
        source: V,
        flags: u64,
        side: Side,
        in_place: bool,
    ) -> Result<(), Errno> {
        let (table, slab) = (&self.table, self.table.slab());
        let cpu = side.cpu().unwrap_or_else(|| self.cpus.last());
        // Others may take the room, or make or remove the element, between one step and the next.
        for _ in 0..64 {
            if in_place {
                let bucket = table.lock(key);
                let old = bucket.find();
                check_existence(old.is_some(), flags)?;
                if let Some(old) = old {
                    return self.write_in_place(old.element, source, flags, side);
                }
            }
            let exists = match side {
                Side::Program { .. } => table.find_key(key).is_some(),
                Side::User => table.lock(key).find().is_some(),
            };
            check_existence(exists, flags)?;
            let element = slab.allocate(side.cpu()).ok_or(Errno::ENOMEM)?;
            key.write(slab.key(element));
            self.values.write(slab.value(element), source, side, true);
            match lru.add(table, element, cpu, table.home(key), !exists) {
                Ok(None) => {}
                Ok(Some(victim)) => slab.retire(victim, side.cpu()),
                Err(Full) => {
                    slab.give_back(element, side.cpu());
                    continue;
                }
            }
            // The bucket is not locked any more when a list is.
            let linked = link_listed(table.lock(key), element, !exists);
            match linked {
                Ok(None) => return Ok(()),
                Ok(Some(old)) => {
                    self.forget(lru, old.element, side);
                    return Ok(());
                }
                Err(errno) => {
                    self.forget(lru, element, side);
                    if !exists {
                        table.give_room();
                    }
                    if errno != CHANGED {
                        return Err(errno);
                    }
                }
            }
        }
        Err(Errno::ENOMEM)
    }

    /// Takes an unlinked element out of its list, to be used again.
    fn forget(&self, lru: &Lru, element: Element, side: Side) {
        lru.remove(&self.table, element);
        self.table.slab().retire(element, side.cpu());
    }

    /// Removes an element.
    #[inline]
    pub(super) fn delete_key<K: Key>(&self, key: K, side: Side) -> Result<(), Errno> {
        let bucket = self.table.lock(key);
        let place = bucket.find().ok_or(Errno::ENOENT)?;
        self.remove(bucket, place, side);
        Ok(())
    }

    fn remove<K: Key>(&self, bucket: LockedBucket<'_, K>, place: Place, side: Side) {
        match &self.lru {
            None => bucket.remove(place, side.cpu()),
            Some(lru) => {
                bucket.unlink(place);
                drop(bucket);
                self.forget(lru, place.element, side);
                self.table.give_room();
            }
        }
    }

    fn take_key<K: Key>(&self, key: K, flags: u64, to: &mut [u8]) -> Result<(), Errno> {
        let bucket = self.table.lock(key);
        let place = bucket.find().ok_or(Errno::ENOENT)?;
        let value = self.table.value(place.element);
        let guard = self.values.format.guard(value, flags)?;
        self.values.read(value, to);
        // Before the element may be used again.
        drop(guard);
        self.remove(bucket, place, Side::User);
        Ok(())
    }

    fn read_key<K: Key>(&self, key: K, flags: u64, to: &mut [u8]) -> Result<(), Errno> {
        let bucket = self.table.lock(key);
        let value = self.table.value(bucket.find().ok_or(Errno::ENOENT)?.element);
        let _guard = self.values.format.guard(value, flags)?;
        self.values.read(value, to);
        Ok(())
    }

    /// What is checked before anything else of an update.
    #[inline]
    pub(super) fn check_flags(&self, flags: u64) -> Result<(), Errno> {
        super::check_update_flags(flags)?;
        if flags & flags::LOCK != 0 && self.values.format.spin_lock.is_none() {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }
}

/// Somebody else made or removed the element meanwhile.
const CHANGED: Errno = Errno::EAGAIN;

/// Links an element that is in its list, and says what it replaced. It replaces one exactly where it is not `fresh`.
fn link_listed<K: Key>(bucket: LockedBucket<'_, K>, element: Element, fresh: bool) -> Result<Option<Place>, Errno> {
    match bucket.find() {
        Some(old) if !fresh => {
            bucket.replace(old, element);
            Ok(Some(old))
        }
        None if fresh => bucket.link(element).map(|()| None),
        _ => Err(CHANGED),
    }
}

/// Elements that a map with lists for each CPU has: as many for each.
fn of_lists(max_entries: u32, cpus: usize) -> u32 {
    let cpus = cpus as u32;
    max_entries.checked_next_multiple_of(cpus).unwrap_or(max_entries - max_entries % cpus)
}

fn check_existence(exists: bool, flags: u64) -> Result<(), Errno> {
    match flags & !flags::LOCK {
        flags::NO_EXIST if exists => Err(Errno::EEXIST),
        flags::EXIST if !exists => Err(Errno::ENOENT),
        _ => Ok(()),
    }
}

impl Values {
    fn size(&self) -> usize {
        self.per_cpu.map_or(self.format.size, |cpus| cpus * self.format.stride())
    }

    /// The value of a CPU, or the only one.
    #[inline]
    pub(super) fn of_cpu<'a>(&self, value: Shared<'a>, cpu: usize) -> Option<Shared<'a>> {
        match self.per_cpu {
            None => Some(value),
            Some(cpus) if cpu < cpus => Some(value.part(cpu * self.format.stride(), self.format.size)),
            Some(_) => None,
        }
    }

    fn read(&self, value: Shared<'_>, to: &mut [u8]) {
        let Some(cpus) = self.per_cpu else { return self.format.read(value, to) };
        let stride = self.format.stride();
        for (cpu, to) in to.chunks_exact_mut(stride).enumerate().take(cpus) {
            self.format.read_padded(value.part(cpu * stride, stride), to);
        }
    }

    /// Writes a value; in a `fresh` element, what is not written becomes zero.
    #[inline(always)]
    fn write(&self, value: Shared<'_>, source: impl Source, side: Side, fresh: bool) {
        if fresh && (self.per_cpu.is_some() || !self.format.kernel_fields.is_empty()) {
            value.zero();
        }
        let Some(cpus) = self.per_cpu else { return self.format.write(value, source) };
        let (size, stride) = (self.format.size, self.format.stride());
        match side {
            Side::Program { cpu } => self.format.write(value.part(cpu as usize * stride, size), source),
            Side::User => {
                for start in (0..cpus).map(|cpu| cpu * stride) {
                    self.format.write_padded(value.part(start, stride), source.from(start));
                }
            }
        }
    }
}

impl MapImplementation for Hash {
    fn lookup(&self, key: &[u8], cpu: u32, run: &Run<'_>) -> u64 {
        let Some(element) = self.table.find(key, run) else { return 0 };
        self.touch(element);
        self.values.of_cpu(self.table.value(element), cpu as usize).map_or(0, Shared::address)
    }

    fn read(&self, key: &[u8], flags: u64, to: &mut [u8]) -> Result<(), Errno> {
        with_key!(self.table.shape(), key, key => self.read_key(key, flags, to))
    }

    fn update(&self, key: &[u8], value: NewValue<'_>, flags: u64, side: Side) -> Result<(), Errno> {
        self.check_flags(flags)?;
        let source = value.data()?;
        with_key!(self.table.shape(), key, key => self.update_key(key, source, flags, side))
    }

    fn delete(&self, key: &[u8], side: Side) -> Result<(), Errno> {
        with_key!(self.table.shape(), key, key => self.delete_key(key, side))
    }

    fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        self.table.next_key(key, next)
    }

    fn take(&self, key: &[u8], flags: u64, to: &mut [u8]) -> Result<(), Errno> {
        with_key!(self.table.shape(), key, key => self.take_key(key, flags, to))
    }

    fn user_value_size(&self) -> usize {
        self.values.size()
    }

    fn for_each(&self, run: &Run<'_>, visit: Visit<'_>) -> Result<i64, Errno> {
        let mut visited = 0;
        let _ = self.table.for_each(run, |element| {
            visited += 1;
            let value = self.values.of_cpu(self.table.value(element), run.cpu() as usize);
            visit(self.table.slab().key_address(element), value.map_or(0, Shared::address))
        });
        Ok(visited)
    }

    fn memory_usage(&self) -> u64 {
        self.table.memory_usage()
    }

    fn direct(&self, operation: Operation) -> Option<Direct> {
        hash_direct::direct(self, operation)
    }
}
