//! `BPF_MAP_TYPE_DEVMAP`, `DEVMAP_HASH` and `CPUMAP`: where `bpf_redirect_map` sends packets.

use super::hash_table::{HashTable, TableSpec};
use super::key::one_word;
use super::{Definition, Kind, MapImplementation, NewValue, Side, flags, index_of, next_index};
use crate::cpus::Run;
use crate::memory::{Layout, Shared};
use skep_abi::errno::Errno;
use skep_abi::map_type::MapType;

/// Targets by index or key. A value is the target's number (interface index, queue size of a CPU) and, where values have
/// eight bytes, the id of a program to run there.
pub(crate) struct RedirectTargets {
    table: HashTable,
    count: u32,
    map_type: MapType,
    cpus: u32,
    value_size: usize,
}

impl RedirectTargets {
    /// Makes the map.
    ///
    /// # Errors
    /// E2BIG, ENOMEM.
    pub(crate) fn new(definition: &Definition) -> Result<Self, Errno> {
        let cpus = definition.cpus.clone();
        let layout = Layout { header: false, key_size: 4, value_size: 8 };
        let capacity = definition.max_entries;
        let budget = definition.budget.clone();
        let spec = TableSpec { capacity, layout, seed: definition.seed, preallocated: false, budget };
        Ok(RedirectTargets {
            cpus: cpus.count() as u32,
            table: HashTable::new(spec, cpus)?,
            count: definition.max_entries,
            map_type: definition.map_type,
            value_size: definition.value.size,
        })
    }

    fn by_index(&self) -> bool {
        self.map_type != MapType::DevmapHash
    }

    /// The target of a key: an interface index for the device maps, the CPU itself for the CPU map.
    pub(crate) fn target(&self, key: u32, run: &Run<'_>) -> Option<u32> {
        let element = self.table.find(&key.to_ne_bytes(), run)?;
        let mut number = [0; 4];
        self.table.value(element).read(&mut number);
        Some(if self.map_type == MapType::Cpumap { key } else { u32::from_ne_bytes(number) })
    }
}

impl MapImplementation for RedirectTargets {
    fn lookup(&self, key: &[u8], _cpu: u32, run: &Run<'_>) -> u64 {
        self.table.find(key, run).map_or(0, |element| self.table.value(element).address())
    }

    fn read(&self, key: &[u8], _flags: u64, to: &mut [u8]) -> Result<(), Errno> {
        let bucket = self.table.lock(one_word(key));
        let place = bucket.find().ok_or(Errno::ENOENT)?;
        self.table.value(place.element).read(&mut to[..self.value_size]);
        Ok(())
    }

    fn update(&self, key: &[u8], value: NewValue<'_>, flags: u64, side: Side) -> Result<(), Errno> {
        let bytes = value.data()?;
        if flags > flags::EXIST {
            return Err(Errno::EINVAL);
        }
        if self.by_index() && index_of(key) >= self.count {
            return Err(Errno::E2BIG);
        }
        if self.by_index() && flags == flags::NO_EXIST {
            return Err(Errno::EEXIST);
        }
        if self.map_type == MapType::Cpumap && index_of(key) >= self.cpus {
            return Err(Errno::ENODEV);
        }
        // A program that runs at the target is not supported; -1 and 0 are "none".
        let program = bytes.get(4..8).map_or(-1, |fd| i32::from_ne_bytes([fd[0], fd[1], fd[2], fd[3]]));
        if program > 0 {
            return Err(Errno::EINVAL);
        }
        let number = index_of(bytes);
        let bucket = self.table.lock(one_word(key));
        let old = bucket.find();
        match old {
            _ if number == 0 && !self.by_index() => return Err(Errno::EINVAL),
            Some(old) if number == 0 => {
                bucket.remove(old, side.cpu());
                return Ok(());
            }
            None if number == 0 => return Ok(()),
            Some(_) if flags == flags::NO_EXIST => return Err(Errno::EEXIST),
            _ => {}
        }
        bucket.insert(old, side.cpu(), |value: Shared<'_>| {
            value.zero();
            value.write(&number.to_ne_bytes());
            Ok(())
        })?;
        Ok(())
    }

    fn delete(&self, key: &[u8], side: Side) -> Result<(), Errno> {
        if self.by_index() && index_of(key) >= self.count {
            return Err(Errno::EINVAL);
        }
        let bucket = self.table.lock(one_word(key));
        match bucket.find() {
            Some(place) => bucket.remove(place, side.cpu()),
            None if self.by_index() => {}
            None => return Err(Errno::ENOENT),
        }
        Ok(())
    }

    fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        if self.by_index() { next_index(self.count, key, next) } else { self.table.next_key(key, next) }
    }

    fn user_value_size(&self) -> usize {
        self.value_size
    }

    fn memory_usage(&self) -> u64 {
        self.table.memory_usage()
    }

    fn kind(&self) -> Kind<'_> {
        Kind::Redirect(self)
    }
}
