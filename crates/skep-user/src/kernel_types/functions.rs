//! Functions and tracepoints that programs name as their target: LSM hooks, and tracepoints with typed arguments.

use super::layout::{KernelType, Ptr, TypeTable, Void};
use super::structs::{Dentry, File, Inode, LinuxBinprm, PtRegs, SkBuff, Sock, SockAddr, Socket, TaskStruct};
use skep_btf::{FunctionLinkage, TypeId};

/// Adds functions: name, result, arguments.
macro_rules! functions {
    ($table:ident; $($name:literal($($parameter:ident: $ty:ty),*) -> $ret:ty;)*) => {$({
        let ret = <$ret>::describe($table);
        let parameters: Vec<(&str, TypeId)> = vec![$((stringify!($parameter), <$ty>::describe($table)),)*];
        let prototype = $table.builder().prototype(ret, &parameters);
        $table.builder().function($name, prototype, FunctionLinkage::Static);
    })*};
}

/// Adds tracepoints: `typedef void (*btf_trace_NAME)(void *, …)`.
macro_rules! tracepoints {
    ($table:ident; $($name:literal($($parameter:ident: $ty:ty),*);)*) => {$({
        let data = Ptr::<Void>::describe($table);
        let parameters: Vec<(&str, TypeId)> =
            vec![("__data", data) $(, (stringify!($parameter), <$ty>::describe($table)))*];
        let prototype = $table.builder().prototype(TypeId(0), &parameters);
        let pointer = $table.builder().pointer(prototype);
        $table.builder().typedef(concat!("btf_trace_", $name), pointer);
    })*};
}

/// Adds them all.
pub(super) fn describe_all(table: &mut TypeTable) {
    functions! { table;
        "bpf_lsm_file_open"(file: Ptr<File>) -> i32;
        "bpf_lsm_file_permission"(file: Ptr<File>, mask: i32) -> i32;
        "bpf_lsm_file_ioctl"(file: Ptr<File>, cmd: u32, arg: u64) -> i32;
        "bpf_lsm_inode_unlink"(dir: Ptr<Inode>, dentry: Ptr<Dentry>) -> i32;
        "bpf_lsm_inode_permission"(inode: Ptr<Inode>, mask: i32) -> i32;
        "bpf_lsm_bprm_check_security"(bprm: Ptr<LinuxBinprm>) -> i32;
        "bpf_lsm_bprm_committed_creds"(bprm: Ptr<LinuxBinprm>) -> Void;
        "bpf_lsm_task_kill"(p: Ptr<TaskStruct>, info: Ptr<Void>, sig: i32, cred: Ptr<super::Cred>) -> i32;
        "bpf_lsm_task_alloc"(task: Ptr<TaskStruct>, clone_flags: u64) -> i32;
        "bpf_lsm_socket_create"(family: i32, socket_type: i32, protocol: i32, kern: i32) -> i32;
        "bpf_lsm_socket_bind"(sock: Ptr<Socket>, address: Ptr<SockAddr>, addrlen: i32) -> i32;
        "bpf_lsm_socket_connect"(sock: Ptr<Socket>, address: Ptr<SockAddr>, addrlen: i32) -> i32;
    }
    tracepoints! { table;
        "sys_enter"(regs: Ptr<PtRegs>, id: i64);
        "sys_exit"(regs: Ptr<PtRegs>, ret: i64);
        "sched_process_exec"(p: Ptr<TaskStruct>, old_pid: i32, bprm: Ptr<LinuxBinprm>);
        "sched_process_exit"(p: Ptr<TaskStruct>);
        "sched_process_fork"(parent: Ptr<TaskStruct>, child: Ptr<TaskStruct>);
        "sched_switch"(preempt: i32, prev: Ptr<TaskStruct>, next: Ptr<TaskStruct>, prev_state: u32);
        "kfree_skb"(skb: Ptr<SkBuff>, location: Ptr<Void>, reason: i32);
        "tcp_send_reset"(sk: Ptr<Sock>, skb: Ptr<SkBuff>, reason: i32);
    }
}
