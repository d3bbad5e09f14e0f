// SPDX-License-Identifier: MIT OR Apache-2.0
// Says hello in the trace log whenever a process starts another program.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

// The process to watch; 0 means all of them. User space may set it before the program is loaded.
const volatile __u32 target = 0;

SEC("tracepoint/sched/sched_process_exec")
int hello(struct trace_event_raw_sched_process_exec *ctx)
{
    __u32 pid = ctx->pid;
    if (target != 0 && pid != target)
        return 0;

    char comm[16];
    bpf_get_current_comm(comm, sizeof(comm));
    bpf_printk("hello, %s, process %d", comm, pid);
    return 0;
}
