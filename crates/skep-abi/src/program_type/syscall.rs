//! Programs that run in the context of a task and make system calls.

use super::prelude::*;

pub(super) const INFO: ProgramTypeInfo = ProgramTypeInfo {
    sections: &[section("syscall").sleepable()],
    context: ContextInfo::Buffer,
    sleepable: true,
    always_sleepable: true,
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
        "sys_bpf",
        "btf_find_by_name_kind",
        "sys_close",
        "skc_to_unix_sock",
        "kallsyms_lookup_name",
        "xdp_get_buff_len",
        "skc_to_mptcp_sock",
    ],
    tracing_helpers: true,
    ..ProgramTypeInfo::new(ProgramType::Syscall, "syscall", Version(5, 14), "Makes system calls; run only by hand.")
};
