// SPDX-License-Identifier: MIT OR Apache-2.0
// bpf_throw ends the program from anywhere, with a value.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "expect.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

extern void bpf_throw(__u64 cookie) __ksym;
extern struct task_struct *bpf_task_from_pid(__s32 pid) __ksym;
extern void bpf_task_release(struct task_struct *p) __ksym;

static __noinline int positive(int x)
{
    if (x < 0)
        bpf_throw(7);
    return x;
}

SEC("tc")
ACCEPTED RETURNS(0) int from_a_function(struct __sk_buff *skb)
{
    return positive(skb->mark) & 0;
}

int handler(__u64 cookie)
{
    return cookie + 1;
}

SEC("tc")
__attribute__((btf_decl_tag("exception_callback:handler")))
ACCEPTED RETURNS(8) int handled(struct __sk_buff *skb)
{
    bpf_throw(7);
    return 0;
}

SEC("tc")
REFUSED("bpf_throw would lead to reference leak")
int with_a_reference(struct __sk_buff *skb)
{
    struct task_struct *task = bpf_task_from_pid(1);

    if (!task)
        return 0;
    if (skb->len > 1000)
        bpf_throw(1);
    bpf_task_release(task);
    return 0;
}
