//! Arrays whose values are kernel objects, put in by file descriptor: `BPF_MAP_TYPE_PROG_ARRAY`, `PERF_EVENT_ARRAY` and
//! `ARRAY_OF_MAPS`.

use super::{Definition, Descriptors, Kind, MapImplementation, NewValue, Side, flags, index_of, next_index};
use crate::cpus::Run;
use crate::memory::ObjectArray;
use crate::objects::{Map, Program, TailCallTraits};
use crate::perf::PerfEvent;
use skep_abi::errno::Errno;
use std::sync::{Arc, OnceLock};

/// What the three arrays do alike.
fn update<T: Send + Sync>(
    objects: &ObjectArray<T>,
    key: &[u8],
    value: NewValue<'_>,
    flags: u64,
    find: impl FnOnce(&dyn Descriptors, i32) -> Result<Arc<T>, Errno>,
) -> Result<(), Errno> {
    if flags != flags::ANY {
        return Err(Errno::EINVAL);
    }
    let index = index_of(key);
    if index >= objects.len() {
        return Err(Errno::E2BIG);
    }
    let NewValue::Descriptor(fd, descriptors) = value else { return Err(Errno::EINVAL) };
    objects.replace(index, Some(find(descriptors, fd)?));
    Ok(())
}

fn delete<T: Send + Sync>(objects: &ObjectArray<T>, key: &[u8]) -> Result<(), Errno> {
    match objects.replace(index_of(key), None) {
        Some(true) => Ok(()),
        Some(false) => Err(Errno::ENOENT),
        None => Err(Errno::E2BIG),
    }
}

fn read_id<T: Send + Sync>(
    objects: &ObjectArray<T>,
    key: &[u8],
    to: &mut [u8],
    id: impl FnOnce(&T) -> u32,
) -> Result<(), Errno> {
    let object = objects.get(index_of(key)).ok_or(Errno::ENOENT)?;
    to[..4].copy_from_slice(&id(&object).to_ne_bytes());
    Ok(())
}

fn new<T: Send + Sync>(definition: &Definition) -> Result<ObjectArray<T>, Errno> {
    ObjectArray::new(definition.max_entries, definition.cpus.clone()).ok_or(Errno::ENOMEM)
}

/// Programs to tail-call. All are alike in what a tail call cannot change; the first program that uses or enters the
/// array decides.
pub(crate) struct ProgramArray {
    programs: ObjectArray<Program>,
    traits: OnceLock<TailCallTraits>,
}

impl ProgramArray {
    /// Makes the array.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn new(definition: &Definition) -> Result<Self, Errno> {
        Ok(ProgramArray { programs: new(definition)?, traits: OnceLock::new() })
    }

    /// The program at an index.
    pub(crate) fn program<'run>(&self, index: u32, run: &'run Run<'_>) -> Option<&'run Program> {
        self.programs.load(index, run)
    }

    /// Whether programs of these traits may use and enter the array; the first one decides.
    pub(crate) fn accepts(&self, traits: &TailCallTraits) -> bool {
        self.traits.get_or_init(|| traits.clone()) == traits
    }

    /// Empties the array, since nobody in user space can reach it any more: programs that hold the array that holds
    /// them would never go.
    pub(crate) fn release(&self) {
        self.programs.clear();
    }
}

impl MapImplementation for ProgramArray {
    fn read(&self, key: &[u8], _flags: u64, to: &mut [u8]) -> Result<(), Errno> {
        read_id(&self.programs, key, to, Program::id)
    }

    fn update(&self, key: &[u8], value: NewValue<'_>, flags: u64, _side: Side) -> Result<(), Errno> {
        update(&self.programs, key, value, flags, |descriptors, fd| {
            let program = descriptors.program(fd)?;
            if self.accepts(program.tail_call_traits()) { Ok(program) } else { Err(Errno::EINVAL) }
        })
    }

    fn delete(&self, key: &[u8], _side: Side) -> Result<(), Errno> {
        delete(&self.programs, key)
    }

    fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        next_index(self.programs.len(), key, next)
    }

    fn user_value_size(&self) -> usize {
        4
    }

    fn memory_usage(&self) -> u64 {
        self.programs.memory_usage()
    }

    fn kind(&self) -> Kind<'_> {
        Kind::Programs(self)
    }
}

/// Perf events to write to, usually one per CPU.
pub(crate) struct PerfEventArray {
    events: ObjectArray<PerfEvent>,
}

impl PerfEventArray {
    /// Makes the array.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn new(definition: &Definition) -> Result<Self, Errno> {
        Ok(PerfEventArray { events: new(definition)? })
    }

    /// The event at an index: `Err(E2BIG)` outside of the array, `Err(ENOENT)` where there is none.
    pub(crate) fn event<'run>(&self, index: u32, run: &'run Run<'_>) -> Result<&'run PerfEvent, Errno> {
        if index >= self.events.len() {
            return Err(Errno::E2BIG);
        }
        self.events.load(index, run).ok_or(Errno::ENOENT)
    }
}

impl MapImplementation for PerfEventArray {
    fn update(&self, key: &[u8], value: NewValue<'_>, flags: u64, _side: Side) -> Result<(), Errno> {
        update(&self.events, key, value, flags, |descriptors, fd| descriptors.perf_event(fd))
    }

    fn delete(&self, key: &[u8], _side: Side) -> Result<(), Errno> {
        delete(&self.events, key)
    }

    fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        next_index(self.events.len(), key, next)
    }

    fn user_value_size(&self) -> usize {
        4
    }

    fn memory_usage(&self) -> u64 {
        self.events.memory_usage()
    }

    fn kind(&self) -> Kind<'_> {
        Kind::PerfEvents(self)
    }
}

/// Maps by index.
pub(crate) struct ArrayOfMaps {
    maps: ObjectArray<Map>,
    inner: super::InnerShape,
}

impl ArrayOfMaps {
    /// Makes the array, for inner maps of that shape.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn new(definition: &Definition, inner: super::InnerShape) -> Result<Self, Errno> {
        Ok(ArrayOfMaps { maps: new(definition)?, inner })
    }
}

impl MapImplementation for ArrayOfMaps {
    fn lookup(&self, key: &[u8], _cpu: u32, run: &Run<'_>) -> u64 {
        self.maps.load(index_of(key), run).map_or(0, |map| std::ptr::from_ref(map) as u64)
    }

    fn read(&self, key: &[u8], _flags: u64, to: &mut [u8]) -> Result<(), Errno> {
        read_id(&self.maps, key, to, Map::id)
    }

    fn update(&self, key: &[u8], value: NewValue<'_>, flags: u64, _side: Side) -> Result<(), Errno> {
        update(&self.maps, key, value, flags, |descriptors, fd| self.inner.check(descriptors.map(fd)?))
    }

    fn delete(&self, key: &[u8], _side: Side) -> Result<(), Errno> {
        delete(&self.maps, key)
    }

    fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        next_index(self.maps.len(), key, next)
    }

    fn user_value_size(&self) -> usize {
        4
    }

    fn memory_usage(&self) -> u64 {
        self.maps.memory_usage()
    }
}
