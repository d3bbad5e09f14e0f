//! What a command gives back beside the buffers it fills.

use super::layout::{u32_at, u64_at};
use super::{ATTR_SIZE, CommandNumber};
use crate::errno::Errno;
use std::fmt;

/// What a command gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// It is done.
    Done,
    /// A descriptor.
    Fd(i32),
    /// A descriptor, and how long the whole log is with its NUL (0 without a log).
    Loaded {
        /// The descriptor.
        fd: i32,
        /// Bytes.
        log_true_size: u32,
    },
    /// How long the whole log is with its NUL: what a failed load leaves.
    Log {
        /// Bytes.
        log_true_size: u32,
    },
    /// The next id.
    NextId(u32),
    /// How many elements of a batch were processed, even where it failed.
    Count(u32),
    /// What a test run did. The output lengths are true ones, even where the buffer was too short (`ENOSPC`).
    TestRun {
        /// What the program returned.
        retval: u32,
        /// Average run time in nanoseconds.
        duration_ns: u32,
        /// Bytes of the packet afterwards.
        data_size: u32,
        /// Bytes of the context afterwards.
        ctx_size: u32,
    },
    /// The info struct is filled.
    Info {
        /// Bytes that the kernel filled.
        len: u32,
    },
    /// Which programs are attached.
    Query {
        /// Flags of the hook.
        attach_flags: u32,
        /// How many there are, even where the buffer was too short (`ENOSPC`).
        count: u32,
        /// Revision of the hook.
        revision: u64,
    },
    /// What a task's descriptor is.
    TaskFd {
        /// Program id.
        prog_id: u32,
        /// `enum bpf_task_fd_type`.
        fd_type: u32,
        /// Bytes of the name without NUL, even where the buffer was too short (`ENOSPC`).
        name_len: u32,
        /// Offset in the probed function.
        probe_offset: u64,
        /// Address of the probe.
        probe_addr: u64,
    },
    /// Bytes read from a stream.
    Read(u32),
}

impl Reply {
    /// Reads the reply from what the system call returned and what it wrote into the attr. For a failed call,
    /// `returned` is `None`.
    pub fn read(number: CommandNumber, returned: Option<i32>, attr: &[u8; ATTR_SIZE]) -> Reply {
        use CommandNumber as C;
        let log = |offset| {
            let log_true_size = u32_at(attr, offset);
            returned.map_or(Reply::Log { log_true_size }, |fd| Reply::Loaded { fd, log_true_size })
        };
        match number {
            C::ProgLoad => log(140),
            C::BtfLoad => log(28),
            C::MapLookupBatch | C::MapLookupAndDeleteBatch | C::MapUpdateBatch | C::MapDeleteBatch => {
                Reply::Count(u32_at(attr, 32))
            }
            C::ProgTestRun => Reply::TestRun {
                retval: u32_at(attr, 4),
                duration_ns: u32_at(attr, 36),
                data_size: u32_at(attr, 12),
                ctx_size: u32_at(attr, 44),
            },
            C::ProgQuery => {
                Reply::Query { attach_flags: u32_at(attr, 12), count: u32_at(attr, 24), revision: u64_at(attr, 56) }
            }
            C::TaskFdQuery => Reply::TaskFd {
                prog_id: u32_at(attr, 24),
                fd_type: u32_at(attr, 28),
                name_len: u32_at(attr, 12),
                probe_offset: u64_at(attr, 32),
                probe_addr: u64_at(attr, 40),
            },
            _ => match returned {
                Some(value) => Reply::read_success(number, value, attr),
                None => Reply::Done,
            },
        }
    }

    fn read_success(number: CommandNumber, value: i32, attr: &[u8; ATTR_SIZE]) -> Reply {
        use CommandNumber as C;
        match number {
            C::MapGetNextId | C::ProgGetNextId | C::BtfGetNextId | C::LinkGetNextId => Reply::NextId(u32_at(attr, 4)),
            C::ObjGetInfoByFd => Reply::Info { len: u32_at(attr, 4) },
            C::ProgStreamRead => Reply::Read(value.cast_unsigned()),
            C::MapCreate
            | C::ObjGet
            | C::ProgGetFdById
            | C::MapGetFdById
            | C::BtfGetFdById
            | C::LinkGetFdById
            | C::LinkCreate
            | C::RawTracepointOpen
            | C::EnableStats
            | C::IterCreate
            | C::TokenCreate => Reply::Fd(value),
            _ => Reply::Done,
        }
    }

    /// The descriptor, of replies that have one.
    pub fn fd(&self) -> Option<i32> {
        match *self {
            Reply::Fd(fd) | Reply::Loaded { fd, .. } => Some(fd),
            _ => None,
        }
    }

    /// What the system call returns for this reply.
    pub fn returned(&self) -> i32 {
        match *self {
            Reply::Fd(fd) | Reply::Loaded { fd, .. } => fd,
            Reply::Read(bytes) => bytes.cast_signed(),
            _ => 0,
        }
    }

    /// Writes the fields of the attr that the kernel writes.
    pub fn write(&self, number: CommandNumber, attr: &mut [u8; ATTR_SIZE]) {
        let mut put = |offset: usize, bytes: &[u8]| super::layout::put(attr, offset, bytes);
        match *self {
            Reply::Loaded { log_true_size, .. } | Reply::Log { log_true_size } => {
                let offset = if number == CommandNumber::BtfLoad { 28 } else { 140 };
                put(offset, &log_true_size.to_ne_bytes());
            }
            Reply::NextId(id) => put(4, &id.to_ne_bytes()),
            Reply::Count(count) => put(32, &count.to_ne_bytes()),
            Reply::TestRun { retval, duration_ns, data_size, ctx_size } => {
                put(4, &retval.to_ne_bytes());
                put(36, &duration_ns.to_ne_bytes());
                put(12, &data_size.to_ne_bytes());
                put(44, &ctx_size.to_ne_bytes());
            }
            Reply::Info { len } => put(4, &len.to_ne_bytes()),
            Reply::Query { attach_flags, count, revision } => {
                put(12, &attach_flags.to_ne_bytes());
                put(24, &count.to_ne_bytes());
                put(56, &revision.to_ne_bytes());
            }
            Reply::TaskFd { prog_id, fd_type, name_len, probe_offset, probe_addr } => {
                put(24, &prog_id.to_ne_bytes());
                put(28, &fd_type.to_ne_bytes());
                put(12, &name_len.to_ne_bytes());
                put(32, &probe_offset.to_ne_bytes());
                put(40, &probe_addr.to_ne_bytes());
            }
            Reply::Done | Reply::Fd(_) | Reply::Read(_) => {}
        }
    }
}

/// A command that failed: why, and what it gave back all the same (a log length, a batch count, a needed size).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub errno: Errno,
    /// What it wrote before.
    pub reply: Reply,
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Failure { errno, reply: Reply::Done }
    }
}

impl From<Failure> for Errno {
    fn from(failure: Failure) -> Self {
        failure.errno
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.errno.fmt(f)
    }
}

impl std::error::Error for Failure {}
