//! What programs can find out about the machine and the task they run in. All of it can be set, so that a run can be
//! repeated exactly.

use crate::kernel_types::{Cred, Ptr, TaskStruct};
use rustix::time::ClockId;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A task to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskSpec {
    /// Thread id.
    pub pid: u32,
    /// Process id.
    pub tgid: u32,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Name; 15 bytes of it are kept.
    pub comm: String,
    /// Process id of the parent.
    pub parent: u32,
    /// Id of its cgroup.
    pub cgroup_id: u64,
    /// Nanoseconds after boot when it began.
    pub start_time: u64,
    /// The process of the host whose memory its user addresses are in; `None` for this one.
    pub address_space: Option<u32>,
}

impl TaskSpec {
    /// The thread that calls.
    pub fn current() -> TaskSpec {
        let name = std::fs::read_to_string("/proc/thread-self/comm").unwrap_or_default();
        TaskSpec {
            pid: rustix::thread::gettid().as_raw_nonzero().get().cast_unsigned(),
            tgid: rustix::process::getpid().as_raw_nonzero().get().cast_unsigned(),
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
            comm: name.trim_end().to_owned(),
            parent: rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get().cast_unsigned()),
            cgroup_id: 1,
            start_time: 0,
            address_space: None,
        }
    }
}

impl Default for TaskSpec {
    /// Process 1 of root, named `skep`.
    fn default() -> Self {
        TaskSpec {
            pid: 1,
            tgid: 1,
            uid: 0,
            gid: 0,
            comm: "skep".to_owned(),
            parent: 0,
            cgroup_id: 1,
            start_time: 0,
            address_space: None,
        }
    }
}

/// A task as programs see it, with its `task_struct`.
#[derive(Debug)]
pub struct Task {
    spec: TaskSpec,
    memory: Box<TaskMemory>,
}

/// The structs of a task and of its parent; each points only into this box.
#[derive(Debug, Default)]
struct TaskMemory {
    task: TaskStruct,
    parent: TaskStruct,
    cred: Cred,
}

impl Task {
    /// Makes the task.
    pub fn new(spec: TaskSpec) -> Arc<Task> {
        let mut memory = Box::<TaskMemory>::default();
        memory.cred.uid.val = spec.uid;
        memory.cred.gid.val = spec.gid;
        (memory.cred.euid.val, memory.cred.egid.val) = (spec.uid, spec.gid);
        (memory.cred.suid.val, memory.cred.sgid.val) = (spec.uid, spec.gid);
        (memory.cred.fsuid.val, memory.cred.fsgid.val) = (spec.uid, spec.gid);
        let cred = Ptr::to(&memory.cred);
        let (task, parent) = (Ptr::to(&memory.task), Ptr::to(&memory.parent));
        memory.task = TaskStruct {
            pid: spec.pid.cast_signed(),
            tgid: spec.tgid.cast_signed(),
            real_parent: parent,
            parent,
            group_leader: task,
            cred,
            real_cred: cred,
            comm: comm_bytes(&spec.comm).map(u8::cast_signed),
            start_time: spec.start_time,
            start_boottime: spec.start_time,
            ..TaskStruct::default()
        };
        memory.parent = TaskStruct {
            pid: spec.parent.cast_signed(),
            tgid: spec.parent.cast_signed(),
            real_parent: parent,
            parent,
            group_leader: parent,
            cred,
            real_cred: cred,
            ..TaskStruct::default()
        };
        Arc::new(Task { spec, memory })
    }

    /// What it was made of.
    pub fn spec(&self) -> &TaskSpec {
        &self.spec
    }

    /// Its name, padded with NUL.
    pub(crate) fn comm(&self) -> [u8; 16] {
        comm_bytes(&self.spec.comm)
    }

    /// Its `task_struct`.
    pub(crate) fn memory(&self) -> &TaskStruct {
        &self.memory.task
    }
}

fn comm_bytes(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    let len = name.len().min(15);
    bytes[..len].copy_from_slice(&name.as_bytes()[..len]);
    bytes
}

/// Where time comes from.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The host's clocks.
    #[default]
    Host,
    /// A number of nanoseconds that the owner advances; all clocks show it.
    Virtual(Arc<AtomicU64>),
}

/// How far atomic time is ahead of UTC, since 2017.
const LEAP_SECONDS: u64 = 37;

/// A clock of Linux's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClockKind {
    /// Since boot, without suspension.
    Monotonic,
    /// Since boot.
    Boot,
    /// International atomic time.
    Tai,
    /// Since boot, by the last tick.
    MonotonicCoarse,
}

impl Clock {
    /// Nanoseconds.
    pub(crate) fn now(&self, kind: ClockKind) -> u64 {
        match self {
            Clock::Virtual(nanoseconds) => nanoseconds.load(Relaxed),
            Clock::Host => {
                let (clock, offset) = match kind {
                    ClockKind::Monotonic => (ClockId::Monotonic, 0),
                    ClockKind::Boot => (ClockId::Boottime, 0),
                    ClockKind::Tai => (ClockId::Realtime, LEAP_SECONDS * 1_000_000_000),
                    ClockKind::MonotonicCoarse => (ClockId::MonotonicCoarse, 0),
                };
                let time = rustix::time::clock_gettime(clock);
                time.tv_sec
                    .cast_unsigned()
                    .wrapping_mul(1_000_000_000)
                    .wrapping_add(time.tv_nsec.cast_unsigned() + offset)
            }
        }
    }
}
