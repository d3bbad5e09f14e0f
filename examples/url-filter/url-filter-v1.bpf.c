// SPDX-License-Identifier: MIT OR Apache-2.0
// Version 1, without memory: passes on the packets in which an HTTP request starts. What does not fit into that
// first packet is lost.
#include "http.bpf.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

SEC("socket")
int url_filter(struct __sk_buff *skb)
{
    struct segment segment = {};
    if (!find_segment(skb, &segment))
        return NOTHING;
    return method_len(skb, &segment) ? WHOLE_PACKET : NOTHING;
}
