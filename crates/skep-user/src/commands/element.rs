//! Commands on single elements.

use crate::kernel::UserKernel;
use crate::maps::{Descriptors, NewValue, Side, flags};
use crate::objects::{Access, Map, MapReference, Program};
use crate::perf::PerfEvent;
use skep_abi::command::{
    Failure, MapDeleteElem, MapFreeze, MapGetNextKey, MapLookupAndDeleteElem, MapLookupElem, MapUpdateElem, Reply,
};
use skep_abi::errno::Errno;
use skep_abi::map_type::{MapType, ValueKind};
use std::sync::Arc;

impl Descriptors for UserKernel {
    fn program(&self, fd: i32) -> Result<Arc<Program>, Errno> {
        self.descriptors.program(fd)
    }

    fn map(&self, fd: i32) -> Result<Arc<Map>, Errno> {
        Ok(self.descriptors.map(fd)?.0.map().clone())
    }

    fn perf_event(&self, fd: i32) -> Result<Arc<PerfEvent>, Errno> {
        self.descriptors.perf_event(fd)
    }
}

/// Whether keys are part of the map at all.
fn has_keys(map: &Map) -> bool {
    map.definition.key_size > 0
}

/// The key of a command, which must be there where the map has keys and not elsewhere.
fn key_of<'k>(map: &Map, key: &'k [u8]) -> Result<&'k [u8], Errno> {
    match (has_keys(map), key.is_empty()) {
        (false, false) => Err(Errno::EINVAL),
        (true, true) => Err(Errno::EFAULT),
        _ => key.get(..map.definition.key_size).ok_or(Errno::EFAULT),
    }
}

impl UserKernel {
    pub(super) fn readable_map(&self, fd: i32) -> Result<MapReference, Errno> {
        let (map, Access { read, .. }) = self.descriptors.map(fd)?;
        if read { Ok(map) } else { Err(Errno::EPERM) }
    }

    pub(super) fn writable_map(&self, fd: i32) -> Result<MapReference, Errno> {
        let (map, Access { write, .. }) = self.descriptors.map(fd)?;
        if write && !map.is_frozen() { Ok(map) } else { Err(Errno::EPERM) }
    }

    pub(super) fn map_lookup(&self, command: MapLookupElem<'_>) -> Result<Reply, Failure> {
        let MapLookupElem { map_fd, key, value, flags } = command;
        check_known(flags.bits())?;
        let map = self.readable_map(map_fd)?;
        let flags = lock_flags(&map, flags.bits(), flags::LOCK)?;
        let key = key_of(&map, key)?;
        read(&map, key, flags, value)?;
        Ok(Reply::Done)
    }

    pub(super) fn map_update(&self, command: &MapUpdateElem<'_>) -> Result<Reply, Failure> {
        let map = self.writable_map(command.map_fd)?;
        let flags = lock_flags(&map, command.flags.bits(), u64::MAX)?;
        let key = key_of(&map, command.key)?;
        self.write(&map, key, command.value, flags)?;
        Ok(Reply::Done)
    }

    pub(super) fn map_delete(&self, command: &MapDeleteElem<'_>) -> Result<Reply, Failure> {
        let map = self.writable_map(command.map_fd)?;
        map.implementation.delete(key_of(&map, command.key)?, Side::User)?;
        Ok(Reply::Done)
    }

    pub(super) fn map_next_key(&self, command: MapGetNextKey<'_>) -> Result<Reply, Failure> {
        let map = self.readable_map(command.map_fd)?;
        let key = if command.key.is_empty() { None } else { Some(key_of(&map, command.key)?) };
        let next = command.next_key.get_mut(..map.definition.key_size).ok_or(Errno::EFAULT)?;
        map.implementation.next_key(key, next)?;
        Ok(Reply::Done)
    }

    pub(super) fn map_take(&self, command: MapLookupAndDeleteElem<'_>) -> Result<Reply, Failure> {
        let MapLookupAndDeleteElem { map_fd, key, value, flags } = command;
        check_known(flags.bits())?;
        let map = self.descriptors.map(map_fd)?;
        if !(map.1.read && map.1.write) || map.0.is_frozen() {
            return Err(Errno::EPERM.into());
        }
        let map = map.0;
        let keyless = matches!(map.map_type(), MapType::Queue | MapType::Stack);
        if keyless && !flags.is_empty() {
            return Err(Errno::EINVAL.into());
        }
        let flags = lock_flags(&map, flags.bits(), flags::LOCK)?;
        let key = key_of(&map, key)?;
        let size = map.implementation.user_value_size();
        map.implementation.take(key, flags, value.get_mut(..size).ok_or(Errno::EFAULT)?)?;
        Ok(Reply::Done)
    }

    pub(super) fn map_freeze(&self, command: &MapFreeze) -> Result<Reply, Failure> {
        let (map, access) = self.descriptors.map(command.map_fd)?;
        if map.map_type() == MapType::StructOps || !map.definition.value.kernel_fields.is_empty() {
            return Err(Errno::ENOTSUPP.into());
        }
        if !access.write {
            return Err(Errno::EPERM.into());
        }
        map.freeze()?;
        Ok(Reply::Done)
    }

    /// Puts a value of user space's into a map.
    pub(super) fn write(&self, map: &Map, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        let value = value.get(..map.implementation.user_value_size()).ok_or(Errno::EFAULT)?;
        let by_descriptor = matches!(
            map.map_type().info().value_kind,
            ValueKind::ProgramFd | ValueKind::MapFd | ValueKind::PerfEventFd
        );
        let new = match value.first_chunk() {
            Some(fd) if by_descriptor => NewValue::Descriptor(i32::from_ne_bytes(*fd), self),
            _ => NewValue::Data(value),
        };
        map.implementation.update(key, new, flags, Side::User)
    }
}

/// Looking up knows no flag but the lock; that is checked before the map is.
fn check_known(flags: u64) -> Result<(), Errno> {
    if flags & !flags::LOCK != 0 { Err(Errno::EINVAL) } else { Ok(()) }
}

/// Checks the flags of an element command: only `allowed` ones, and the lock only where there is one.
pub(super) fn lock_flags(map: &Map, flags: u64, allowed: u64) -> Result<u64, Errno> {
    if flags & !allowed != 0 || (flags & flags::LOCK != 0 && map.definition.value.spin_lock.is_none()) {
        return Err(Errno::EINVAL);
    }
    Ok(flags)
}

/// Copies a value of a map to user space.
pub(super) fn read(map: &Map, key: &[u8], flags: u64, value: &mut [u8]) -> Result<(), Errno> {
    let value = value.get_mut(..map.implementation.user_value_size()).ok_or(Errno::EFAULT)?;
    map.implementation.read(key, flags, value)
}
