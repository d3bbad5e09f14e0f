//! The kfunc table: kernel functions that programs call by name.
//!
//! Arguments and results come from the kernel's BTF; a row has what BTF does not tell. Test functions of the kernel are
//! left out.

mod table;

pub use table::KFUNCS;

use crate::Version;
use crate::attach_type::AttachType;
use crate::program_type::ProgramType;
use bitflags::bitflags;

bitflags! {
    /// `KF_*` of Linux 6.18.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct KfuncFlags: u32 {
        /// Returns a reference that must be released.
        const ACQUIRE = 1 << 0;
        /// Releases the reference in its argument.
        const RELEASE = 1 << 1;
        /// May return NULL.
        const RET_NULL = 1 << 2;
        /// Pointer arguments must be trusted.
        const TRUSTED_ARGS = 1 << 4;
        /// May sleep.
        const SLEEPABLE = 1 << 5;
        /// May harm the machine: needs CAP_SYS_BOOT.
        const DESTRUCTIVE = 1 << 6;
        /// Pointer arguments must be trusted or protected by RCU.
        const RCU = 1 << 7;
        /// Begins an iteration.
        const ITER_NEW = 1 << 8;
        /// Takes the next element.
        const ITER_NEXT = 1 << 9;
        /// Ends an iteration.
        const ITER_DESTROY = 1 << 10;
        /// Only inside an RCU read section.
        const RCU_PROTECTED = 1 << 11;
        /// Leaves r1 to r5 alone where the program follows the `bpf_fastcall` convention.
        const FASTCALL = 1 << 12;
        /// Allowed while a spin lock is held. Linux has a list in place of this flag.
        const ALLOWED_IN_LOCK = 1 << 31;
    }
}

/// Which programs may call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KfuncSet {
    /// All.
    Common,
    /// Those with BTF objects: tracing, tc, XDP, struct_ops, system calls, cgroups.
    Generic,
    /// Programs on packets of the network stack.
    Packet,
    /// XDP.
    Xdp,
    /// XDP bound to a device.
    XdpMetadata,
    /// tc.
    Tc,
    /// XDP and tc.
    XdpAndTc,
    /// Cgroup socket addresses.
    SockAddr,
    /// TCP events.
    SockOps,
    /// Tracing.
    Tracing,
    /// Tracing programs that go over kernel objects.
    Iterator,
    /// kprobe at entry and return of the same function.
    KprobeSession,
    /// LSM.
    Lsm,
    /// LSM and tracing, for keys.
    Keys,
    /// Tracing, struct_ops, system calls, LSM: CPU masks and the like.
    Objects,
    /// Programs of the type system calls, for crypto contexts.
    Syscall,
    /// Implementations of kernel interfaces.
    StructOps,
}

impl KfuncSet {
    /// The program types; `None` is all.
    pub const fn program_types(self) -> Option<&'static [ProgramType]> {
        use ProgramType as P;
        Some(match self {
            KfuncSet::Common => return None,
            KfuncSet::Generic => &[
                P::Tracing,
                P::Tracepoint,
                P::PerfEvent,
                P::Lsm,
                P::SchedCls,
                P::Xdp,
                P::StructOps,
                P::Syscall,
                P::CgroupSkb,
                P::CgroupSock,
                P::CgroupDevice,
                P::CgroupSockAddr,
                P::CgroupSockopt,
                P::CgroupSysctl,
                P::SockOps,
            ],
            KfuncSet::Packet => &[
                P::SchedCls,
                P::SchedAct,
                P::SkSkb,
                P::SocketFilter,
                P::CgroupSkb,
                P::LwtOut,
                P::LwtIn,
                P::LwtXmit,
                P::LwtSeg6local,
                P::Netfilter,
                P::Tracing,
            ],
            KfuncSet::Xdp | KfuncSet::XdpMetadata => &[P::Xdp],
            KfuncSet::Tc => &[P::SchedCls],
            KfuncSet::XdpAndTc => &[P::Xdp, P::SchedCls],
            KfuncSet::SockAddr => &[P::CgroupSockAddr],
            KfuncSet::SockOps => &[P::SockOps],
            KfuncSet::Tracing | KfuncSet::Iterator => &[P::Tracing],
            KfuncSet::KprobeSession => &[P::Kprobe],
            KfuncSet::Lsm => &[P::Lsm],
            KfuncSet::Keys => &[P::Lsm, P::Tracing],
            KfuncSet::Objects => &[P::Tracing, P::Tracepoint, P::PerfEvent, P::Lsm, P::StructOps, P::Syscall],
            KfuncSet::StructOps => &[P::StructOps],
            KfuncSet::Syscall => &[P::Syscall],
        })
    }

    /// The attach types; `None` is all.
    pub const fn attach_types(self) -> Option<&'static [AttachType]> {
        match self {
            KfuncSet::Iterator => Some(&[AttachType::TraceIter]),
            KfuncSet::KprobeSession => Some(&[AttachType::TraceKprobeSession]),
            _ => None,
        }
    }
}

