//! The structs.

use super::layout::{KernelType, Ptr, TypeTable, Void, kernel_structs};
use super::records::{Record, array, field, union};
use super::scalars::{BE16, BE32, U8, U16, U64};
use skep_btf::TypeId;

/// The bytes of an IPv6 address, which programs read as numbers of any size.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(4))]
pub(crate) struct In6Bytes([u8; 16]);

const IN6_UNION: Record =
    union("", 16, &[array("u6_addr8", 0, U8, 16), array("u6_addr16", 0, BE16, 8), array("u6_addr32", 0, BE32, 4)]);

impl KernelType for In6Bytes {
    fn describe(table: &mut TypeTable) -> TypeId {
        IN6_UNION.describe(table)
    }
}

/// Segment registers: 16 bits of eight bytes.
macro_rules! segments {
    ($($rust:ident = $segment:literal, $whole:literal;)*) => {$(
        #[doc = concat!("The place of `", $segment, "` in `pt_regs`.")]
        #[derive(Clone, Copy, Debug, Default)]
        #[repr(transparent)]
        pub(crate) struct $rust(u64);

        impl KernelType for $rust {
            fn describe(table: &mut TypeTable) -> TypeId {
                const RECORD: Record = union("", 8, &[field($segment, 0, U16), field($whole, 0, U64)]);
                RECORD.describe(table)
            }
        }
    )*};
}

segments! {
    CodeSegment = "cs", "csx";
    StackSegment = "ss", "ssx";
}

