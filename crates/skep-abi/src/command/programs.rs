//! Commands on programs.

use super::flags::{AttachFlags, ProgramFlags, QueryFlags, TestRunFlags};
use super::layout::{ObjectName, command};
use std::ffi::CStr;

command! {
    /// `BPF_PROG_LOAD`: verifies a program and gives a descriptor.
    ProgLoad<'a>, len 168 {
        /// `enum bpf_prog_type`.
        prog_type: u32 = "prog_type" @ 0, Scalar(4);
        /// Instructions, 8 bytes each.
        insns: &'a [u8] = "insns" @ 8, Input(Records { count: 4, record: 8 });
        /// Licence.
        license: Option<&'a CStr> = "license" @ 16, Text(128);
        /// 1 instructions, 2 states, 4 statistics.
        log_level: u32 = "log_level" @ 24, Scalar(4);
        /// Receives the verifier's log, NUL-terminated.
        log_buf: &'a mut [u8] = "log_buf" @ 32, Output(Records { count: 28, record: 1 });
        /// Kernel version; old kernels want it for kprobes.
        kern_version: u32 = "kern_version" @ 40, Scalar(4);
        /// Flags.
        prog_flags: ProgramFlags = "prog_flags" @ 44, Scalar(4);
        /// Name.
        prog_name: ObjectName = "prog_name" @ 48, Scalar(16);
        /// Interface to offload or bind to, or 0.
        prog_ifindex: u32 = "prog_ifindex" @ 64, Scalar(4);
        /// `enum bpf_attach_type`.
        expected_attach_type: u32 = "expected_attach_type" @ 68, Scalar(4);
        /// The program's BTF, or 0.
        prog_btf_fd: i32 = "prog_btf_fd" @ 72, Scalar(4);
        /// Bytes of a record in `func_info`.
        func_info_rec_size: u32 = "func_info_rec_size" @ 76, Scalar(4);
        /// `struct bpf_func_info` records.
        func_info: &'a [u8] = "func_info" @ 80, Input(RecordsOf { count: 88, record: 76 });
        /// Bytes of a record in `line_info`.
        line_info_rec_size: u32 = "line_info_rec_size" @ 92, Scalar(4);
        /// `struct bpf_line_info` records.
        line_info: &'a [u8] = "line_info" @ 96, Input(RecordsOf { count: 104, record: 92 });
        /// Function or type in the BTF of the kernel or the target program to attach to.
        attach_btf_id: u32 = "attach_btf_id" @ 108, Scalar(4);
        /// Target program, or the BTF of a module, that `attach_btf_id` is about.
        attach_prog_fd: i32 = "attach_prog_fd" @ 112, Scalar(4);
        /// Array of 32-bit descriptors that instructions index. Its count is `fd_array_cnt`: the array may be given with 0.
        fd_array: &'a [u8] = "fd_array" @ 120, Input(Sparse { count: 148 });
        /// Bytes of a record in `core_relos`.
        core_relo_rec_size: u32 = "core_relo_rec_size" @ 136, Scalar(4);
        /// `struct bpf_core_relo` records.
        core_relos: &'a [u8] = "core_relos" @ 128, Input(RecordsOf { count: 116, record: 136 });
        /// Token, with [`ProgramFlags::TOKEN_FD`].
        prog_token_fd: i32 = "prog_token_fd" @ 144, Scalar(4);
        /// Entries of `fd_array` that are bound to the program; 0 if only the instructions say which.
        fd_array_cnt: u32 = "fd_array_cnt" @ 148, Scalar(4);
        /// Signature of the instructions.
        signature: &'a [u8] = "signature" @ 152, Input(Records { count: 160, record: 1 });
        /// Keyring with the key of the signature.
        keyring_id: i32 = "keyring_id" @ 164, Scalar(4);
    }
    replies { "log_true_size" @ 140, 4; }
}

command! {
    /// `BPF_PROG_ATTACH`: attaches a program to a cgroup, socket map, network namespace, device or infrared receiver.
    ProgAttach, len 32 {
        /// Descriptor of the target, or interface index.
        target: u32 = "target_fd" @ 0, Scalar(4);
        /// Program.
        attach_bpf_fd: i32 = "attach_bpf_fd" @ 4, Scalar(4);
        /// `enum bpf_attach_type`.
        attach_type: u32 = "attach_type" @ 8, Scalar(4);
        /// Flags.
        attach_flags: AttachFlags = "attach_flags" @ 12, Scalar(4);
        /// Program to replace, with [`AttachFlags::REPLACE`].
        replace_bpf_fd: i32 = "replace_bpf_fd" @ 16, Scalar(4);
        /// Program or link to stand beside: descriptor, or id with [`AttachFlags::ID`].
        relative: u32 = "relative_fd" @ 20, Scalar(4);
        /// Fail unless the hook's revision is this one; 0 for any.
        expected_revision: u64 = "expected_revision" @ 24, Scalar(8);
    }
}

