//! fentry, fexit, fmod_ret, typed raw tracepoints and iterators. Arguments have the types of the target's BTF.

use super::prelude::*;

pub(super) const INFO: ProgramTypeInfo = ProgramTypeInfo {
    sections: &[
        section("tp_btf").with_rest().attach(A::TraceRawTp).btf(),
        section("fentry").with_rest().attach(A::TraceFentry).btf(),
        section("fmod_ret").with_rest().attach(A::ModifyReturn).btf(),
        section("fexit").with_rest().attach(A::TraceFexit).btf(),
        section("fentry.s").with_rest().attach(A::TraceFentry).btf().sleepable(),
        section("fmod_ret.s").with_rest().attach(A::ModifyReturn).btf().sleepable(),
        section("fexit.s").with_rest().attach(A::TraceFexit).btf().sleepable(),
        section("iter").with_rest().attach(A::TraceIter).btf(),
        section("iter.s").with_rest().attach(A::TraceIter).btf().sleepable(),
    ],
    attach_types: &[A::TraceRawTp, A::TraceFentry, A::TraceFexit, A::ModifyReturn, A::TraceIter],
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
    ],
    attach_helpers: &[
        (&[A::TraceRawTp, A::TraceFentry, A::TraceFexit, A::ModifyReturn], &["get_attach_cookie"]),
        (&[A::TraceFentry, A::TraceFexit, A::ModifyReturn], &["get_func_arg", "get_func_arg_cnt", "get_func_ret"]),
        (&[A::TraceIter], &["seq_printf", "seq_write", "seq_printf_btf", "setsockopt", "getsockopt"]),
    ],
    tracing_helpers: true,
    returns: &[returns(&[A::TraceFentry, A::TraceFexit], 0, 0), returns(&[A::TraceIter], 0, 1)],
    ..ProgramTypeInfo::new(
        ProgramType::Tracing,
        "tracing",
        Version(5, 5),
        "Runs at a kernel function or tracepoint, with typed arguments; or goes over kernel objects.",
    )
};