kernel_structs! {
    /// A process or thread.
    TaskStruct = "task_struct" {
        state = "__state": u32,
        flags: u32,
        on_cpu: i32,
        prio: i32,
        static_prio: i32,
        normal_prio: i32,
        mm: Ptr<MmStruct>,
        active_mm: Ptr<MmStruct>,
        exit_state: i32,
        exit_code: i32,
        exit_signal: i32,
        pid: i32,
        tgid: i32,
        real_parent: Ptr<TaskStruct>,
        parent: Ptr<TaskStruct>,
        group_leader: Ptr<TaskStruct>,
        utime: u64,
        stime: u64,
        nvcsw: u64,
        nivcsw: u64,
        start_time: u64,
        start_boottime: u64,
        real_cred: Ptr<Cred>,
        cred: Ptr<Cred>,
        comm: [i8; 16],
        fs: Ptr<Void>,
        files: Ptr<Void>,
        nsproxy: Ptr<NsProxy>,
        loginuid: KUid,
        sessionid: u32,
        self_exec_id: u32,
        cgroups: Ptr<Void>,
        thread_info_flags = "recent_used_cpu": i32,
    }
    /// A user id.
    KUid = typedef "kuid_t" { val: u32, }
    /// A group id.
    KGid = typedef "kgid_t" { val: u32, }
    /// Capabilities.
    KernelCap = typedef "kernel_cap_t" { val: u64, }
    /// Credentials of a task.
    Cred = "cred" {
        usage: i64,
        uid: KUid,
        gid: KGid,
        suid: KUid,
        sgid: KGid,
        euid: KUid,
        egid: KGid,
        fsuid: KUid,
        fsgid: KGid,
        securebits: u32,
        cap_inheritable: KernelCap,
        cap_permitted: KernelCap,
        cap_effective: KernelCap,
        cap_bset: KernelCap,
        cap_ambient: KernelCap,
    }
    /// An address space.
    MmStruct = "mm_struct" {
        start_code: u64,
        end_code: u64,
        start_stack: u64,
        arg_start: u64,
        arg_end: u64,
        env_start: u64,
        env_end: u64,
        exe_file: Ptr<File>,
        total_vm: u64,
    }
    /// What all namespaces have in common.
    NsCommon = "ns_common" { inum: u32, }
    /// A PID namespace.
    PidNamespace = "pid_namespace" { level: u32, ns: NsCommon, }
    /// A mount namespace.
    MntNamespace = "mnt_namespace" { ns: NsCommon, }
    /// A network namespace.
    Net = "net" { ns: NsCommon, }
    /// The namespaces of a task.
    NsProxy = "nsproxy" {
        mnt_ns: Ptr<MntNamespace>,
        pid_ns_for_children: Ptr<PidNamespace>,
        net_ns: Ptr<Net>,
    }
    /// A name with its length and hash.
    QStr = "qstr" { hash: u32, len: u32, name: Ptr<u8>, }
    /// A directory entry.
    Dentry = "dentry" {
        d_flags: u32,
        d_parent: Ptr<Dentry>,
        d_name: QStr,
        d_inode: Ptr<Inode>,
        d_sb: Ptr<SuperBlock>,
    }
    /// A file system.
    SuperBlock = "super_block" { s_dev: u32, s_magic: u64, s_root: Ptr<Dentry>, s_id: [i8; 32], }
    /// An inode.
    Inode = "inode" {
        i_mode: u16,
        i_opflags: u16,
        i_uid: KUid,
        i_gid: KGid,
        i_flags: u32,
        i_sb: Ptr<SuperBlock>,
        i_ino: u64,
        i_nlink: u32,
        i_rdev: u32,
        i_size: i64,
    }
    /// A mounted file system.
    Mount = "vfsmount" { mnt_root: Ptr<Dentry>, mnt_sb: Ptr<SuperBlock>, mnt_flags: i32, }
    /// A place in the tree of mounts.
    Path = "path" { mnt: Ptr<Mount>, dentry: Ptr<Dentry>, }
    /// An open file.
    File = "file" {
        f_mode: u32,
        f_flags: u32,
        f_pos: i64,
        f_inode: Ptr<Inode>,
        f_cred: Ptr<Cred>,
        f_path: Path,
    }
    /// A program about to be executed.
    LinuxBinprm = "linux_binprm" {
        file: Ptr<File>,
        cred: Ptr<Cred>,
        argc: i32,
        envc: i32,
        filename: Ptr<i8>,
        interp: Ptr<i8>,
    }
    /// An IPv6 address.
    In6Addr = "in6_addr" { in6_u: In6Bytes, }
    /// What all sockets have in common.
    SockCommon = "sock_common" {
        skc_daddr: u32,
        skc_rcv_saddr: u32,
        skc_hash: u32,
        skc_dport: u16,
        skc_num: u16,
        skc_family: u16,
        skc_state: u8,
        skc_reuse: u8,
        skc_bound_dev_if: i32,
        skc_v6_daddr: In6Addr,
        skc_v6_rcv_saddr: In6Addr,
    }
    /// A socket.
    Sock = "sock" {
        sk_common = "__sk_common": SockCommon,
        sk_protocol: u16,
        sk_type: u16,
        sk_mark: u32,
        sk_priority: u32,
        sk_rcvbuf: i32,
        sk_sndbuf: i32,
    }
    /// The user side of a socket.
    Socket = "socket" { state: i32, socket_type = "type": u16, flags: u64, file: Ptr<File>, sk: Ptr<Sock>, }
    /// An address of any family.
    SockAddr = "sockaddr" { sa_family: u16, sa_data: [i8; 14], }
    /// A network device.
    NetDevice = "net_device" { ifindex: i32, mtu: u32, name: [i8; 16], }
    /// A packet.
    SkBuff = "sk_buff" {
        dev: Ptr<NetDevice>,
        sk: Ptr<Sock>,
        tstamp: i64,
        cb: [u64; 6],
        len: u32,
        data_len: u32,
        mac_len: u16,
        queue_mapping: u16,
        priority: u32,
        skb_iif: i32,
        hash: u32,
        vlan_proto: u16,
        vlan_tci: u16,
        mark: u32,
        protocol: u16,
        transport_header: u16,
        network_header: u16,
        mac_header: u16,
        tail: u32,
        end: u32,
        head: Ptr<u8>,
        data: Ptr<u8>,
    }
    /// Registers at a probe (x86-64).
    PtRegs = "pt_regs" {
        r15: u64, r14: u64, r13: u64, r12: u64, bp: u64, bx: u64, r11: u64, r10: u64, r9: u64, r8: u64,
        ax: u64, cx: u64, dx: u64, si: u64, di: u64, orig_ax: u64, ip: u64, cs = "": CodeSegment, flags: u64, sp: u64, ss = "": StackSegment,
    }
    /// How every tracepoint record begins.
    TraceEntry = "trace_entry" {
        entry_type = "type": u16,
        flags: u8,
        preempt_count: u8,
        pid: i32,
    }
    /// `raw_syscalls:sys_enter` and `syscalls:sys_enter_*`.
    TraceSysEnter = "trace_event_raw_sys_enter" { ent: TraceEntry, id: i64, args: [u64; 6], rest = "__data": [i8; 0], }
    /// `raw_syscalls:sys_exit` and `syscalls:sys_exit_*`.
    TraceSysExit = "trace_event_raw_sys_exit" { ent: TraceEntry, id: i64, ret: i64, rest = "__data": [i8; 0], }
    /// `sched:sched_process_exec`.
    TraceSchedExec = "trace_event_raw_sched_process_exec" {
        ent: TraceEntry,
        data_loc_filename = "__data_loc_filename": u32,
        pid: i32,
        old_pid: i32,
        rest = "__data": [i8; 0],
    }
    /// `sched:sched_process_wait` and its kind.
    TraceSchedProcess = "trace_event_raw_sched_process_template" {
        ent: TraceEntry,
        data_loc_comm = "__data_loc_comm": u32,
        pid: i32,
        prio: i32,
        rest = "__data": [i8; 0],
    }
    /// `sched:sched_process_exit`.
    TraceSchedExit = "trace_event_raw_sched_process_exit" {
        ent: TraceEntry,
        comm: [i8; 16],
        pid: i32,
        prio: i32,
        group_dead: u8,
        rest = "__data": [i8; 0],
    }
    /// `sched:sched_process_fork`.
    TraceSchedFork = "trace_event_raw_sched_process_fork" {
        ent: TraceEntry,
        data_loc_parent_comm = "__data_loc_parent_comm": u32,
        parent_pid: i32,
        data_loc_child_comm = "__data_loc_child_comm": u32,
        child_pid: i32,
        rest = "__data": [i8; 0],
    }
    /// `sched:sched_switch`.
    TraceSchedSwitch = "trace_event_raw_sched_switch" {
        ent: TraceEntry,
        prev_comm: [i8; 16],
        prev_pid: i32,
        prev_prio: i32,
        prev_state: i64,
        next_comm: [i8; 16],
        next_pid: i32,
        next_prio: i32,
        rest = "__data": [i8; 0],
    }
}
