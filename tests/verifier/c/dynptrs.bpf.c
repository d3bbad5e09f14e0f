// SPDX-License-Identifier: MIT OR Apache-2.0
// Dynptrs: memory whose size is known at run time, read and written through calls that check it.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "expect.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} records SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, char[64]);
} scratch SEC(".maps");

extern int bpf_dynptr_from_skb(struct __sk_buff *s, __u64 flags, struct bpf_dynptr *ptr__uninit) __ksym;
extern void *bpf_dynptr_slice(const struct bpf_dynptr *p, __u32 offset, void *buffer__opt, __u32 buffer__szk) __ksym;
extern void *bpf_dynptr_slice_rdwr(const struct bpf_dynptr *p, __u32 offset, void *buffer__opt,
                                   __u32 buffer__szk) __ksym;

// A record of a size that only the packet knows.
SEC("tc")
ACCEPTED int record_of_variable_size(struct __sk_buff *skb)
{
    struct bpf_dynptr record;
    __u32 length = skb->len;

    if (bpf_ringbuf_reserve_dynptr(&records, length + sizeof(length), 0, &record) == 0)
        bpf_dynptr_write(&record, 0, &length, sizeof(length), 0);
    // Given back whether the reservation succeeded or not.
    bpf_ringbuf_submit_dynptr(&record, 0);
    return 0;
}

SEC("tc")
REFUSED("Unreleased reference")
int record_never_submitted(struct __sk_buff *skb)
{
    struct bpf_dynptr record;

    bpf_ringbuf_reserve_dynptr(&records, 64, 0, &record);
    return 0;
}

SEC("tc")
REFUSED("Expected an initialized dynptr as arg #0")
int written_after_submission(struct __sk_buff *skb)
{
    struct bpf_dynptr record;
    __u32 value = 1;

    bpf_ringbuf_reserve_dynptr(&records, 64, 0, &record);
    bpf_ringbuf_submit_dynptr(&record, 0);
    bpf_dynptr_write(&record, 0, &value, sizeof(value), 0);
    return 0;
}

// Headers read without a comparison with data_end: the slice is NULL where the packet is too short.
SEC("tc")
ACCEPTED RETURNS(0) int headers_as_slices(struct __sk_buff *skb)
{
    struct bpf_dynptr packet;
    struct ethhdr buffer;

    if (bpf_dynptr_from_skb(skb, 0, &packet))
        return 0;
    const struct ethhdr *ethernet = bpf_dynptr_slice(&packet, 0, &buffer, sizeof(buffer));
    if (!ethernet)
        return 0;
    return ethernet->h_proto != 0;
}

SEC("tc")
REFUSED("invalid mem access 'rdonly_mem_or_null'")
int slice_not_compared_with_null(struct __sk_buff *skb)
{
    struct bpf_dynptr packet;
    struct ethhdr buffer;

    if (bpf_dynptr_from_skb(skb, 0, &packet))
        return 0;
    const struct ethhdr *ethernet = bpf_dynptr_slice(&packet, 0, &buffer, sizeof(buffer));
    return ethernet->h_proto == 0;
}

// What moves packet data ends all slices.
SEC("tc")
REFUSED("invalid mem access 'scalar'")
int slice_used_after_the_packet_moved(struct __sk_buff *skb)
{
    struct bpf_dynptr packet;
    struct ethhdr buffer;

    if (bpf_dynptr_from_skb(skb, 0, &packet))
        return 0;
    struct ethhdr *ethernet = bpf_dynptr_slice_rdwr(&packet, 0, &buffer, sizeof(buffer));
    if (!ethernet)
        return 0;
    if (bpf_skb_pull_data(skb, 64))
        return 0;
    ethernet->h_proto = 0;
    return 0;
}

// Over memory of the program: reads of any offset are checked when they run.
SEC("tc")
ACCEPTED int over_a_map_value(struct __sk_buff *skb)
{
    struct bpf_dynptr text;
    __u32 zero = 0;
    char letter = 0;
    char *value = bpf_map_lookup_elem(&scratch, &zero);

    if (!value || bpf_dynptr_from_mem(value, 64, 0, &text))
        return 0;
    bpf_dynptr_read(&letter, sizeof(letter), &text, skb->len, 0);
    return letter == 'x';
}