/// What a call does beyond its prototype and flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KfuncRule {
    /// Nothing: prototype and flags say all.
    Plain,
    /// Enters an RCU read section.
    RcuLock,
    /// Leaves one.
    RcuUnlock,
    /// Disables preemption.
    PreemptDisable,
    /// Enables it.
    PreemptEnable,
    /// Holds interrupts off; what was before is kept in the argument.
    InterruptSave,
    /// Restores what was before from the argument.
    InterruptRestore,
    /// Makes a dynptr over a socket buffer.
    DynptrOverSkb,
    /// Makes a dynptr over the metadata of a socket buffer.
    DynptrOverSkbMeta,
    /// Makes a dynptr over an XDP packet.
    DynptrOverXdp,
    /// Makes a dynptr over what another stands on.
    DynptrClone,
    /// The result is a slice of the dynptr, to be read, of constant size.
    DynptrSlice,
    /// The same, to be written too.
    DynptrSliceReadWrite,
    /// Writes through its first dynptr: packet pointers become invalid if that moves the packet.
    DynptrWrite,
    /// Ends the program, from wherever it is called.
    Throw,
    /// Gives the kernel's own struct of the context, which is the argument.
    CastToKernelContext,
    /// Gives the first argument as an untrusted pointer to the type whose BTF id is the second.
    ReadOnlyCast,
    /// Allocates an object of a type of the program's own.
    NewObject,
    /// Allocates one for each CPU.
    NewPerCpuObject,
    /// Frees an object.
    DropObject,
    /// Frees one of each CPU.
    DropPerCpuObject,
    /// Gives a second reference to an object.
    ShareObject,
    /// Moves the object of the second argument into the list or tree of the first.
    InsertNode,
    /// Takes a lock, or fails.
    TakeLock,
    /// Gives it back.
    GiveLock,
    /// Takes a lock with interrupts held off, or fails.
    TakeLockInterruptsOff,
    /// Gives it back, and interrupts are as before.
    GiveLockInterruptsOn,
    /// Sets a function that is called later, in process context, and returns 0.
    CallLater,
    /// Sets a function that is called later, by a task, and returns any number.
    CallInTask,
    /// Begins to go over the tasks of a cgroup, which takes a lock that not all programs may take.
    CssTaskIterator,
    /// Asks the device that the frame came from: only in programs bound to one.
    DeviceBound,
    /// Moves packet data: packet pointers become invalid.
    ChangesPacket,
    /// The result may be read and not passed on.
    UntrustedResult,
    /// The result is memory of eight bytes that may be written.
    WritableResult,
    /// Something that the verifier does not know yet: calls are refused.
    Unverified,
}

/// One kfunc.
#[derive(Clone, Copy, Debug)]
pub struct Kfunc {
    /// Its name in the kernel.
    pub name: &'static str,
    /// Which programs may call it.
    pub set: KfuncSet,
    /// What BTF does not tell.
    pub flags: KfuncFlags,
    /// What neither BTF nor the flags tell.
    pub rule: KfuncRule,
    /// First Linux release that has it.
    pub since: Version,
    /// One line about what it does.
    pub doc: &'static str,
}

impl Kfunc {
    /// Whether programs of that type, attached like this, may call it.
    pub fn available(&self, program_type: ProgramType, attach_type: Option<AttachType>) -> bool {
        let attached = |types: &[AttachType]| attach_type.is_some_and(|attach_type| types.contains(&attach_type));
        self.set.program_types().is_none_or(|types| types.contains(&program_type))
            && self.set.attach_types().is_none_or(attached)
    }
}

/// The kfunc of that name.
pub fn by_name(name: &str) -> Option<&'static Kfunc> {
    KFUNCS.iter().find(|k| k.name == name)
}
