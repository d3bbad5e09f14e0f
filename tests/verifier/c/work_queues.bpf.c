// SPDX-License-Identifier: MIT OR Apache-2.0
// Functions that run later: work items and timers of maps within maps, and what such functions may do.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "expect.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

extern int bpf_wq_init(struct bpf_wq *wq, void *p__map, unsigned int flags) __ksym;
extern int bpf_wq_set_callback_impl(struct bpf_wq *wq, int (*callback_fn)(void *map, int *key, void *value),
                                    unsigned int flags__k, void *aux__ign) __ksym;
extern int bpf_wq_start(struct bpf_wq *wq, unsigned int flags) __ksym;

struct item {
    __u64 count;
    struct bpf_wq work;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, struct item);
} items SEC(".maps"), others SEC(".maps");

struct clock {
    struct bpf_timer timer;
};

struct clocks {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, struct clock);
} inner_clocks SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __uint(max_entries, 2);
    __type(key, __u32);
    __array(values, struct clocks);
} all_clocks SEC(".maps") = { .values = { &inner_clocks } };

static int run(void *map, int *key, void *value)
{
    struct item *item = value;

    item->count++;
    return 0;
}

// Work runs where sleeping is possible, whatever the program that queued it may do.
static int run_and_sleep(void *map, int *key, void *value)
{
    char byte;

    bpf_copy_from_user(&byte, 1, NULL);
    return 0;
}

static int answer(void *map, int *key, void *value)
{
    return 42;
}

static int tick(void *map, int *key, struct clock *clock)
{
    bpf_timer_start(&clock->timer, 1000, 0);
    return 0;
}

static int tick_and_sleep(void *map, int *key, struct clock *clock)
{
    char byte;

    bpf_copy_from_user(&byte, 1, NULL);
    return 0;
}

#define LOOK_UP(name, type, map)                                               \
    __u32 name##_key = 0;                                                      \
    type *name = bpf_map_lookup_elem(map, &name##_key);                        \
    if (!name)                                                                 \
        return 0

SEC("tc")
ACCEPTED RETURNS(0) int queued(struct __sk_buff *skb)
{
    LOOK_UP(item, struct item, &items);
    if (bpf_wq_init(&item->work, &items, 0))
        return 0;
    if (bpf_wq_set_callback_impl(&item->work, run, 0, NULL))
        return 1;
    bpf_wq_start(&item->work, 0);
    return 0;
}

SEC("tc")
ACCEPTED int work_that_sleeps(struct __sk_buff *skb)
{
    LOOK_UP(item, struct item, &items);
    bpf_wq_set_callback_impl(&item->work, run_and_sleep, 0, NULL);
    return 0;
}

SEC("tc")
REFUSED("At async callback return the register R0 has smin=42 smax=42 should have been in [0, 0]")
int work_with_a_result(struct __sk_buff *skb)
{
    LOOK_UP(item, struct item, &items);
    bpf_wq_set_callback_impl(&item->work, answer, 0, NULL);
    return 0;
}

SEC("tc")
REFUSED("workqueue pointer in R1 map_uid=0 doesn't match map pointer in R2 map_uid=0")
int item_of_another_map(struct __sk_buff *skb)
{
    LOOK_UP(item, struct item, &items);
    bpf_wq_init(&item->work, &others, 0);
    return 0;
}

SEC("tc")
REFUSED("off 0 doesn't point to 'struct bpf_wq' that is at 8")
int no_work_item(struct __sk_buff *skb)
{
    LOOK_UP(item, struct item, &items);
    bpf_wq_start((struct bpf_wq *)item, 0);
    return 0;
}

SEC("tc")
REFUSED("bpf_wq cannot be accessed directly by load/store")
int overwritten(struct __sk_buff *skb)
{
    LOOK_UP(item, struct item, &items);
    *(volatile __u64 *)&item->work = 0;
    return 0;
}

SEC("tc")
ACCEPTED int clock_of_an_inner_map(struct __sk_buff *skb)
{
    LOOK_UP(clocks, void, &all_clocks);
    LOOK_UP(clock, struct clock, clocks);
    bpf_timer_init(&clock->timer, clocks, 1 /* CLOCK_MONOTONIC */);
    bpf_timer_set_callback(&clock->timer, tick);
    return 0;
}

// The same outer element, looked up twice, may be two inner maps.
SEC("tc")
REFUSED("doesn't match map pointer in R2")
int clock_of_another_inner_map(struct __sk_buff *skb)
{
    LOOK_UP(clocks, void, &all_clocks);
    LOOK_UP(others, void, &all_clocks);
    LOOK_UP(clock, struct clock, clocks);
    bpf_timer_init(&clock->timer, others, 1);
    return 0;
}

// Timers interrupt: they never sleep, whatever the program that sets them may do.
SEC("syscall")
REFUSED("helper call might sleep in a non-sleepable prog")
int clock_that_sleeps(void *ctx)
{
    LOOK_UP(clock, struct clock, &inner_clocks);
    bpf_timer_set_callback(&clock->timer, tick_and_sleep);
    return 0;
}
