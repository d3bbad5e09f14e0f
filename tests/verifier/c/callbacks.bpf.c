// SPDX-License-Identifier: MIT OR Apache-2.0
// Functions that helpers call: loops, elements of maps, records of user space.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "expect.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 8);
    __type(key, __u32);
    __type(value, __u64);
} values SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_USER_RINGBUF);
    __uint(max_entries, 4096);
} commands SEC(".maps");

struct sum {
    __u64 total;
    __u32 limit;
};

static long add_index(__u64 index, struct sum *sum)
{
    sum->total += index;
    return index >= sum->limit;
}

static long add_value(void *map, __u32 *key, __u64 *value, struct sum *sum)
{
    sum->total += *value;
    return 0;
}

static long stop_at_two(__u64 index, void *context)
{
    return 2;
}

static long count_command(struct bpf_dynptr *command, struct sum *sum)
{
    __u32 word = 0;

    bpf_dynptr_read(&word, sizeof(word), command, 0, 0);
    sum->total += word;
    return 0;
}

static long keep_command(struct bpf_dynptr *command, void *context)
{
    bpf_ringbuf_submit_dynptr(command, 0);
    return 0;
}

SEC("tc")
ACCEPTED RETURNS(10) int loop(struct __sk_buff *skb)
{
    struct sum sum = { .limit = 4 };

    bpf_loop(1000, add_index, &sum, 0);
    return sum.total;
}

SEC("tc")
ACCEPTED RETURNS(0) int each_element(struct __sk_buff *skb)
{
    struct sum sum = {};

    bpf_for_each_map_elem(&values, add_value, &sum, 0);
    return sum.total;
}

SEC("tc")
REFUSED("should have been in [0, 1]")
int callback_result(struct __sk_buff *skb)
{
    bpf_loop(10, stop_at_two, NULL, 0);
    return 0;
}

SEC("tc")
ACCEPTED int drain(struct __sk_buff *skb)
{
    struct sum sum = {};

    bpf_user_ringbuf_drain(&commands, count_command, &sum, 0);
    return sum.total;
}

SEC("tc")
REFUSED("cannot release unowned const bpf_dynptr")
int command_is_not_ours(struct __sk_buff *skb)
{
    bpf_user_ringbuf_drain(&commands, keep_command, NULL, 0);
    return 0;
}
