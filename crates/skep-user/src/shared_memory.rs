//! Maps and perf rings as memory of user space's.

use crate::memory::{PAGE, Shared};
use crate::objects::{Map, MapReference};
use crate::perf::PerfEvent;
use skep_abi::errno::Errno;
use skep_kernel::SharedMemory;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Release};

/// Who owns the memory.
pub(crate) enum Owner {
    /// A map.
    Map(MapReference),
    /// A perf event.
    PerfEvent(Arc<PerfEvent>),
}

/// A part of an owner's memory.
pub(crate) struct Mapping {
    owner: Owner,
    offset: usize,
    len: usize,
    writable: bool,
}

impl Mapping {
    /// `len` bytes from `offset` on.
    ///
    /// # Errors
    /// EINVAL if the owner has no such memory, EPERM if a map is frozen and is to be written.
    pub(crate) fn new(owner: Owner, offset: u64, len: usize, writable: bool) -> Result<Mapping, Errno> {
        let offset = usize::try_from(offset).map_err(|_| Errno::EINVAL)?;
        let mut mapping = Mapping { owner, offset, len, writable: false };
        let whole = mapping.whole().ok_or(Errno::EINVAL)?.len().next_multiple_of(PAGE);
        if len == 0 || offset.checked_add(len).is_none_or(|end| end > whole) {
            return Err(Errno::EINVAL);
        }
        if let (true, Owner::Map(map)) = (writable, &mapping.owner) {
            map.begin_writing()?;
        }
        mapping.writable = writable;
        Ok(mapping)
    }

    fn whole(&self) -> Option<Shared<'_>> {
        match &self.owner {
            Owner::Map(map) => map_memory(map),
            Owner::PerfEvent(event) => event.memory(),
        }
    }

    /// Some bytes, where all of them lie inside.
    fn part(&self, offset: usize, len: usize) -> Result<Shared<'_>, Errno> {
        let inside = offset.checked_add(len).is_some_and(|end| end <= self.len);
        let start = self.offset.checked_add(offset).ok_or(Errno::EFAULT)?;
        let whole = self.whole().ok_or(Errno::EFAULT)?;
        let there = start.checked_add(len).is_some_and(|end| end <= whole.len());
        if inside && there { Ok(whole.part(start, len)) } else { Err(Errno::EFAULT) }
    }

    fn aligned(&self, offset: usize, len: usize) -> Result<Shared<'_>, Errno> {
        let part = self.part(offset, len)?;
        if part.address().is_multiple_of(len as u64) { Ok(part) } else { Err(Errno::EINVAL) }
    }

    fn check_writable(&self) -> Result<(), Errno> {
        if self.writable { Ok(()) } else { Err(Errno::EACCES) }
    }
}

fn map_memory(map: &Map) -> Option<Shared<'_>> {
    map.implementation.memory()
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if let (true, Owner::Map(map)) = (self.writable, &self.owner) {
            map.end_writing();
        }
    }
}

impl SharedMemory for Mapping {
    fn len(&self) -> usize {
        self.len
    }

    fn read(&self, offset: usize, into: &mut [u8]) -> Result<(), Errno> {
        self.part(offset, into.len())?.read(into);
        Ok(())
    }

    fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), Errno> {
        self.check_writable()?;
        self.part(offset, bytes.len())?.write(bytes);
        Ok(())
    }

    fn load_acquire_u64(&self, offset: usize) -> Result<u64, Errno> {
        Ok(self.aligned(offset, 8)?.double(0).load(Acquire))
    }

    fn store_release_u64(&self, offset: usize, value: u64) -> Result<(), Errno> {
        self.check_writable()?;
        self.aligned(offset, 8)?.double(0).store(value, Release);
        Ok(())
    }

    fn load_acquire_u32(&self, offset: usize) -> Result<u32, Errno> {
        Ok(self.aligned(offset, 4)?.word(0).load(Acquire))
    }

    fn store_release_u32(&self, offset: usize, value: u32) -> Result<(), Errno> {
        self.check_writable()?;
        self.aligned(offset, 4)?.word(0).store(value, Release);
        Ok(())
    }
}
