// SPDX-License-Identifier: MIT OR Apache-2.0
// A red-black tree of objects of the program's own, ordered by a callback.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "expect.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define contains(type, field) __attribute__((btf_decl_tag("contains:" #type ":" #field)))

extern void *bpf_obj_new_impl(__u64 local_type_id__k, void *meta__ign) __ksym;
extern void bpf_obj_drop_impl(void *p__alloc, void *meta__ign) __ksym;
extern int bpf_rbtree_add_impl(struct bpf_rb_root *root, struct bpf_rb_node *node,
                               bool(less)(struct bpf_rb_node *a, const struct bpf_rb_node *b), void *meta__ign,
                               __u64 off) __ksym;
extern struct bpf_rb_node *bpf_rbtree_first(struct bpf_rb_root *root) __ksym;
extern struct bpf_rb_node *bpf_rbtree_remove(struct bpf_rb_root *root, struct bpf_rb_node *node) __ksym;

#define new(type) ((type *)bpf_obj_new_impl(__builtin_btf_type_id(*(type *)0, 0), NULL))

struct event {
    __u64 due_ns;
    struct bpf_rb_node node;
};

#define PRIVATE(name) SEC(".data." #name) __attribute__((visibility("hidden"), aligned(8)))
PRIVATE(schedule) struct bpf_spin_lock lock;
PRIVATE(schedule) struct bpf_rb_root events contains(event, node);

static bool earlier(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
    return container_of(a, struct event, node)->due_ns < container_of(b, struct event, node)->due_ns;
}

SEC("tc")
ACCEPTED RETURNS(0) int add(struct __sk_buff *skb)
{
    struct event *event = new(struct event);

    if (!event)
        return 1;
    event->due_ns = skb->tstamp;
    bpf_spin_lock(&lock);
    bpf_rbtree_add_impl(&events, &event->node, earlier, NULL, 0);
    bpf_spin_unlock(&lock);
    return 0;
}

SEC("tc")
ACCEPTED int take_first(struct __sk_buff *skb)
{
    struct bpf_rb_node *node;

    bpf_spin_lock(&lock);
    node = bpf_rbtree_first(&events);
    if (!node) {
        bpf_spin_unlock(&lock);
        return 0;
    }
    node = bpf_rbtree_remove(&events, node);
    bpf_spin_unlock(&lock);
    if (!node)
        return 0;
    bpf_obj_drop_impl(container_of(node, struct event, node), NULL);
    return 1;
}

// Memory is not freed under a lock; and the first element still belongs to the tree.
SEC("tc")
REFUSED("function calls are not allowed while holding a lock")
int drop_what_the_tree_owns(struct __sk_buff *skb)
{
    bpf_spin_lock(&lock);
    struct bpf_rb_node *node = bpf_rbtree_first(&events);
    if (node)
        bpf_obj_drop_impl(container_of(node, struct event, node), NULL);
    bpf_spin_unlock(&lock);
    return 0;
}
