//! `BPF_MAP_TYPE_HASH`, `PERCPU_HASH`, `LRU_HASH` and `LRU_PERCPU_HASH`: one table, values per CPU or not, evicting or not.
//!
//! Lock order: the clock's lock before a bucket's.

use super::hash_table::HashTable;
use super::{Definition, MapImplementation, NewValue, Side, ValueFormat, Visit, flags};
use crate::cpus::Run;
use crate::memory::{Element, Shared};
use skep_abi::errno::Errno;
use skep_abi::map_type::MapType;
use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

/// A hash map.
pub(crate) struct Hash {
    table: HashTable,
    values: Values,
    /// Keys in the order in which the clock hand passes them; only evicting maps have it.
    clock: Option<Mutex<VecDeque<Box<[u8]>>>>,
}

/// How the bytes of an element's value are laid out.
struct Values {
    format: ValueFormat,
    /// One value per CPU, at multiples of eight bytes.
    per_cpu: Option<usize>,
}

/// The mark of an element that a program used since the clock hand passed it.
const REFERENCED: u32 = 1;

impl Hash {
    /// Makes the map.
    ///
    /// # Errors
    /// E2BIG if no kernel could hold it, ENOMEM if this machine cannot.
    pub(crate) fn new(definition: &Definition) -> Result<Hash, Errno> {
        let per_cpu = matches!(definition.map_type, MapType::PerCpuHash | MapType::LruPerCpuHash);
        let evicts = matches!(definition.map_type, MapType::LruHash | MapType::LruPerCpuHash);
        let values = Values { format: definition.value.clone(), per_cpu: per_cpu.then(|| definition.cpus.count()) };
        let (cpus, seed) = (definition.cpus.clone(), definition.seed);
        let table = HashTable::new(definition.max_entries, definition.key_size, values.size(), seed, cpus)?;
        Ok(Hash { table, values, clock: evicts.then(Mutex::default) })
    }

    /// Makes room in an evicting map: the clock hand passes elements that were used since it was last there, and removes
    /// the first that was not. Linux keeps active and inactive lists; both forget what was not looked at for longest.
    fn evict(&self, clock: &Mutex<VecDeque<Box<[u8]>>>) {
        let mut order = clock.lock().unwrap_or_else(PoisonError::into_inner);
        // Every element may get one second chance.
        for _ in 0..=2 * order.len() {
            let Some(key) = order.pop_front() else { return };
            let bucket = self.table.lock(&key);
            match bucket.find(&key) {
                Some(element) if element.mark() == REFERENCED => {
                    element.set_mark(0);
                    drop(bucket);
                    order.push_back(key);
                }
                Some(element) => {
                    bucket.remove(element);
                    return;
                }
                None => {}
            }
        }
    }

    /// Puts a new key behind the clock hand. Keys that were deleted stay in the order until the hand passes them, or until
    /// they are half of it.
    fn note_new_key(&self, clock: &Mutex<VecDeque<Box<[u8]>>>, key: &[u8]) {
        let mut order = clock.lock().unwrap_or_else(PoisonError::into_inner);
        if order.len() > 2 * self.table.capacity() + 64 {
            let mut seen = HashSet::new();
            order.retain(|key| seen.insert(key.clone()) && self.table.lock(key).find(key).is_some());
        }
        order.push_back(key.into());
    }

    fn touch(&self, element: Element) {
        if self.clock.is_some() && element.mark() != REFERENCED {
            element.set_mark(REFERENCED);
        }
    }

