//! What programs can find out about the machine and the task they run in. All of it can be set, so that a run can be
//! repeated exactly.

use crate::kernel_types::{
    Cred, Dentry, File, Inode, MmStruct, MntNamespace, Mount, Net, NsProxy, PidNamespace, Ptr, SuperBlock, TaskStruct,
};
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

/// The structs of a task and of its parent. Every pointer is NULL or leads to another struct in this box. What is not
/// known of the parent is NULL: its memory, and so its executable.
#[derive(Debug, Default)]
struct TaskMemory {
    task: TaskStruct,
    parent: TaskStruct,
    cred: Cred,
    mm: MmStruct,
    executable: File,
    inode: Inode,
    dentry: Dentry,
    super_block: SuperBlock,
    mount: Mount,
    namespaces: NsProxy,
    mounts: MntNamespace,
    pids: PidNamespace,
    network: Net,
    name: [u8; 16],
}

/// Inode numbers of the initial namespaces (`PROC_PID_INIT_INO` and its kind).
const FIRST_NETWORK_NAMESPACE: u32 = 0xeffe_fff8;
const FIRST_PID_NAMESPACE: u32 = 0xeffe_fffc;
const FIRST_MOUNT_NAMESPACE: u32 = 0xeffe_fff6;

impl TaskMemory {
    fn new(spec: &TaskSpec) -> Box<TaskMemory> {
        let mut memory = Box::<TaskMemory>::default();
        memory.name = comm_bytes(&spec.comm);
        memory.cred.uid.val = spec.uid;
        memory.cred.gid.val = spec.gid;
        (memory.cred.euid.val, memory.cred.egid.val) = (spec.uid, spec.gid);
        (memory.cred.suid.val, memory.cred.sgid.val) = (spec.uid, spec.gid);
        (memory.cred.fsuid.val, memory.cred.fsgid.val) = (spec.uid, spec.gid);
        memory.mounts.ns.inum = FIRST_MOUNT_NAMESPACE;
        memory.pids.ns.inum = FIRST_PID_NAMESPACE;
        memory.network.ns.inum = FIRST_NETWORK_NAMESPACE;
        memory.connect_file();
        memory.namespaces = NsProxy {
            mnt_ns: Ptr::to(&memory.mounts),
            pid_ns_for_children: Ptr::to(&memory.pids),
            net_ns: Ptr::to(&memory.network),
        };
        let (task, parent) = (Ptr::to(&memory.task), Ptr::to(&memory.parent));
        let common = TaskStruct {
            real_parent: parent,
            parent,
            cred: Ptr::to(&memory.cred),
            real_cred: Ptr::to(&memory.cred),
            nsproxy: Ptr::to(&memory.namespaces),
            ..TaskStruct::default()
        };
        memory.task = TaskStruct {
            pid: spec.pid.cast_signed(),
            tgid: spec.tgid.cast_signed(),
            group_leader: task,
            mm: Ptr::to(&memory.mm),
            active_mm: Ptr::to(&memory.mm),
            comm: comm_bytes(&spec.comm).map(u8::cast_signed),
            start_time: spec.start_time,
            start_boottime: spec.start_time,
            ..common
        };
        let process = spec.parent.cast_signed();
        memory.parent = TaskStruct { pid: process, tgid: process, group_leader: parent, ..common };
        memory
    }

    /// The executable file: a name and nothing more.
    fn connect_file(&mut self) {
        self.mm.exe_file = Ptr::to(&self.executable);
        self.executable.f_inode = Ptr::to(&self.inode);
        self.executable.f_cred = Ptr::to(&self.cred);
        self.executable.f_path.mnt = Ptr::to(&self.mount);
        self.executable.f_path.dentry = Ptr::to(&self.dentry);
        self.inode.i_sb = Ptr::to(&self.super_block);
        self.super_block.s_root = Ptr::to(&self.dentry);
        self.mount.mnt_root = Ptr::to(&self.dentry);
        self.mount.mnt_sb = Ptr::to(&self.super_block);
        self.dentry.d_parent = Ptr::to(&self.dentry);
        self.dentry.d_inode = Ptr::to(&self.inode);
        self.dentry.d_sb = Ptr::to(&self.super_block);
        self.dentry.d_name.name = Ptr::to(&self.name[0]);
        self.dentry.d_name.len = self.name.iter().position(|byte| *byte == 0).unwrap_or(0) as u32;
    }
}

impl Task {
    /// Makes the task.
    pub fn new(spec: TaskSpec) -> Arc<Task> {
        let memory = TaskMemory::new(&spec);
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

    /// Address and size of all the structs that its `task_struct` leads to.
    pub(crate) fn whole_memory(&self) -> (u64, usize) {
        (std::ptr::from_ref(&*self.memory).expose_provenance() as u64, size_of::<TaskMemory>())
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
