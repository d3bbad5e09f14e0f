// SPDX-License-Identifier: MIT OR Apache-2.0
// Objects of the program's own in a linked list: who owns an object, and what a lock guards.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "expect.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define contains(type, field) __attribute__((btf_decl_tag("contains:" #type ":" #field)))

extern void *bpf_obj_new_impl(__u64 local_type_id__k, void *meta__ign) __ksym;
extern void bpf_obj_drop_impl(void *p__alloc, void *meta__ign) __ksym;
extern int bpf_list_push_back_impl(struct bpf_list_head *head, struct bpf_list_node *node, void *meta__ign,
                                   __u64 off) __ksym;
extern struct bpf_list_node *bpf_list_pop_front(struct bpf_list_head *head) __ksym;

#define new(type) ((type *)bpf_obj_new_impl(bpf_core_type_id_local(type), NULL))
#define bpf_core_type_id_local(type) __builtin_btf_type_id(*(type *)0, 0)

struct job {
    __u64 bytes;
    struct bpf_list_node node;
};

#define PRIVATE(name) SEC(".data." #name) __attribute__((visibility("hidden"), aligned(8)))
PRIVATE(queue) struct bpf_spin_lock lock;
PRIVATE(queue) struct bpf_list_head jobs contains(job, node);

SEC("tc")
ACCEPTED RETURNS(0) int push(struct __sk_buff *skb)
{
    struct job *job = new(struct job);

    if (!job)
        return 1;
    job->bytes = skb->len;
    bpf_spin_lock(&lock);
    bpf_list_push_back_impl(&jobs, &job->node, NULL, 0);
    bpf_spin_unlock(&lock);
    return 0;
}

SEC("tc")
ACCEPTED int pop(struct __sk_buff *skb)
{
    bpf_spin_lock(&lock);
    struct bpf_list_node *node = bpf_list_pop_front(&jobs);
    bpf_spin_unlock(&lock);
    if (!node)
        return 0;
    struct job *job = container_of(node, struct job, node);
    int bytes = job->bytes;
    bpf_obj_drop_impl(job, NULL);
    return bytes;
}

SEC("tc")
REFUSED("must be held for bpf_list_head")
int push_without_the_lock(struct __sk_buff *skb)
{
    struct job *job = new(struct job);

    if (!job)
        return 1;
    bpf_list_push_back_impl(&jobs, &job->node, NULL, 0);
    return 0;
}

SEC("tc")
REFUSED("Unreleased reference")
int forgotten(struct __sk_buff *skb)
{
    struct job *job = new(struct job);

    return job != NULL;
}

// Once in the list, the object may only be read while the lock is held.
SEC("tc")
REFUSED("invalid mem access 'scalar'")
int written_after_the_lock(struct __sk_buff *skb)
{
    struct job *job = new(struct job);

    if (!job)
        return 1;
    bpf_spin_lock(&lock);
    bpf_list_push_back_impl(&jobs, &job->node, NULL, 0);
    bpf_spin_unlock(&lock);
    job->bytes = 1;
    return 0;
}
