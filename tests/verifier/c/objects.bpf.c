// SPDX-License-Identifier: MIT OR Apache-2.0
// Objects of the program's own: allocated, shared by counting references, kept in maps, one for each CPU.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "expect.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define contains(type, field) __attribute__((btf_decl_tag("contains:" #type ":" #field)))

extern void *bpf_obj_new_impl(__u64 local_type_id__k, void *meta__ign) __ksym;
extern void bpf_obj_drop_impl(void *p__alloc, void *meta__ign) __ksym;
extern void *bpf_percpu_obj_new_impl(__u64 local_type_id__k, void *meta__ign) __ksym;
extern void bpf_percpu_obj_drop_impl(void *p__alloc, void *meta__ign) __ksym;
extern void *bpf_refcount_acquire_impl(void *p__refcounted_kptr, void *meta__ign) __ksym;
extern int bpf_list_push_back_impl(struct bpf_list_head *head, struct bpf_list_node *node, void *meta__ign,
                                   __u64 off) __ksym;
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;

#define TYPE_ID(type) __builtin_btf_type_id(*(type *)0, 0)
#define new(type) ((type *)bpf_obj_new_impl(TYPE_ID(type), NULL))
#define new_per_cpu(type) ((type __percpu_kptr *)bpf_percpu_obj_new_impl(TYPE_ID(type), NULL))

struct point {
    __u64 x, y;
};

struct inner {
    __u64 pad;
    struct point __kptr *point;
};

struct shared {
    __u64 value;
    struct bpf_refcount references;
    struct bpf_list_node node;
};

struct slot {
    struct point __kptr *point;
    struct point __percpu_kptr *counters;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct slot);
} slots SEC(".maps");

#define PRIVATE(name) SEC(".data." #name) __attribute__((visibility("hidden"), aligned(8)))
PRIVATE(queue) struct bpf_spin_lock lock;
PRIVATE(queue) struct bpf_list_head members contains(shared, node);

static struct slot *the_slot(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&slots, &zero);
}

SEC("tc")
ACCEPTED RETURNS(3) int written_and_read(struct __sk_buff *skb)
{
    struct point *point = new(struct point);

    if (!point)
        return 3;
    point->x = 1;
    point->y = 2;
    int sum = point->x + point->y;
    bpf_obj_drop_impl(point, NULL);
    return sum;
}

SEC("tc")
REFUSED("invalid mem access 'ptr_or_null_'")
int not_compared_with_null(struct __sk_buff *skb)
{
    struct point *point = new(struct point);

    point->x = 1;
    bpf_obj_drop_impl(point, NULL);
    return 0;
}

SEC("tc")
REFUSED("access beyond struct point at off 16 size 8")
int beyond_its_end(struct __sk_buff *skb)
{
    struct point *point = new(struct point);

    if (!point)
        return 0;
    (&point->x)[2] = 1;
    bpf_obj_drop_impl(point, NULL);
    return 0;
}

SEC("tc")
REFUSED("invalid mem access 'scalar'")
int used_after_drop(struct __sk_buff *skb)
{
    struct point *point = new(struct point);

    if (!point)
        return 0;
    bpf_obj_drop_impl(point, NULL);
    return point->x;
}

SEC("tc")
REFUSED("must have zero offset when passed to release func")
int dropped_in_the_middle(struct __sk_buff *skb)
{
    struct point *point = new(struct point);

    if (!point)
        return 0;
    bpf_obj_drop_impl(&point->y, NULL);
    return 0;
}

SEC("tc")
REFUSED("direct access to bpf_refcount is disallowed")
int count_overwritten(struct __sk_buff *skb)
{
    struct shared *shared = new(struct shared);

    if (!shared)
        return 0;
    *(volatile __u32 *)&shared->references = 1;
    bpf_obj_drop_impl(shared, NULL);
    return 0;
}

// A second reference: one goes into the list, the other is the program's still.
SEC("tc")
ACCEPTED RETURNS(0) int shared_with_a_list(struct __sk_buff *skb)
{
    struct shared *shared = new(struct shared);

    if (!shared)
        return 1;
    struct shared *mine = bpf_refcount_acquire_impl(shared, NULL);
    bpf_spin_lock(&lock);
    bpf_list_push_back_impl(&members, &shared->node, NULL, 0);
    bpf_spin_unlock(&lock);
    mine->value = 1;
    bpf_obj_drop_impl(mine, NULL);
    return 0;
}

