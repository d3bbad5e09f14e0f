//! What the kernel knows of single security hooks, by the names of their functions in its BTF (`bpf_lsm_file_open`).
//!
//! Source: `kernel/bpf/bpf_lsm.c` of Linux 6.18.

/// What the names of the functions begin with.
const PREFIX: &str = "bpf_lsm_";

/// Hooks that run where sleeping is possible.
const SLEEPABLE: &[&str] = &[
    "bpf",
    "bpf_map",
    "bpf_map_create",
    "bpf_map_free",
    "bpf_prog",
    "bpf_prog_free",
    "bpf_prog_load",
    "bpf_token_capable",
    "bpf_token_cmd",
    "bpf_token_create",
    "bpf_token_free",
    "bprm_check_security",
    "bprm_committed_creds",
    "bprm_committing_creds",
    "bprm_creds_for_exec",
    "bprm_creds_from_file",
    "capget",
    "capset",
    "cred_prepare",
    "current_getsecid_subj",
    "file_ioctl",
    "file_lock",
    "file_open",
    "file_receive",
    "inet_conn_established",
    "inode_create",
    "inode_free_security",
    "inode_getattr",
    "inode_getxattr",
    "inode_mknod",
    "inode_need_killpriv",
    "inode_post_setxattr",
    "inode_readlink",
    "inode_rename",
    "inode_rmdir",
    "inode_setattr",
    "inode_setxattr",
    "inode_symlink",
    "inode_unlink",
    "kernel_module_request",
    "kernel_read_file",
    "kernfs_init_security",
    "key_free",
    "mmap_file",
    "netlink_send",
    "path_chmod",
    "path_chown",
    "path_link",
    "path_mkdir",
    "path_notify",
    "path_rename",
    "path_rmdir",
    "path_symlink",
    "path_truncate",
    "path_unlink",
    "release_secctx",
    "sb_alloc_security",
    "sb_eat_lsm_opts",
    "sb_kern_mount",
    "sb_mount",
    "sb_remount",
    "sb_set_mnt_opts",
    "sb_show_options",
    "sb_statfs",
    "sb_umount",
    "settime",
    "socket_accept",
    "socket_bind",
    "socket_connect",
    "socket_create",
    "socket_getpeername",
    "socket_getpeersec_dgram",
    "socket_getsockname",
    "socket_getsockopt",
    "socket_listen",
    "socket_post_create",
    "socket_recvmsg",
    "socket_sendmsg",
    "socket_shutdown",
    "socket_socketpair",
    "syslog",
    "task_alloc",
    "task_getsecid_obj",
    "task_prctl",
    "task_setscheduler",
    "task_to_inode",
    "userns_create",
];

/// Hooks called with objects that are being made or taken down.
const UNTRUSTED: &[&str] = &[
    "bpf_map_free",
    "bpf_prog_free",
    "file_alloc_security",
    "file_free_security",
    "sk_alloc_security",
    "sk_free_security",
    "task_free",
];

/// Hooks in which a program of a cgroup may read and set the options of the socket.
const SOCKET_OPTIONS: &[&str] =
    &["inet_conn_established", "inet_csk_clone", "sock_graft", "socket_post_create", "socket_socketpair"];

/// Hooks that say yes or no.
const BOOLEAN: &[&str] = &["audit_rule_known", "inode_xattr_skipcap"];

fn is_in(hooks: &[&str], function: &str) -> bool {
    function.strip_prefix(PREFIX).is_some_and(|hook| hooks.binary_search(&hook).is_ok())
}

/// Whether sleepable programs may be attached to it.
pub fn may_sleep(function: &str) -> bool {
    is_in(SLEEPABLE, function)
}

/// Whether the objects in its arguments live as long as the program runs.
pub fn arguments_are_trusted(function: &str) -> bool {
    !is_in(UNTRUSTED, function)
}

/// Whether programs of a cgroup may use the options of its socket.
pub fn has_socket_options(function: &str) -> bool {
    is_in(SOCKET_OPTIONS, function)
}

/// What it may return, if it returns a number: yes or no, or 0 and negative error numbers.
pub fn return_range(function: &str) -> (i32, i32) {
    const MAX_ERRNO: i32 = 4095;
    if is_in(BOOLEAN, function) { (0, 1) } else { (-MAX_ERRNO, 0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_are_in_order() {
        for hooks in [SLEEPABLE, UNTRUSTED, SOCKET_OPTIONS, BOOLEAN] {
            assert!(hooks.is_sorted_by(|a, b| a < b));
        }
    }

    #[test]
    fn what_is_known() {
        assert!(may_sleep("bpf_lsm_file_open") && !may_sleep("bpf_lsm_file_permission"));
        assert!(arguments_are_trusted("bpf_lsm_file_open") && !arguments_are_trusted("bpf_lsm_task_free"));
        assert_eq!(return_range("bpf_lsm_inode_xattr_skipcap"), (0, 1));
        assert_eq!(return_range("bpf_lsm_file_open"), (-4095, 0));
    }
}
