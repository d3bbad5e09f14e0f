//! The table of descriptors, as a process has one in Linux.

use super::{BtfObject, Link, MapReference, Program};
use crate::perf::PerfEvent;
use crate::statistics::StatisticsGuard;
use crate::sync::lock;
use skep_abi::errno::Errno;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// What a descriptor stands for.
#[derive(Clone)]
pub(crate) enum Object {
    /// A map.
    Map(MapReference),
    /// A program.
    Program(Arc<Program>),
    /// BTF.
    Btf(Arc<BtfObject>),
    /// A link.
    Link(Arc<Link>),
    /// A perf event.
    PerfEvent(Arc<PerfEvent>),
    /// Run-time statistics are on while it is open.
    Statistics(#[allow(dead_code, reason = "held, never looked at")] Arc<StatisticsGuard>),
    /// A cgroup, by its id.
    Cgroup(u64),
}

/// What user space may do through a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    /// Read.
    pub(crate) read: bool,
    /// Write.
    pub(crate) write: bool,
}

impl Access {
    /// Both.
    pub(crate) const FULL: Access = Access { read: true, write: true };

    /// From the `RDONLY` and `WRONLY` bits of a command.
    ///
    /// # Errors
    /// EINVAL for both.
    pub(crate) fn from_bits(read_only: bool, write_only: bool) -> Result<Access, Errno> {
        if read_only && write_only {
            return Err(Errno::EINVAL);
        }
        Ok(Access { read: !write_only, write: !read_only })
    }
}

/// An entry of the table.
#[derive(Clone)]
pub(crate) struct Descriptor {
    /// What it stands for.
    pub(crate) object: Object,
    /// How it may be used.
    pub(crate) access: Access,
}

/// Descriptors by number; the lowest free number is given first, as in Linux, beginning after the standard streams.
#[derive(Default)]
pub(crate) struct DescriptorTable {
    entries: Mutex<BTreeMap<i32, Descriptor>>,
}

const FIRST: i32 = 3;
const LIMIT: i32 = 1 << 20;

impl DescriptorTable {
    /// A new descriptor.
    ///
    /// # Errors
    /// EMFILE.
    pub(crate) fn open(&self, object: Object, access: Access) -> Result<i32, Errno> {
        let mut entries = lock(&self.entries);
        let mut fd = FIRST;
        for used in entries.keys() {
            if *used != fd {
                break;
            }
            fd += 1;
        }
        if fd >= LIMIT {
            return Err(Errno::EMFILE);
        }
        entries.insert(fd, Descriptor { object, access });
        Ok(fd)
    }

    /// What a descriptor stands for.
    ///
    /// # Errors
    /// EBADF.
    pub(crate) fn get(&self, fd: i32) -> Result<Descriptor, Errno> {
        lock(&self.entries).get(&fd).cloned().ok_or(Errno::EBADF)
    }

    /// Closes a descriptor.
    pub(crate) fn close(&self, fd: i32) {
        let closed = lock(&self.entries).remove(&fd);
        // Outside of the lock: the last descriptor of a program array drops programs.
        drop(closed);
    }

    /// A second descriptor of the same object.
    ///
    /// # Errors
    /// EBADF, EMFILE.
    pub(crate) fn duplicate(&self, fd: i32) -> Result<i32, Errno> {
        let Descriptor { object, access } = self.get(fd)?;
        self.open(object, access)
    }

    /// The map of a descriptor.
    ///
    /// # Errors
    /// EBADF if there is none, EINVAL if it is something else.
    pub(crate) fn map(&self, fd: i32) -> Result<(MapReference, Access), Errno> {
        match self.get(fd)? {
            Descriptor { object: Object::Map(map), access } => Ok((map, access)),
            _ => Err(Errno::EINVAL),
        }
    }

    /// The program of a descriptor.
    ///
    /// # Errors
    /// As [`DescriptorTable::map`].
    pub(crate) fn program(&self, fd: i32) -> Result<Arc<Program>, Errno> {
        match self.get(fd)?.object {
            Object::Program(program) => Ok(program),
            _ => Err(Errno::EINVAL),
        }
    }

    /// The BTF of a descriptor.
    ///
    /// # Errors
    /// As [`DescriptorTable::map`].
    pub(crate) fn btf(&self, fd: i32) -> Result<Arc<BtfObject>, Errno> {
        match self.get(fd)?.object {
            Object::Btf(btf) => Ok(btf),
            _ => Err(Errno::EINVAL),
        }
    }

    /// The link of a descriptor.
    ///
    /// # Errors
    /// As [`DescriptorTable::map`].
    pub(crate) fn link(&self, fd: i32) -> Result<Arc<Link>, Errno> {
        match self.get(fd)?.object {
            Object::Link(link) => Ok(link),
            _ => Err(Errno::EINVAL),
        }
    }

    /// The perf event of a descriptor.
    ///
    /// # Errors
    /// As [`DescriptorTable::map`].
    pub(crate) fn perf_event(&self, fd: i32) -> Result<Arc<PerfEvent>, Errno> {
        match self.get(fd)?.object {
            Object::PerfEvent(event) => Ok(event),
            _ => Err(Errno::EINVAL),
        }
    }

    /// The cgroup of a descriptor.
    ///
    /// # Errors
    /// EBADF if it is none.
    pub(crate) fn cgroup(&self, fd: i32) -> Result<u64, Errno> {
        match self.get(fd)?.object {
            Object::Cgroup(id) => Ok(id),
            _ => Err(Errno::EBADF),
        }
    }
}
