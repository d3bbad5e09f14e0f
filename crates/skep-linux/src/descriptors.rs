//! The descriptors that this kernel gave out, and what it remembers about them.

use skep_abi::command::MapSizes;
use skep_abi::errno::Errno;
use std::collections::HashMap;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{PoisonError, RwLock};

/// One descriptor.
#[derive(Debug)]
struct Entry {
    fd: OwnedFd,
    /// Sizes of the map, once they were asked for. They stay true as long as the descriptor is ours.
    sizes: Option<MapSizes>,
}

/// All of them, by number.
#[derive(Debug, Default)]
pub(crate) struct Descriptors(RwLock<HashMap<i32, Entry>>);

impl Descriptors {
    /// Takes a new descriptor over and gives its number.
    pub(crate) fn insert(&self, fd: OwnedFd) -> i32 {
        let number = fd.as_raw_fd();
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        table.insert(number, Entry { fd, sizes: None });
        number
    }

    /// Closes one of ours.
    pub(crate) fn remove(&self, number: i32) {
        // Closed while the table is locked, so that no other thread finds the number in use again.
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&number);
    }

    /// A second descriptor of the same object.
    pub(crate) fn duplicate(&self, number: i32) -> Result<i32, Errno> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let entry = table.get(&number).ok_or(Errno::EBADF)?;
        let fd = entry.fd.try_clone().map_err(|e| Errno(e.raw_os_error().unwrap_or(Errno::EMFILE.0)))?;
        drop(table);
        Ok(self.insert(fd))
    }

    /// Sizes of a map: remembered, or asked for. Of descriptors that are not ours nothing is remembered, since they may
    /// become others behind our back.
    pub(crate) fn map_sizes(
        &self,
        number: i32,
        ask: impl FnOnce() -> Result<MapSizes, Errno>,
    ) -> Result<MapSizes, Errno> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(sizes) = table.get(&number).and_then(|entry| entry.sizes) {
            return Ok(sizes);
        }
        drop(table);
        let sizes = ask()?;
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = table.get_mut(&number) {
            entry.sizes = Some(sizes);
        }
        Ok(sizes)
    }
}