command! {
    /// `BPF_PROG_DETACH`: takes a program off.
    ProgDetach, len 32 {
        /// Descriptor of the target, or interface index.
        target: u32 = "target_fd" @ 0, Scalar(4);
        /// Program, or 0 where the hook holds only one.
        attach_bpf_fd: i32 = "attach_bpf_fd" @ 4, Scalar(4);
        /// `enum bpf_attach_type`.
        attach_type: u32 = "attach_type" @ 8, Scalar(4);
        /// Flags.
        attach_flags: AttachFlags = "attach_flags" @ 12, Scalar(4);
        /// Unused, must be 0.
        replace_bpf_fd: i32 = "replace_bpf_fd" @ 16, Scalar(4);
        /// Program or link to stand beside.
        relative: u32 = "relative_fd" @ 20, Scalar(4);
        /// Fail unless the hook's revision is this one; 0 for any.
        expected_revision: u64 = "expected_revision" @ 24, Scalar(8);
    }
}

command! {
    /// `BPF_PROG_TEST_RUN` (`BPF_PROG_RUN`): runs a program on given data.
    ProgTestRun<'a>, len 76 {
        /// Program.
        prog_fd: i32 = "test.prog_fd" @ 0, Scalar(4);
        /// The packet.
        data_in: &'a [u8] = "test.data_in" @ 16, Input(Records { count: 8, record: 1 });
        /// Receives the packet afterwards.
        data_out: &'a mut [u8] = "test.data_out" @ 24, Output(Records { count: 12, record: 1 });
        /// How often to run; 0 and 1 are once.
        repeat: u32 = "test.repeat" @ 32, Scalar(4);
        /// The context.
        ctx_in: &'a [u8] = "test.ctx_in" @ 48, Input(Records { count: 40, record: 1 });
        /// Receives the context afterwards.
        ctx_out: &'a mut [u8] = "test.ctx_out" @ 56, Output(Records { count: 44, record: 1 });
        /// Flags.
        flags: TestRunFlags = "test.flags" @ 64, Scalar(4);
        /// CPU to run on, with [`TestRunFlags::RUN_ON_CPU`].
        cpu: u32 = "test.cpu" @ 68, Scalar(4);
        /// Frames per batch, with [`TestRunFlags::XDP_LIVE_FRAMES`].
        batch_size: u32 = "test.batch_size" @ 72, Scalar(4);
    }
    replies { "test.retval" @ 4, 4; "test.duration" @ 36, 4; }
}

command! {
    /// `BPF_PROG_GET_NEXT_ID`: the smallest program id above the given one.
    ProgGetNextId, len 8 {
        /// Id to go on from.
        start_id: u32 = "start_id" @ 0, Scalar(4);
    }
    replies { "next_id" @ 4, 4; }
}

command! {
    /// `BPF_PROG_GET_FD_BY_ID`: a descriptor of the program of that id.
    ProgGetFdById, len 4 {
        /// Id.
        prog_id: u32 = "prog_id" @ 0, Scalar(4);
    }
}

command! {
    /// `BPF_PROG_QUERY`: which programs are attached.
    ProgQuery<'a>, len 64 {
        /// Descriptor of the target, or interface index.
        target: u32 = "query.target_fd" @ 0, Scalar(4);
        /// `enum bpf_attach_type`.
        attach_type: u32 = "query.attach_type" @ 4, Scalar(4);
        /// Flags.
        query_flags: QueryFlags = "query.query_flags" @ 8, Scalar(4);
        /// Receives program ids (`u32`); its length is the room for all four arrays.
        prog_ids: &'a mut [u8] = "query.prog_ids" @ 16, Output(Records { count: 24, record: 4 });
        /// Receives a flag word (`u32`) for each program; empty, or as long as `prog_ids`.
        prog_attach_flags: &'a mut [u8] = "query.prog_attach_flags" @ 32, Output(SameCount { count: 24, record: 4 });
        /// Receives link ids (`u32`); empty, or as long as `prog_ids`.
        link_ids: &'a mut [u8] = "query.link_ids" @ 40, Output(SameCount { count: 24, record: 4 });
        /// Receives a flag word (`u32`) for each link; empty, or as long as `prog_ids`.
        link_attach_flags: &'a mut [u8] = "query.link_attach_flags" @ 48, Output(SameCount { count: 24, record: 4 });
    }
    replies { "query.attach_flags" @ 12, 4; "query.revision" @ 56, 8; }
}

command! {
    /// `BPF_PROG_BIND_MAP`: the program keeps the map alive.
    ProgBindMap, len 12 {
        /// Program.
        prog_fd: i32 = "prog_bind_map.prog_fd" @ 0, Scalar(4);
        /// Map.
        map_fd: i32 = "prog_bind_map.map_fd" @ 4, Scalar(4);
        /// None are defined.
        flags: u32 = "prog_bind_map.flags" @ 8, Scalar(4);
    }
}

command! {
    /// `BPF_PROG_STREAM_READ_BY_FD`: what the program printed to one of its streams.
    ProgStreamRead<'a>, len 20 {
        /// Receives the text.
        stream_buf: &'a mut [u8] = "prog_stream_read.stream_buf" @ 0, Output(Records { count: 8, record: 1 });
        /// 1 is standard output, 2 standard error.
        stream_id: u32 = "prog_stream_read.stream_id" @ 12, Scalar(4);
        /// Program.
        prog_fd: i32 = "prog_stream_read.prog_fd" @ 16, Scalar(4);
    }
}