    fn try_update(&self, key: &[u8], source: &[u8], flags: u64, side: Side) -> Result<(), Errno> {
        let bucket = self.table.lock(key);
        let old = bucket.find(key);
        match old {
            Some(_) if flags & !flags::LOCK == flags::NO_EXIST => return Err(Errno::EEXIST),
            None if flags & !flags::LOCK == flags::EXIST => return Err(Errno::ENOENT),
            _ => {}
        }
        // Per-CPU values are written in place by their CPU; locked values under their lock.
        let in_place = self.values.per_cpu.is_some() || flags & flags::LOCK != 0;
        if let Some(old) = old.filter(|_| in_place) {
            let value = self.table.value(old);
            let _guard = self.values.format.guard(value, flags)?;
            self.values.write(value, source, side, false);
            self.touch(old);
            return Ok(());
        }
        let (element, ()) = bucket.insert(key, old, |value| {
            self.values.write(value, source, side, true);
            Ok(())
        })?;
        element.set_mark(0);
        if let (Some(clock), None) = (&self.clock, old) {
            drop(bucket);
            self.note_new_key(clock, key);
        }
        Ok(())
    }
}

impl Values {
    fn size(&self) -> usize {
        self.per_cpu.map_or(self.format.size, |cpus| cpus * self.format.stride())
    }

    fn of_cpu<'a>(&self, value: Shared<'a>, cpu: usize) -> Option<Shared<'a>> {
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
    fn write(&self, value: Shared<'_>, source: &[u8], side: Side, fresh: bool) {
        if fresh && (self.per_cpu.is_some() || !self.format.kernel_fields.is_empty()) {
            value.zero();
        }
        let Some(cpus) = self.per_cpu else { return self.format.write(value, source) };
        let (size, stride) = (self.format.size, self.format.stride());
        match side {
            Side::Program { cpu } => self.format.write(value.part(cpu as usize * stride, size), source),
            Side::User => {
                for start in (0..cpus).map(|cpu| cpu * stride) {
                    self.format.write_padded(value.part(start, stride), &source[start..start + stride]);
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
        let bucket = self.table.lock(key);
        let element = bucket.find(key).ok_or(Errno::ENOENT)?;
        let value = self.table.value(element);
        let _guard = self.values.format.guard(value, flags)?;
        self.values.read(value, to);
        Ok(())
    }

    fn update(&self, key: &[u8], value: NewValue<'_>, flags: u64, side: Side) -> Result<(), Errno> {
        super::check_update_flags(flags)?;
        if flags & flags::LOCK != 0 && self.values.format.spin_lock.is_none() {
            return Err(Errno::EINVAL);
        }
        let source = value.data()?;
        let Some(clock) = &self.clock else { return self.try_update(key, source, flags, side) };
        // Other writers may fill the room again before this one gets to it.
        for _ in 0..64 {
            match self.try_update(key, source, flags, side) {
                Err(Errno::E2BIG) => self.evict(clock),
                done => return done,
            }
        }
        Err(Errno::ENOMEM)
    }

    fn delete(&self, key: &[u8]) -> Result<(), Errno> {
        let bucket = self.table.lock(key);
        bucket.remove(bucket.find(key).ok_or(Errno::ENOENT)?);
        Ok(())
    }

    fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        self.table.next_key(key, next)
    }

    fn take(&self, key: &[u8], flags: u64, to: &mut [u8]) -> Result<(), Errno> {
        let bucket = self.table.lock(key);
        let element = bucket.find(key).ok_or(Errno::ENOENT)?;
        let value = self.table.value(element);
        let guard = self.values.format.guard(value, flags)?;
        self.values.read(value, to);
        // Before the element may be used again.
        drop(guard);
        bucket.remove(element);
        Ok(())
    }

    fn user_value_size(&self) -> usize {
        self.values.size()
    }

    fn for_each(&self, run: &Run<'_>, visit: Visit<'_>) -> Result<i64, Errno> {
        let mut visited = 0;
        let _ = self.table.for_each(run, |element| {
            visited += 1;
            let value = self.values.of_cpu(self.table.value(element), run.cpu() as usize);
            visit(element.key_address(), value.map_or(0, Shared::address))
        });
        Ok(visited)
    }

    fn memory_usage(&self) -> u64 {
        self.table.memory_usage()
    }
}
