// SPDX-License-Identifier: MIT OR Apache-2.0
// Kernel objects kept in a map: moved in and out as a whole.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "expect.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

extern struct task_struct *bpf_task_acquire(struct task_struct *p) __ksym;
extern void bpf_task_release(struct task_struct *p) __ksym;
extern struct task_struct *bpf_task_from_pid(__s32 pid) __ksym;

struct watched {
    struct task_struct __kptr *task;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct watched);
} watch SEC(".maps");

SEC("tp_btf/task_newtask")
ACCEPTED int keep(__u64 *ctx)
{
    struct task_struct *task = (struct task_struct *)ctx[0];
    __u32 zero = 0;
    struct watched *slot = bpf_map_lookup_elem(&watch, &zero);

    if (!slot)
        return 0;
    task = bpf_task_acquire(task);
    if (!task)
        return 0;
    // What was there before comes out, and must be given back.
    task = bpf_kptr_xchg(&slot->task, task);
    if (task)
        bpf_task_release(task);
    return 0;
}

SEC("tp_btf/task_newtask")
REFUSED("Unreleased reference")
int lost_on_exchange(__u64 *ctx)
{
    __u32 zero = 0;
    struct watched *slot = bpf_map_lookup_elem(&watch, &zero);

    if (slot)
        bpf_kptr_xchg(&slot->task, NULL);
    return 0;
}

SEC("tp_btf/task_newtask")
REFUSED("store to referenced kptr disallowed")
int stored_without_exchange(__u64 *ctx)
{
    __u32 zero = 0;
    struct watched *slot = bpf_map_lookup_elem(&watch, &zero);

    if (slot)
        slot->task = NULL;
    return 0;
}

SEC("tp_btf/task_newtask")
REFUSED("Possibly NULL pointer passed to trusted arg0")
int released_without_a_test(__u64 *ctx)
{
    struct task_struct *task = bpf_task_from_pid(1);

    bpf_task_release(task);
    return 0;
}
