//! Security hooks. The result is 0 to go on, or a negative errno; of a cgroup's, 1 to go on and 0 to refuse with EPERM.

use super::prelude::*;

pub(super) const INFO: ProgramTypeInfo = ProgramTypeInfo {
    sections: &[
        section("lsm").with_rest().attach(A::LsmMac).btf(),
        section("lsm.s").with_rest().attach(A::LsmMac).btf().sleepable(),
        section("lsm_cgroup").with_rest().attach(A::LsmCgroup).btf(),
    ],
    attach_types: &[A::LsmMac, A::LsmCgroup],
    context: ContextInfo::Btf,
    sleepable: true,
    helpers: &[
        "get_socket_cookie",
        "sk_storage_get",
        "sk_storage_delete",
        "skb_output",
        "xdp_output",
        "skc_to_tcp6_sock",
        "skc_to_tcp_sock",
        "skc_to_tcp_timewait_sock",
        "skc_to_tcp_request_sock",
        "skc_to_udp6_sock",
        "d_path",
        "sock_from_file",
        "skc_to_unix_sock",
        "xdp_get_buff_len",
        "skc_to_mptcp_sock",
        "inode_storage_get",
        "inode_storage_delete",
        "bprm_opts_set",
        "ima_inode_hash",
        "ima_file_hash",
    ],
    attach_helpers: &[
        (&[A::LsmMac], &["get_attach_cookie", "get_func_arg", "get_func_arg_cnt", "get_func_ret"]),
        (
            &[A::LsmCgroup],
            &["setsockopt", "getsockopt", "get_netns_cookie", "get_retval", "set_retval", "get_local_storage"],
        ),
    ],
    tracing_helpers: true,
    returns: &[returns(&[A::LsmMac], -4095, 0).lower_half(), returns(&[A::LsmCgroup], 0, 1)],
    ..ProgramTypeInfo::new(ProgramType::Lsm, "lsm", Version(5, 7), "Decides at a security hook.")
};
