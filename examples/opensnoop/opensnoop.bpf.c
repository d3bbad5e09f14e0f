// SPDX-License-Identifier: MIT OR Apache-2.0
// Reports every openat(2): who, which path, with which result.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define COMM_LEN 16
#define PATH_LEN 256

// One finished call, as user space reads it.
struct event {
    __u32 pid;
    __u32 uid;
    __s32 result; // file descriptor or negative errno
    __u32 flags;  // O_RDONLY and so on
    char comm[COMM_LEN];
    char path[PATH_LEN];
};

// What entry knows and exit needs.
struct call {
    const char *path;
    __u32 flags;
};

// The process to watch; 0 means all of them.
const volatile __u32 target = 0;

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 10240);
    __type(key, __u64); // the thread
    __type(value, struct call);
} in_progress SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 256 * 1024);
} events SEC(".maps");

// Events that found the ring full.
__u64 lost = 0;

SEC("tracepoint/syscalls/sys_enter_openat")
int enter_openat(struct trace_event_raw_sys_enter *ctx)
{
    __u64 thread = bpf_get_current_pid_tgid();
    if (target != 0 && thread >> 32 != target)
        return 0;

    struct call call = {
        .path = (const char *)ctx->args[1],
        .flags = ctx->args[2],
    };
    bpf_map_update_elem(&in_progress, &thread, &call, BPF_ANY);
    return 0;
}

SEC("tracepoint/syscalls/sys_exit_openat")
int exit_openat(struct trace_event_raw_sys_exit *ctx)
{
    __u64 thread = bpf_get_current_pid_tgid();
    struct call *call = bpf_map_lookup_elem(&in_progress, &thread);
    if (!call)
        return 0;

    struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
    if (!event) {
        __sync_fetch_and_add(&lost, 1);
        goto done;
    }
    event->pid = thread >> 32;
    event->uid = bpf_get_current_uid_gid();
    event->result = ctx->ret;
    event->flags = call->flags;
    bpf_get_current_comm(event->comm, sizeof(event->comm));
    // By now the kernel itself has read the path, so its page is in memory.
    if (bpf_probe_read_user_str(event->path, sizeof(event->path), call->path) < 0)
        event->path[0] = 0;
    bpf_ringbuf_submit(event, 0);
done:
    bpf_map_delete_elem(&in_progress, &thread);
    return 0;
}
