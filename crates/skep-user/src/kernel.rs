//! The kernel: what holds everything together.

use crate::cpus::{Cpus, Run};
use crate::kernel_types;
use crate::memory::{Budget, ObjectArray, memory_of_machine};
use crate::objects::{AttachPoint, Attachments, BtfObject, DescriptorTable, Ids, Link, Map, Pins, Program};
use crate::statistics::Statistics;
use crate::sync::lock;
use crate::trace::{TraceBuffer, TraceLine};
use crate::wait::Signal;
use crate::world::{Clock, Task, TaskSpec};
use skep_abi::errno::Errno;
use skep_btf::Endian;
use skep_engine::{Announce, Mode};
use skep_verifier::{Capabilities, Limits};
use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// The id of the kernel's own BTF: the first.
pub(crate) const KERNEL_BTF_ID: u32 = 1;

/// How to set a kernel up.
#[derive(Clone, Debug)]
pub struct Config {
    /// Number of virtual CPUs; `None` for as many as the host has.
    pub cpus: Option<usize>,
    /// The virtual CPU that all runs take unless they name one; `None` for any that is free.
    pub cpu: Option<u32>,
    /// How programs run.
    pub mode: Mode,
    /// Instructions that a sandboxed run may take.
    pub budget: u64,
    /// Load programs that the verifier refuses, where they run in the sandbox.
    pub accept_unverified: bool,
    /// What clients may do.
    pub capabilities: Capabilities,
    /// How far the verifier goes.
    pub limits: Limits,
    /// Where time comes from.
    pub clock: Clock,
    /// Where random numbers and hash seeds come from; `None` for chance.
    pub seed: Option<u64>,
    /// The task that programs see as the current one where a hook names no other.
    pub task: TaskSpec,
    /// Printed lines to keep.
    pub trace_lines: usize,
    /// Who is told about compiled programs; by default what the variable `SKEP_ANNOUNCE` asks for.
    pub announce: Announce,
    /// Compile with constant blinding: see [`skep_engine::CompileOptions::blind`].
    pub blind: bool,
    /// Bytes that all maps may use together; `None` for as many as the machine has.
    pub map_memory: Option<u64>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            cpus: None,
            cpu: None,
            mode: Mode::default(),
            budget: 100_000_000,
            accept_unverified: false,
            capabilities: Capabilities::all(),
            limits: Limits::default(),
            clock: Clock::Host,
            seed: None,
            task: TaskSpec::current(),
            trace_lines: 65536,
            announce: Announce::from_environment(),
            blind: false,
            map_memory: None,
        }
    }
}

impl Config {
    /// A machine on which every run gives the same: two CPUs of which the first is used, a clock that stands still until
    /// it is set, a fixed seed, process 1 of root.
    pub fn deterministic() -> Config {
        Config {
            cpus: Some(2),
            cpu: Some(0),
            clock: Clock::Virtual(Arc::new(AtomicU64::new(1_000_000_000))),
            seed: Some(1),
            task: TaskSpec::default(),
            announce: Announce::default(),
            ..Config::default()
        }
    }
}

/// A BPF kernel in user space. Its door is [`skep_kernel::Kernel`]; hooks run programs by [`UserKernel::run`].
pub struct UserKernel {
    pub(crate) config: Config,
    pub(crate) cpus: Arc<Cpus>,
    pub(crate) maps: Ids<Map>,
    pub(crate) map_memory: Arc<Budget>,
    pub(crate) programs: Ids<Program>,
    pub(crate) links: Ids<Link>,
    pub(crate) btfs: Ids<BtfObject>,
    pub(crate) kernel_btf: Arc<BtfObject>,
    pub(crate) descriptors: DescriptorTable,
    pub(crate) pins: Pins,
    pub(crate) attachments: Arc<Attachments>,
    pub(crate) statistics: Arc<Statistics>,
    pub(crate) trace: TraceBuffer,
    pub(crate) signal: Arc<Signal>,
    /// Names of tracepoints that somebody asked for; the number is the place, from 1.
    pub(crate) tracepoints: Mutex<Vec<String>>,
    /// Paths of cgroups that somebody opened; the id is the place, from 1, which is the root.
    cgroups: Mutex<Vec<PathBuf>>,
    /// One cell: runs look at it without counting.
    task: ObjectArray<Task>,
    /// Taken by maps, and by runs that ask for random numbers.
    pub(crate) seeds: AtomicU64,
    /// By CPU: a run ended before its program did, and may have left something reserved.
    pub(crate) ended_early: Box<[AtomicBool]>,
    perf_events: AtomicU64,
}

