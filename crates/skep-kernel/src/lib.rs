//! The `bpf()` boundary: what user code may ask of a BPF kernel, whichever it is.
//!
//! [`Kernel`] is the door. It has one method for all of `bpf(2)` and some for what Linux does outside of that call:
//! memory of maps, waiting, perf events, sockets, names of interfaces and symbols. A kernel implements what it has;
//! the rest answers `EOPNOTSUPP`.
//!
//! [`Handle`] owns a descriptor. The free functions of [`calls`] are the commands, typed.
#![forbid(unsafe_code)]

pub mod calls;
mod handle;
mod memory;
mod perf;
pub mod probe;

pub use handle::Handle;
pub use memory::SharedMemory;
pub use perf::{PerfEvent, PerfEventKind, PerfSample, SampleRate};
pub use skep_abi::command::{Command, Failure, Reply};
pub use skep_abi::errno::Errno;

use skep_abi::attach_type::AttachType;
use skep_abi::command::CommandNumber;
use skep_abi::map_type::MapType;
use skep_abi::program_type::ProgramType;
use skep_btf::Btf;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A function or variable of a kernel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelSymbol {
    /// Where it begins.
    pub address: u64,
    /// Its name.
    pub name: Box<str>,
    /// The module it belongs to, if any.
    pub module: Option<Box<str>>,
}

/// A BPF kernel. Used as `Arc<dyn Kernel>`; a process may hold several.
///
/// Descriptors are numbers in a space of the kernel's own: Linux's are the process's, those of the user-space kernel
/// mean something only to it. Whoever gets one from here owns it and closes it here, best by a [`Handle`].
pub trait Kernel: Send + Sync {
    /// `linux` or `user`.
    fn name(&self) -> &'static str;

