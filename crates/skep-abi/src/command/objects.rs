//! Commands on pins, BTF, statistics, tokens, and on descriptors of any kind.

use super::flags::FileFlags;
use super::layout::command;
use std::ffi::CStr;

command! {
    /// `BPF_OBJ_PIN`: gives an object a name in the BPF file system.
    ObjPin<'a>, len 20 {
        /// Path.
        pathname: Option<&'a CStr> = "pathname" @ 0, Text(4096);
        /// Program, map or link.
        bpf_fd: i32 = "bpf_fd" @ 8, Scalar(4);
        /// [`FileFlags::PATH_FD`] or none.
        file_flags: FileFlags = "file_flags" @ 12, Scalar(4);
        /// Directory that a relative path starts from.
        path_fd: i32 = "path_fd" @ 16, Scalar(4);
    }
}

command! {
    /// `BPF_OBJ_GET`: a descriptor of a pinned object.
    ObjGet<'a>, len 20 {
        /// Path.
        pathname: Option<&'a CStr> = "pathname" @ 0, Text(4096);
        /// Must be 0.
        bpf_fd: i32 = "bpf_fd" @ 8, Scalar(4);
        /// Read-only, write-only, [`FileFlags::PATH_FD`].
        file_flags: FileFlags = "file_flags" @ 12, Scalar(4);
        /// Directory that a relative path starts from.
        path_fd: i32 = "path_fd" @ 16, Scalar(4);
    }
}

command! {
    /// `BPF_BTF_LOAD`: checks BTF and gives a descriptor.
    BtfLoad<'a>, len 40 {
        /// The BTF.
        btf: &'a [u8] = "btf" @ 0, Input(Records { count: 16, record: 1 });
        /// Receives the log, NUL-terminated.
        btf_log_buf: &'a mut [u8] = "btf_log_buf" @ 8, Output(Records { count: 20, record: 1 });
        /// As for programs.
        btf_log_level: u32 = "btf_log_level" @ 24, Scalar(4);
        /// [`FileFlags::TOKEN_FD`] or none.
        btf_flags: FileFlags = "btf_flags" @ 32, Scalar(4);
        /// Token.
        btf_token_fd: i32 = "btf_token_fd" @ 36, Scalar(4);
    }
    replies { "btf_log_true_size" @ 28, 4; }
}

command! {
    /// `BPF_BTF_GET_NEXT_ID`: the smallest BTF id above the given one.
    BtfGetNextId, len 8 {
        /// Id to go on from.
        start_id: u32 = "start_id" @ 0, Scalar(4);
    }
    replies { "next_id" @ 4, 4; }
}

command! {
    /// `BPF_BTF_GET_FD_BY_ID`: a descriptor of the BTF of that id.
    BtfGetFdById, len 16 {
        /// Id.
        btf_id: u32 = "btf_id" @ 0, Scalar(4);
        /// [`FileFlags::TOKEN_FD`] or none.
        open_flags: FileFlags = "open_flags" @ 8, Scalar(4);
        /// Token.
        fd_by_id_token_fd: i32 = "fd_by_id_token_fd" @ 12, Scalar(4);
    }
}

command! {
    /// `BPF_TASK_FD_QUERY`: what a task's descriptor of a perf event or raw tracepoint is attached to.
    TaskFdQuery<'a>, len 48 {
        /// Task.
        pid: u32 = "task_fd_query.pid" @ 0, Scalar(4);
        /// Its descriptor.
        fd: i32 = "task_fd_query.fd" @ 4, Scalar(4);
        /// None are defined.
        flags: u32 = "task_fd_query.flags" @ 8, Scalar(4);
        /// Receives the name, NUL-terminated.
        buf: &'a mut [u8] = "task_fd_query.buf" @ 16, Output(Records { count: 12, record: 1 });
    }
    replies {
        "task_fd_query.prog_id" @ 24, 4;
        "task_fd_query.fd_type" @ 28, 4;
        "task_fd_query.probe_offset" @ 32, 8;
        "task_fd_query.probe_addr" @ 40, 8;
    }
}

command! {
    /// `BPF_ENABLE_STATS`: counts run time of all programs while the descriptor is open.
    EnableStats, len 4 {
        /// `enum bpf_stats_type`: 0 is run time.
        stats_type: u32 = "enable_stats.type" @ 0, Scalar(4);
    }
}

command! {
    /// `BPF_TOKEN_CREATE`: a token from a BPF file system that delegates.
    TokenCreate, len 8 {
        /// None are defined.
        flags: u32 = "token_create.flags" @ 0, Scalar(4);
        /// The mounted file system.
        bpffs_fd: i32 = "token_create.bpffs_fd" @ 4, Scalar(4);
    }
}
