// SPDX-License-Identifier: MIT OR Apache-2.0
// Reports every line typed into bash: what its function readline() returns.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define LINE_LEN 256

struct event {
    __u32 pid;
    char line[LINE_LEN];
};

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 64 * 1024);
} lines SEC(".maps");

// The shell to watch; 0 means all of them.
const volatile __u32 target = 0;

SEC("uretprobe//bin/bash:readline")
int read_line(struct pt_regs *ctx)
{
    __u32 pid = bpf_get_current_pid_tgid() >> 32;
    const char *line = (const char *)PT_REGS_RC(ctx);
    if (!line || (target != 0 && pid != target)) // NULL at the end of the input
        return 0;

    struct event *event = bpf_ringbuf_reserve(&lines, sizeof(*event), 0);
    if (!event)
        return 0;
    event->pid = pid;
    if (bpf_probe_read_user_str(event->line, sizeof(event->line), line) < 0) {
        bpf_ringbuf_discard(event, 0);
        return 0;
    }
    bpf_ringbuf_submit(event, 0);
    return 0;
}
