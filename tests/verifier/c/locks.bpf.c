// SPDX-License-Identifier: MIT OR Apache-2.0
// Locks: which lock is which, in what order they are given back, and what may be called while one is held.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "expect.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

extern void *bpf_obj_new_impl(__u64 local_type_id__k, void *meta__ign) __ksym;
extern void bpf_obj_drop_impl(void *p__alloc, void *meta__ign) __ksym;
extern int bpf_res_spin_lock(struct bpf_res_spin_lock *lock) __ksym;
extern void bpf_res_spin_unlock(struct bpf_res_spin_lock *lock) __ksym;
extern int bpf_res_spin_lock_irqsave(struct bpf_res_spin_lock *lock, unsigned long *flags__irq_flag) __ksym;
extern void bpf_res_spin_unlock_irqrestore(struct bpf_res_spin_lock *lock, unsigned long *flags__irq_flag) __ksym;

#define new(type) ((type *)bpf_obj_new_impl(__builtin_btf_type_id(*(type *)0, 0), NULL))

struct guarded {
    struct bpf_spin_lock lock;
    __u64 value;
};

struct resilient {
    struct bpf_res_spin_lock lock;
    __u64 value;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, struct guarded);
} plain SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, struct resilient);
} table SEC(".maps");

#define LOOK_UP(name, map, key)                                                \
    __u32 name##_key = key;                                                    \
    typeof((map).value) name = bpf_map_lookup_elem(&(map), &name##_key);       \
    if (!name)                                                                 \
        return 0

SEC("tc")
ACCEPTED RETURNS(0) int one_lock(struct __sk_buff *skb)
{
    LOOK_UP(a, plain, 0);
    bpf_spin_lock(&a->lock);
    a->value++;
    bpf_spin_unlock(&a->lock);
    return 0;
}

SEC("tc")
ACCEPTED RETURNS(0) int lock_in_an_object(struct __sk_buff *skb)
{
    struct guarded *object = new(struct guarded);

    if (!object)
        return 1;
    bpf_spin_lock(&object->lock);
    object->value = 1;
    bpf_spin_unlock(&object->lock);
    bpf_obj_drop_impl(object, NULL);
    return 0;
}

// Two look-ups give two pointers: the verifier cannot tell that the values are the same.
SEC("tc")
REFUSED("bpf_spin_unlock of different lock")
int other_value(struct __sk_buff *skb)
{
    LOOK_UP(a, plain, 0);
    LOOK_UP(b, plain, 0);
    bpf_spin_lock(&a->lock);
    bpf_spin_unlock(&b->lock);
    return 0;
}

// Taking another lock is a call too.
SEC("tc")
REFUSED("function calls are not allowed while holding a lock")
int two_plain_locks(struct __sk_buff *skb)
{
    LOOK_UP(a, plain, 0);
    LOOK_UP(b, plain, 1);
    bpf_spin_lock(&a->lock);
    bpf_spin_lock(&b->lock);
    bpf_spin_unlock(&b->lock);
    bpf_spin_unlock(&a->lock);
    return 0;
}

SEC("tc")
REFUSED("function calls are not allowed while holding a lock")
int call_under_lock(struct __sk_buff *skb)
{
    LOOK_UP(a, plain, 0);
    bpf_spin_lock(&a->lock);
    a->value = bpf_ktime_get_ns();
    bpf_spin_unlock(&a->lock);
    return 0;
}

SEC("tc")
REFUSED("BPF_EXIT instruction in main prog cannot be used inside bpf_spin_lock-ed region")
int never_given_back(struct __sk_buff *skb)
{
    LOOK_UP(a, plain, 0);
    bpf_spin_lock(&a->lock);
    return 0;
}

SEC("tc")
REFUSED("bpf_spin_lock cannot be accessed directly by load/store")
int overwritten(struct __sk_buff *skb)
{
    LOOK_UP(a, plain, 0);
    __builtin_memset(a, 0, sizeof(*a));
    return 0;
}

// Of the resilient kind several may be held: taking one can fail, and so never waits forever.
SEC("tc")
ACCEPTED RETURNS(0) int two_resilient_locks(struct __sk_buff *skb)
{
    LOOK_UP(a, table, 0);
    LOOK_UP(b, table, 1);
    if (bpf_res_spin_lock(&a->lock))
        return 1;
    if (!bpf_res_spin_lock(&b->lock))
        bpf_res_spin_unlock(&b->lock);
    bpf_res_spin_unlock(&a->lock);
    return 0;
}

SEC("tc")
REFUSED("bpf_res_spin_unlock cannot be out of order")
int out_of_order(struct __sk_buff *skb)
{
    LOOK_UP(a, table, 0);
    LOOK_UP(b, table, 1);
    if (bpf_res_spin_lock(&a->lock))
        return 1;
    if (bpf_res_spin_lock(&b->lock)) {
        bpf_res_spin_unlock(&a->lock);
        return 1;
    }
    bpf_res_spin_unlock(&a->lock);
    bpf_res_spin_unlock(&b->lock);
    return 0;
}

SEC("tc")
REFUSED("Acquiring the same lock again, AA deadlock detected")
int same_lock_twice(struct __sk_buff *skb)
{
    LOOK_UP(a, table, 0);
    if (bpf_res_spin_lock(&a->lock))
        return 1;
    if (!bpf_res_spin_lock(&a->lock))
        bpf_res_spin_unlock(&a->lock);
    bpf_res_spin_unlock(&a->lock);
    return 0;
}

SEC("tc")
REFUSED("bpf_res_spin_unlock without taking a lock")
int result_not_looked_at(struct __sk_buff *skb)
{
    LOOK_UP(a, table, 0);
    bpf_res_spin_lock(&a->lock);
    bpf_res_spin_unlock(&a->lock);
    return 0;
}

SEC("tc")
ACCEPTED RETURNS(0) int with_interrupts_off(struct __sk_buff *skb)
{
    unsigned long flags;

    LOOK_UP(a, table, 0);
    if (bpf_res_spin_lock_irqsave(&a->lock, &flags))
        return 1;
    bpf_res_spin_unlock_irqrestore(&a->lock, &flags);
    return 0;
}

SEC("tc")
REFUSED("bpf_res_spin_unlock of different lock")
int given_back_as_another_kind(struct __sk_buff *skb)
{
    unsigned long flags;

    LOOK_UP(a, table, 0);
    if (bpf_res_spin_lock_irqsave(&a->lock, &flags))
        return 1;
    bpf_res_spin_unlock(&a->lock);
    return 0;
}
