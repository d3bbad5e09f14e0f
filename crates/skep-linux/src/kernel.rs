//! [`LinuxKernel`].

use crate::check::check;
use crate::descriptors::Descriptors;
use crate::explain::explain;
use crate::memory::Mapping;
use crate::system_call::{execute, last_errno};
use crate::trace_files::TraceFiles;
use crate::{facts, perf_event};
use rustix::fs::{Mode, OFlags};
use skep_abi::command::{Command, CommandNumber, Failure, Reply};
use skep_abi::errno::Errno;
use skep_btf::Btf;
use skep_kernel::{Kernel, KernelSymbol, Operation, PerfEvent, SharedMemory};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// How often a load that was interrupted is tried again.
const LOAD_ATTEMPTS: u32 = 5;
/// Linux 5.11 counts BPF memory by cgroup instead of `RLIMIT_MEMLOCK`.
const COUNTS_BY_CGROUP: u32 = 5 << 16 | 11 << 8;

/// The BPF of the Linux that runs this process.
pub struct LinuxKernel {
    descriptors: Descriptors,
    cpus: u32,
    version: u32,
    btf: OnceLock<Result<Arc<Btf>, Errno>>,
    config: OnceLock<Result<String, Errno>>,
    symbols: OnceLock<Result<Arc<[KernelSymbol]>, Errno>>,
    trace_files: OnceLock<Result<TraceFiles, Errno>>,
    trace_pipe: Mutex<Option<TracePipe>>,
}

/// The trace pipe and the beginning of a line whose end is still to come.
struct TracePipe {
    file: File,
    rest: Vec<u8>,
}

/// Why the Linux kernel cannot be used at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// No `bpf(2)`.
    #[error("this Linux has no bpf() system call: it must be built with CONFIG_BPF_SYSCALL=y")]
    NoSystemCall,
}

impl LinuxKernel {
    /// Opens the kernel. No privilege is needed for this; commands say when they lack it.
    ///
    /// # Errors
    /// Where `bpf(2)` does not exist.
    pub fn open() -> Result<Arc<LinuxKernel>, OpenError> {
        let kernel = LinuxKernel {
            descriptors: Descriptors::default(),
            cpus: facts::possible_cpus(),
            version: facts::version_code(),
            btf: OnceLock::new(),
            config: OnceLock::new(),
            symbols: OnceLock::new(),
            trace_files: OnceLock::new(),
            trace_pipe: Mutex::new(None),
        };
        // Any command will do: only a missing system call gives ENOSYS.
        let probe = skep_abi::command::MapFreeze { map_fd: -1 };
        if matches!(kernel.bpf(probe.into()), Err(Failure { errno: Errno::ENOSYS, .. })) {
            return Err(OpenError::NoSystemCall);
        }
        if kernel.version < COUNTS_BY_CGROUP {
            raise_memory_limit();
        }
        Ok(Arc::new(kernel))
    }

    /// Tracepoint files, found once.
    fn trace_files(&self) -> Result<&TraceFiles, Errno> {
        self.trace_files.get_or_init(TraceFiles::open).as_ref().map_err(|errno| *errno)
    }

    /// Owns a descriptor that a command gave.
    fn adopt(&self, reply: Reply) {
        if let Some(fd) = reply.fd() {
            // SAFETY: the kernel just gave this descriptor to us and nobody else knows it.
            self.descriptors.insert(unsafe { OwnedFd::from_raw_fd(fd) });
        }
    }
}

/// Lets BPF lock as much memory as it needs; without the right to, what there is must do.
fn raise_memory_limit() {
    let unlimited = rustix::process::Rlimit { current: None, maximum: None };
    // Refused without CAP_SYS_RESOURCE: then commands fail with EPERM by themselves if the limit is too low.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Memlock, unlimited);
}