    /// `bpf(2)`.
    ///
    /// # Errors
    /// Linux's errno for the same cause, and what the command gave back before it failed.
    fn bpf(&self, command: Command<'_>) -> Result<Reply, Failure>;

    /// Closes a descriptor that this kernel gave. Others are ignored.
    fn close(&self, fd: i32);

    /// A second descriptor of the same object.
    ///
    /// # Errors
    /// `EBADF`, `EMFILE`.
    fn duplicate(&self, fd: i32) -> Result<i32, Errno>;

    /// How many CPUs there may be: the number of values of a per-CPU map.
    fn possible_cpus(&self) -> u32;

    /// BTF of the kernel itself.
    ///
    /// # Errors
    /// `ENOENT` where it has none, `EINVAL` where it cannot be read.
    fn btf(&self) -> Result<Arc<Btf>, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Memory of a map: an mmapable array, a ring buffer, an arena. `offset` and `len` are in bytes; the offset is a
    /// multiple of the page size. Of a ring buffer, page 0 is the consumer's, page 1 the producer's, and the data
    /// follow twice.
    ///
    /// # Errors
    /// As `mmap(2)` of the map's descriptor: `EBADF`, `EINVAL`, `EPERM`.
    fn map_memory(&self, fd: i32, offset: u64, len: usize, writable: bool) -> Result<Box<dyn SharedMemory>, Errno> {
        let _ = (fd, offset, len, writable);
        Err(Errno::EOPNOTSUPP)
    }

    /// Waits until one of the descriptors has something to read; says for each whether it has. `None` waits without end.
    ///
    /// # Errors
    /// `EBADF`, `EINTR`.
    fn wait_readable(&self, fds: &[i32], timeout: Option<Duration>) -> Result<Vec<bool>, Errno> {
        let _ = (fds, timeout);
        Err(Errno::EOPNOTSUPP)
    }

    /// Reads from a descriptor: output of an iterator, a perf event's count.
    ///
    /// # Errors
    /// As `read(2)`.
    fn read(&self, fd: i32, into: &mut [u8]) -> Result<usize, Errno> {
        let _ = (fd, into);
        Err(Errno::EOPNOTSUPP)
    }

    /// Opens a perf event of a task (`None`: all) on a CPU (`None`: all); it is disabled at first.
    ///
    /// # Errors
    /// As `perf_event_open(2)`: `EACCES`, `EPERM`, `ENOENT` for an unknown event, `EINVAL`.
    fn perf_event_open(&self, event: &PerfEvent, pid: Option<u32>, cpu: Option<u32>) -> Result<i32, Errno> {
        let _ = (event, pid, cpu);
        Err(Errno::EOPNOTSUPP)
    }

    /// Attaches a program to a perf event without a link; it leaves with the event's descriptor.
    ///
    /// # Errors
    /// `EBADF`, `EINVAL`, `EEXIST`.
    fn perf_event_attach(&self, event_fd: i32, prog_fd: i32) -> Result<(), Errno> {
        let _ = (event_fd, prog_fd);
        Err(Errno::EOPNOTSUPP)
    }

    /// Starts or stops a perf event.
    ///
    /// # Errors
    /// `EBADF`.
    fn perf_event_enable(&self, event_fd: i32, on: bool) -> Result<(), Errno> {
        let _ = (event_fd, on);
        Err(Errno::EOPNOTSUPP)
    }

    /// The ring of a perf event: one page of header and `pages` (a power of two) of data.
    ///
    /// # Errors
    /// As `mmap(2)`.
    fn perf_event_memory(&self, event_fd: i32, pages: usize) -> Result<Box<dyn SharedMemory>, Errno> {
        let _ = (event_fd, pages);
        Err(Errno::EOPNOTSUPP)
    }

    /// Puts a socket filter on a socket of this process (`SO_ATTACH_BPF`).
    ///
    /// # Errors
    /// `EBADF`, `EINVAL`, `ENOTSOCK`.
    fn attach_socket_filter(&self, socket: BorrowedFd<'_>, prog_fd: i32) -> Result<(), Errno> {
        let _ = (socket, prog_fd);
        Err(Errno::EOPNOTSUPP)
    }

    /// Takes the filter off a socket (`SO_DETACH_BPF`).
    ///
    /// # Errors
    /// `ENOENT` when there is none.
    fn detach_socket_filter(&self, socket: BorrowedFd<'_>) -> Result<(), Errno> {
        let _ = socket;
        Err(Errno::EOPNOTSUPP)
    }

    /// A descriptor of a cgroup (version 2).
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`.
    fn open_cgroup(&self, path: &Path) -> Result<i32, Errno> {
        let _ = path;
        Err(Errno::EOPNOTSUPP)
    }

    /// Index of a network interface.
    ///
    /// # Errors
    /// `ENODEV`.
    fn interface_index(&self, name: &str) -> Result<u32, Errno> {
        let _ = name;
        Err(Errno::EOPNOTSUPP)
    }

    /// Number of a tracepoint, for [`PerfEventKind::Tracepoint`].
    ///
    /// # Errors
    /// `ENOENT`.
    fn tracepoint_id(&self, category: &str, name: &str) -> Result<u64, Errno> {
        let _ = (category, name);
        Err(Errno::EOPNOTSUPP)
    }

    /// The `format` file of a tracepoint: its fields with offset and size.
    ///
    /// # Errors
    /// `ENOENT`.
    fn tracepoint_format(&self, category: &str, name: &str) -> Result<String, Errno> {
        let _ = (category, name);
        Err(Errno::EOPNOTSUPP)
    }

    /// Address of a kernel symbol (`/proc/kallsyms`).
    ///
    /// # Errors
    /// `ENOENT`; `EPERM` where addresses are hidden.
    fn symbol_address(&self, name: &str) -> Result<u64, Errno> {
        let _ = name;
        Err(Errno::EOPNOTSUPP)
    }

    /// All kernel symbols with their addresses, in order of address, to name stack frames.
    ///
    /// # Errors
    /// `EPERM` where addresses are hidden.
    fn symbols(&self) -> Result<Arc<[KernelSymbol]>, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// A build option of the kernel as `/proc/config.gz` has it: `y`, `m`, a number, a quoted string; `None` if it is
    /// not set.
    ///
    /// # Errors
    /// `ENOENT` where the kernel does not tell.
    fn config(&self, option: &str) -> Result<Option<String>, Errno> {
        let _ = option;
        Err(Errno::EOPNOTSUPP)
    }

    /// `LINUX_KERNEL_VERSION`: major in bits 16 and up, minor in 8 to 15, patch (at most 255) in 0 to 7.
    fn version_code(&self) -> u32;

    /// Writes waiting `bpf_printk` lines to `sink` until there are none. Gives how many.
    ///
    /// # Errors
    /// `EACCES`, `ENOENT` where there is no trace pipe.
    fn drain_printk(&self, sink: &mut dyn FnMut(&str)) -> Result<usize, Errno> {
        let _ = sink;
        Err(Errno::EOPNOTSUPP)
    }

    /// More about a failure than its errno says: which capability, build option or setting is missing.
    fn explain(&self, operation: Operation, errno: Errno) -> Option<String> {
        let _ = (operation, errno);
        None
    }
}

impl std::fmt::Debug for dyn Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kernel({})", self.name())
    }
}

/// What failed, for [`Kernel::explain`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// A command.
    Command(CommandNumber),
    /// Loading a program of that type.
    LoadProgram(ProgramType),
    /// Making a map of that type.
    CreateMap(MapType),
    /// Attaching a program of that type, without or with that attach type.
    Attach(ProgramType, Option<AttachType>),
    /// Opening or using a perf event.
    PerfEvent,
    /// Looking a tracepoint up.
    Tracepoint,
    /// Reading the BTF of the kernel.
    Btf,
}

impl Operation {
    /// The operation of that name: a command (`MAP_CREATE`) or `PERF_EVENT_OPEN`; `None` for others.
    pub fn named(name: &str) -> Option<Operation> {
        if name == "PERF_EVENT_OPEN" {
            return Some(Operation::PerfEvent);
        }
        CommandNumber::ALL.iter().copied().find(|number| number.name() == name).map(Operation::Command)
    }
}
