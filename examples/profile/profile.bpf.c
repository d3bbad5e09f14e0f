// SPDX-License-Identifier: MIT OR Apache-2.0
// Counts call stacks. It runs at every sample of a perf event; user space names the addresses afterwards.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define COMM_LEN 16
#define STACK_DEPTH 127

// Where a sample was taken. A stack id is the key of its addresses in `stacks`, or a negative errno.
struct place {
    __u32 pid;
    __s32 kernel_stack;
    __s32 user_stack;
    char comm[COMM_LEN];
};

struct {
    __uint(type, BPF_MAP_TYPE_STACK_TRACE);
    __uint(max_entries, 16384);
    __uint(key_size, sizeof(__u32));
    __uint(value_size, STACK_DEPTH * sizeof(__u64));
} stacks SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16384);
    __type(key, struct place);
    __type(value, __u64); // samples
} samples SEC(".maps");

// The process to watch; 0 means all of them.
const volatile __u32 target = 0;

SEC("perf_event")
int sample(struct bpf_perf_event_data *ctx)
{
    __u32 pid = bpf_get_current_pid_tgid() >> 32;
    if (pid == 0 || (target != 0 && pid != target)) // 0 is the idle task
        return 0;

    struct place place = { .pid = pid };
    place.kernel_stack = bpf_get_stackid(ctx, &stacks, 0);
    place.user_stack = bpf_get_stackid(ctx, &stacks, BPF_F_USER_STACK);
    bpf_get_current_comm(place.comm, sizeof(place.comm));

    __u64 *count = bpf_map_lookup_elem(&samples, &place);
    if (count) {
        __sync_fetch_and_add(count, 1);
    } else {
        __u64 one = 1;
        bpf_map_update_elem(&samples, &place, &one, BPF_NOEXIST);
    }
    return 0;
}
