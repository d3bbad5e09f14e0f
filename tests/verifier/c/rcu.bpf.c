// SPDX-License-Identifier: MIT OR Apache-2.0
// What RCU protects lives as long as the read section.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "expect.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;
extern struct task_struct *bpf_task_acquire(struct task_struct *p) __ksym;
extern void bpf_task_release(struct task_struct *p) __ksym;
extern int bpf_iter_kmem_cache_new(struct bpf_iter_kmem_cache *it) __ksym;
extern void bpf_iter_kmem_cache_destroy(struct bpf_iter_kmem_cache *it) __ksym;

SEC("tp_btf/task_newtask")
ACCEPTED int parent(__u64 *ctx)
{
    struct task_struct *task = (struct task_struct *)ctx[0];
    int pid;

    bpf_rcu_read_lock();
    pid = task->real_parent->pid;
    bpf_rcu_read_unlock();
    return pid == 0;
}

SEC("tp_btf/task_newtask")
ACCEPTED int parent_kept(__u64 *ctx)
{
    struct task_struct *task = (struct task_struct *)ctx[0], *kept;

    bpf_rcu_read_lock();
    struct task_struct *parent = task->real_parent;
    kept = parent ? bpf_task_acquire(parent) : NULL;
    bpf_rcu_read_unlock();
    if (kept)
        bpf_task_release(kept);
    return 0;
}

SEC("tp_btf/task_newtask")
REFUSED("cannot be used inside bpf_rcu_read_lock-ed region")
int never_left(__u64 *ctx)
{
    bpf_rcu_read_lock();
    return 0;
}

SEC("tp_btf/task_newtask")
REFUSED("unmatched rcu read unlock")
int never_entered(__u64 *ctx)
{
    bpf_rcu_read_unlock();
    return 0;
}

SEC("syscall")
REFUSED("is sleepable within rcu_read_lock region")
int sleeps_inside(void *ctx)
{
    struct bpf_iter_kmem_cache caches;

    bpf_rcu_read_lock();
    bpf_iter_kmem_cache_new(&caches);
    bpf_iter_kmem_cache_destroy(&caches);
    bpf_rcu_read_unlock();
    return 0;
}