impl Kernel for LinuxKernel {
    fn name(&self) -> &'static str {
        "linux"
    }

    fn bpf(&self, mut command: Command<'_>) -> Result<Reply, Failure> {
        let attempts = if command.number() == CommandNumber::ProgLoad { LOAD_ATTEMPTS } else { 1 };
        let mut outcome = execute(check(&mut command, &self.descriptors, self.cpus)?);
        for _ in 1..attempts {
            // A signal ended the verifier.
            if !matches!(outcome, Err(Failure { errno: Errno::EAGAIN, .. })) {
                break;
            }
            outcome = execute(check(&mut command, &self.descriptors, self.cpus)?);
        }
        if let Ok(reply) = outcome {
            self.adopt(reply);
        }
        outcome
    }

    fn close(&self, fd: i32) {
        self.descriptors.remove(fd);
    }

    fn duplicate(&self, fd: i32) -> Result<i32, Errno> {
        self.descriptors.duplicate(fd)
    }

    fn possible_cpus(&self) -> u32 {
        self.cpus
    }

    fn version_code(&self) -> u32 {
        self.version
    }

    fn btf(&self) -> Result<Arc<Btf>, Errno> {
        let load = || {
            let bytes = std::fs::read("/sys/kernel/btf/vmlinux").map_err(|e| facts::errno_of(&e))?;
            Btf::parse(&bytes).map(Arc::new).map_err(|_| Errno::EINVAL)
        };
        self.btf.get_or_init(load).clone()
    }

    fn map_memory(&self, fd: i32, offset: u64, len: usize, writable: bool) -> Result<Box<dyn SharedMemory>, Errno> {
        Ok(Box::new(Mapping::new(fd, offset, len, writable)?))
    }

    fn wait_readable(&self, fds: &[i32], timeout: Option<Duration>) -> Result<Vec<bool>, Errno> {
        let mut polled: Vec<libc::pollfd> =
            fds.iter().map(|fd| libc::pollfd { fd: *fd, events: libc::POLLIN, revents: 0 }).collect();
        // Rounded up, so that a short wait does not become a busy loop.
        let millis = timeout.map_or(-1, |t| i32::try_from(t.as_micros().div_ceil(1000)).unwrap_or(i32::MAX));
        let count = libc::nfds_t::try_from(polled.len()).map_err(|_| Errno::EINVAL)?;
        // SAFETY: `polled` has as many entries as are said.
        if unsafe { libc::poll(polled.as_mut_ptr(), count, millis) } < 0 {
            return Err(last_errno());
        }
        if polled.iter().any(|p| p.revents & libc::POLLNVAL != 0) {
            return Err(Errno::EBADF);
        }
        Ok(polled.iter().map(|p| p.revents != 0).collect())
    }

    fn read(&self, fd: i32, into: &mut [u8]) -> Result<usize, Errno> {
        // SAFETY: `into` is as long as is said.
        let read = unsafe { libc::read(fd, into.as_mut_ptr().cast(), into.len()) };
        usize::try_from(read).map_err(|_| last_errno())
    }

    fn perf_event_open(&self, event: &PerfEvent, pid: Option<u32>, cpu: Option<u32>) -> Result<i32, Errno> {
        Ok(self.descriptors.insert(perf_event::open(event, pid, cpu)?))
    }

    fn perf_event_attach(&self, event_fd: i32, prog_fd: i32) -> Result<(), Errno> {
        perf_event::attach(event_fd, prog_fd)
    }

    fn perf_event_enable(&self, event_fd: i32, on: bool) -> Result<(), Errno> {
        perf_event::enable(event_fd, on)
    }

    fn perf_event_memory(&self, event_fd: i32, pages: usize) -> Result<Box<dyn SharedMemory>, Errno> {
        let len = pages.checked_add(1).and_then(|p| p.checked_mul(rustix::param::page_size())).ok_or(Errno::EINVAL)?;
        Ok(Box::new(Mapping::new(event_fd, 0, len, true)?))
    }

    fn attach_socket_filter(&self, socket: BorrowedFd<'_>, prog_fd: i32) -> Result<(), Errno> {
        socket_option(socket, libc::SO_ATTACH_BPF, prog_fd)
    }

    fn detach_socket_filter(&self, socket: BorrowedFd<'_>) -> Result<(), Errno> {
        socket_option(socket, libc::SO_DETACH_BPF, 0)
    }

    fn open_cgroup(&self, path: &Path) -> Result<i32, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| Errno(e.raw_os_error()))?;
        Ok(self.descriptors.insert(fd))
    }

    fn interface_index(&self, name: &str) -> Result<u32, Errno> {
        let name = std::ffi::CString::new(name).map_err(|_| Errno::ENODEV)?;
        // SAFETY: a NUL-terminated string that lives until after the call.
        match unsafe { libc::if_nametoindex(name.as_ptr()) } {
            0 => Err(Errno::ENODEV),
            index => Ok(index),
        }
    }

    fn tracepoint_id(&self, category: &str, name: &str) -> Result<u64, Errno> {
        let text = self.trace_files()?.event(category, name, "id")?;
        text.trim().parse().map_err(|_| Errno::EINVAL)
    }

    fn tracepoint_format(&self, category: &str, name: &str) -> Result<String, Errno> {
        self.trace_files()?.event(category, name, "format")
    }

    fn symbol_address(&self, name: &str) -> Result<u64, Errno> {
        let symbols = self.symbols()?;
        symbols.iter().find(|s| &*s.name == name).map(|s| s.address).ok_or(Errno::ENOENT)
    }

    fn symbols(&self) -> Result<Arc<[KernelSymbol]>, Errno> {
        self.symbols.get_or_init(|| facts::symbols().map(Arc::from)).clone()
    }

    fn config(&self, option: &str) -> Result<Option<String>, Errno> {
        let config = self.config.get_or_init(facts::config).as_ref().map_err(|errno| *errno)?;
        Ok(facts::option(config, option).map(str::to_owned))
    }

    fn drain_printk(&self, sink: &mut dyn FnMut(&str)) -> Result<usize, Errno> {
        let mut pipe = self.trace_pipe.lock().unwrap_or_else(PoisonError::into_inner);
        let pipe = match &mut *pipe {
            Some(pipe) => pipe,
            none => none.insert(TracePipe { file: self.trace_files()?.pipe()?, rest: Vec::new() }),
        };
        pipe.drain(sink)
    }

    fn explain(&self, operation: Operation, errno: Errno) -> Option<String> {
        explain(operation, errno)
    }
}

impl TracePipe {
    /// Reads what is there and gives out whole lines.
    fn drain(&mut self, sink: &mut dyn FnMut(&str)) -> Result<usize, Errno> {
        let mut lines = 0;
        let mut chunk = [0; 8192];
        loop {
            match self.file.read(&mut chunk) {
                Ok(0) => return Ok(lines),
                Ok(len) => self.rest.extend_from_slice(&chunk[..len]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(lines),
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(facts::errno_of(&e)),
            }
            while let Some(end) = self.rest.iter().position(|b| *b == b'\n') {
                sink(&String::from_utf8_lossy(&self.rest[..end]));
                self.rest.drain(..=end);
                lines += 1;
            }
        }
    }
}

fn socket_option(socket: BorrowedFd<'_>, option: i32, value: i32) -> Result<(), Errno> {
    let size = libc::socklen_t::try_from(size_of::<i32>()).unwrap_or(4);
    // SAFETY: the value is an i32, as the length says.
    let done = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, std::ptr::from_ref(&value).cast(), size)
    };
    if done < 0 { Err(last_errno()) } else { Ok(()) }
}