SEC("tc")
REFUSED("doesn't point to a type with bpf_refcount field")
int not_counted(struct __sk_buff *skb)
{
    struct inner *inner = new(struct inner);

    if (!inner)
        return 0;
    bpf_obj_drop_impl(bpf_refcount_acquire_impl(inner, NULL), NULL);
    bpf_obj_drop_impl(inner, NULL);
    return 0;
}

SEC("tc")
ACCEPTED int moved_into_a_map(struct __sk_buff *skb)
{
    struct slot *slot = the_slot();
    struct point *point = new(struct point);

    if (!point)
        return 0;
    if (slot)
        point = bpf_kptr_xchg(&slot->point, point);
    if (point)
        bpf_obj_drop_impl(point, NULL);
    return 0;
}

// Objects may own objects.
SEC("tc")
ACCEPTED RETURNS(0) int moved_into_an_object(struct __sk_buff *skb)
{
    struct inner *inner = new(struct inner);

    if (!inner)
        return 0;
    struct point *point = new(struct point);
    if (point)
        point = bpf_kptr_xchg(&inner->point, point);
    if (point)
        bpf_obj_drop_impl(point, NULL);
    bpf_obj_drop_impl(inner, NULL);
    return 0;
}

SEC("tc")
REFUSED("invalid kptr access, R2 type=ptr_shared expected=ptr_point")
int wrong_type_moved(struct __sk_buff *skb)
{
    struct slot *slot = the_slot();
    struct shared *shared = new(struct shared);
    struct point *point;

    if (!shared)
        return 0;
    if (!slot) {
        bpf_obj_drop_impl(shared, NULL);
        return 0;
    }
    point = bpf_kptr_xchg(&slot->point, (void *)shared);
    if (point)
        bpf_obj_drop_impl(point, NULL);
    return 0;
}

// Programs that cannot sleep run inside an RCU read section: what a map owns is alive there.
SEC("tc")
ACCEPTED int read_in_place(struct __sk_buff *skb)
{
    struct slot *slot = the_slot();

    if (!slot)
        return 0;
    struct point *point = slot->point;
    return point ? point->x : 0;
}

// In one that can sleep the object may be gone: its address is only an address.
SEC("syscall")
REFUSED("only read is supported")
int written_in_place(void *ctx)
{
    struct slot *slot = the_slot();

    if (!slot)
        return 0;
    struct point *point = slot->point;
    if (point)
        point->x = 1;
    return 0;
}

SEC("syscall")
REFUSED("only read is supported")
int written_after_the_section(void *ctx)
{
    struct slot *slot = the_slot();

    if (!slot)
        return 0;
    bpf_rcu_read_lock();
    struct point *point = slot->point;
    bpf_rcu_read_unlock();
    if (point)
        point->x = 1;
    return 0;
}

SEC("syscall")
ACCEPTED RETURNS(0) int one_for_each_cpu(void *ctx)
{
    struct slot *slot = the_slot();
    struct point __percpu_kptr *each = new_per_cpu(struct point);

    if (!each)
        return 1;
    if (slot)
        each = bpf_kptr_xchg(&slot->counters, each);
    if (each)
        bpf_percpu_obj_drop_impl(each, NULL);
    if (!slot)
        return 0;
    bpf_rcu_read_lock();
    each = slot->counters;
    if (each) {
        struct point *here = bpf_this_cpu_ptr(each);

        here->x++;
    }
    bpf_rcu_read_unlock();
    return 0;
}

SEC("syscall")
REFUSED("access percpu memory")
int of_which_cpu(void *ctx)
{
    struct point __percpu_kptr *each = new_per_cpu(struct point);

    if (!each)
        return 1;
    ((struct point *)each)->x = 1;
    bpf_percpu_obj_drop_impl(each, NULL);
    return 0;
}

SEC("syscall")
REFUSED("arg#0 expected for bpf_percpu_obj_drop_impl()")
int dropped_as_one(void *ctx)
{
    struct point __percpu_kptr *each = new_per_cpu(struct point);

    if (!each)
        return 1;
    bpf_obj_drop_impl((void *)each, NULL);
    return 0;
}
