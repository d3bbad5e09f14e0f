// SPDX-License-Identifier: MIT OR Apache-2.0
// Global functions are verified once, for all arguments that their types allow.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "expect.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct pair {
    int a, b;
};

__noinline int difference(struct pair *pair __arg_nonnull)
{
    return pair->a - pair->b;
}

__noinline int careless(struct pair *pair)
{
    return pair->a;
}

__noinline int careful(struct pair *pair)
{
    return pair ? pair->a : 0;
}

__noinline int length(struct __sk_buff *skb __arg_ctx)
{
    return skb->len;
}

SEC("tc")
ACCEPTED RETURNS(3) int with_attributes(struct __sk_buff *skb)
{
    struct pair pair = { 5, 2 };

    return difference(&pair) + (length(skb) & 0);
}

SEC("tc")
REFUSED("invalid mem access 'mem_or_null'")
int body_without_a_test(struct __sk_buff *skb)
{
    struct pair pair = { 5, 2 };

    return careless(&pair);
}

SEC("tc")
ACCEPTED RETURNS(5) int body_with_a_test(struct __sk_buff *skb)
{
    struct pair pair = { 5, 2 };

    return careful(&pair) + careful(NULL);
}

SEC("tc")
REFUSED("Caller passes invalid args into func")
int too_small(struct __sk_buff *skb)
{
    int half = 5;

    return careful((struct pair *)&half);
}
