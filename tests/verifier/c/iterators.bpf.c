// SPDX-License-Identifier: MIT OR Apache-2.0
// Open-coded iterators: loops without a bound that the verifier has to see.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "expect.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __ksym;
extern int *bpf_iter_num_next(struct bpf_iter_num *it) __ksym;
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) __ksym;

int table[16];

SEC("tc")
ACCEPTED RETURNS(120) int sum(struct __sk_buff *skb)
{
    struct bpf_iter_num numbers;
    int *number, total = 0;

    bpf_iter_num_new(&numbers, 0, 16);
    while ((number = bpf_iter_num_next(&numbers)))
        total += *number;
    bpf_iter_num_destroy(&numbers);
    return total;
}

// The number must be bounded to index with: the iterator's end is not known to the verifier.
SEC("tc")
ACCEPTED int bounded_index(struct __sk_buff *skb)
{
    struct bpf_iter_num numbers;
    int *number;

    bpf_iter_num_new(&numbers, 0, skb->len);
    while ((number = bpf_iter_num_next(&numbers))) {
        __u32 index = *number;
        if (index >= 16)
            break;
        table[index]++;
    }
    bpf_iter_num_destroy(&numbers);
    return 0;
}

SEC("tc")
REFUSED("invalid access to map value")
int unbounded_index(struct __sk_buff *skb)
{
    struct bpf_iter_num numbers;
    int *number;

    bpf_iter_num_new(&numbers, 0, 16);
    while ((number = bpf_iter_num_next(&numbers)))
        table[*number & 0xff]++;
    bpf_iter_num_destroy(&numbers);
    return 0;
}

SEC("tc")
REFUSED("Unreleased reference")
int never_destroyed(struct __sk_buff *skb)
{
    struct bpf_iter_num numbers;

    bpf_iter_num_new(&numbers, 0, 16);
    return 0;
}

SEC("tc")
REFUSED("expected an initialized iter_num as arg #0")
int never_begun(struct __sk_buff *skb)
{
    struct bpf_iter_num numbers;

    return bpf_iter_num_next(&numbers) != 0;
}
