// SPDX-License-Identifier: MIT OR Apache-2.0
// Callbacks that run later: timers, and work queues where sleeping is possible.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "expect.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define CLOCK_MONOTONIC 1

struct timed {
    struct bpf_timer timer;
    __u64 fired;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16);
    __type(key, __u32);
    __type(value, struct timed);
} timers SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} plain SEC(".maps");

static int fired(void *map, __u32 *key, struct timed *value)
{
    value->fired++;
    return 0;
}

static int wrong_result(void *map, __u32 *key, struct timed *value)
{
    return 1;
}

SEC("tc")
ACCEPTED int start(struct __sk_buff *skb)
{
    __u32 key = 0;
    struct timed *value = bpf_map_lookup_elem(&timers, &key);

    if (!value)
        return 0;
    bpf_timer_init(&value->timer, &timers, CLOCK_MONOTONIC);
    bpf_timer_set_callback(&value->timer, fired);
    bpf_timer_start(&value->timer, 1000000, 0);
    return 0;
}

SEC("tc")
REFUSED("should have been in [0, 0]")
int callback_result(struct __sk_buff *skb)
{
    __u32 key = 0;
    struct timed *value = bpf_map_lookup_elem(&timers, &key);

    if (value)
        bpf_timer_set_callback(&value->timer, wrong_result);
    return 0;
}

SEC("tc")
REFUSED("bpf_timer cannot be accessed directly by load/store")
int written_by_hand(struct __sk_buff *skb)
{
    __u32 key = 0;
    struct timed *value = bpf_map_lookup_elem(&timers, &key);

    if (value)
        *(__u64 *)&value->timer = 0;
    return 0;
}

SEC("tc")
REFUSED("has no valid bpf_timer")
int no_timer_there(struct __sk_buff *skb)
{
    __u32 key = 0;
    __u64 *value = bpf_map_lookup_elem(&plain, &key);

    if (value)
        bpf_timer_start((struct bpf_timer *)value, 1000000, 0);
    return 0;
}