impl UserKernel {
    /// A kernel with nothing in it.
    pub fn new(config: Config) -> Arc<UserKernel> {
        let host_cpus = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let btfs = Ids::default();
        let kernel_btf = btfs.assign(kernel_btf);
        let cpus = Arc::new(Cpus::new(config.cpus.unwrap_or_else(host_cpus)));
        let task = ObjectArray::new(1, cpus.clone()).expect("one page of memory");
        task.replace(0, Some(Task::new(config.task.clone())));
        Arc::new(UserKernel {
            ended_early: (0..cpus.count()).map(|_| AtomicBool::new(false)).collect(),
            cpus,
            maps: Ids::default(),
            map_memory: Budget::new(config.map_memory.unwrap_or_else(memory_of_machine)),
            programs: Ids::default(),
            links: Ids::default(),
            btfs,
            kernel_btf,
            descriptors: DescriptorTable::default(),
            pins: Pins::default(),
            attachments: Arc::default(),
            statistics: Arc::default(),
            trace: TraceBuffer::new(config.trace_lines),
            signal: Arc::default(),
            tracepoints: Mutex::default(),
            cgroups: Mutex::new(vec![PathBuf::from("/sys/fs/cgroup")]),
            task,
            seeds: AtomicU64::new(config.seed.unwrap_or_else(chance)),
            perf_events: AtomicU64::new(1),
            config,
        })
    }

    /// The program behind a descriptor.
    ///
    /// # Errors
    /// EBADF if there is nothing, EINVAL if it is something else.
    pub fn program(&self, fd: i32) -> Result<Arc<Program>, Errno> {
        self.descriptors.program(fd)
    }

    /// The programs attached at a point, in the order of running, each with its cookie.
    pub fn attached(&self, point: &AttachPoint) -> Vec<(Arc<Program>, u64)> {
        self.attachments.at(point).into_iter().map(|attached| (attached.program, attached.cookie)).collect()
    }

    /// The task that programs see as the current one.
    pub fn task(&self) -> Arc<Task> {
        self.task.get(0).expect("there is a task from the beginning on")
    }

    /// The same for the length of a run.
    pub(crate) fn current_task<'r>(&self, run: &'r Run<'_>) -> &'r Task {
        self.task.load(0, run).expect("there is a task from the beginning on")
    }

    /// Makes another task the current one.
    pub fn set_task(&self, spec: TaskSpec) {
        self.task.replace(0, Some(Task::new(spec)));
    }

    /// Takes out the lines that programs printed.
    pub fn take_trace(&self) -> Vec<TraceLine> {
        self.trace.take()
    }

    /// Bytes that all maps use together: what they were made with, and elements that came since.
    pub fn map_memory_in_use(&self) -> u64 {
        self.map_memory.used()
    }

    /// Bytes of memory that a map uses, about (`memlock` of Linux's `fdinfo`).
    ///
    /// # Errors
    /// EBADF if there is nothing, EINVAL if it is no map.
    pub fn map_memory_usage(&self, fd: i32) -> Result<u64, Errno> {
        Ok(self.descriptors.map(fd)?.0.implementation.memory_usage())
    }

    /// Removes a pin, as `unlink(2)` would.
    ///
    /// # Errors
    /// ENOENT.
    pub fn unpin(&self, path: &CStr) -> Result<(), Errno> {
        self.pins.unpin(path)
    }

    /// The paths of all pins.
    pub fn pinned(&self) -> Vec<PathBuf> {
        self.pins.paths()
    }

    /// The name of a tracepoint: `category/name`.
    pub(crate) fn tracepoint_name(&self, id: u64) -> Option<String> {
        let index = usize::try_from(id).ok()?.checked_sub(1)?;
        lock(&self.tracepoints).get(index).cloned()
    }

    /// The id of a cgroup. Every path names one: there is no hierarchy but the names.
    pub fn cgroup_id(&self, path: &Path) -> u64 {
        let mut known = lock(&self.cgroups);
        let index = known.iter().position(|other| other == path).unwrap_or_else(|| {
            known.push(path.to_owned());
            known.len() - 1
        });
        index as u64 + 1
    }

    /// A seed that no run before had.
    pub(crate) fn next_seed(&self) -> u64 {
        self.seeds.fetch_add(1, Relaxed)
    }

    /// A number for a new perf event.
    pub(crate) fn next_perf_event(&self) -> u64 {
        self.perf_events.fetch_add(1, Relaxed)
    }
}

impl std::fmt::Debug for UserKernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserKernel").field("config", &self.config).finish_non_exhaustive()
    }
}

fn kernel_btf(id: u32) -> BtfObject {
    let btf = kernel_types::btf().expect("the table of kernel types makes valid BTF: a test builds it");
    let bytes = btf.to_bytes(Endian::Little).expect("BTF of a fixed table can be written: a test does");
    BtfObject { id, bytes: bytes.into(), btf: Arc::new(btf), name: "vmlinux" }
}

/// A number that nobody can foresee.
fn chance() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}
