// SPDX-License-Identifier: MIT OR Apache-2.0
// What both versions of the filter share: where a TCP segment's payload lies, and whether a request starts there.
#pragma once
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

// What a socket filter returns: how many bytes of the packet user space shall see.
#define NOTHING 0
#define WHOLE_PACKET (-1)

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86DD
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_PROVIDER_VLAN 0x88A8
#define MAX_TAGS 2
#define IPV4_FRAGMENT_OFFSET 0x1FFF

// One direction of a TCP connection. IPv4 addresses stand in the first four bytes, the rest is zero.
struct flow {
    __u8 source[16];
    __u8 destination[16];
    __be16 source_port;
    __be16 destination_port;
};

// A TCP segment. The payload is given as offsets from the start of the packet.
struct segment {
    struct flow flow;
    __u32 sequence; // of the payload's first byte
    __u32 payload;
    __u32 end;
};

static __always_inline bool find_ipv4(struct __sk_buff *skb, __u32 *at, struct segment *segment)
{
    struct iphdr ip;
    if (bpf_skb_load_bytes(skb, *at, &ip, sizeof(ip)) < 0)
        return false;
    if (ip.protocol != IPPROTO_TCP || ip.frag_off & bpf_htons(IPV4_FRAGMENT_OFFSET))
        return false;
    __builtin_memcpy(segment->flow.source, &ip.saddr, sizeof(ip.saddr));
    __builtin_memcpy(segment->flow.destination, &ip.daddr, sizeof(ip.daddr));
    segment->end = *at + bpf_ntohs(ip.tot_len);
    *at += ip.ihl * 4;
    return true;
}

static __always_inline bool find_ipv6(struct __sk_buff *skb, __u32 *at, struct segment *segment)
{
    struct ipv6hdr ip;
    if (bpf_skb_load_bytes(skb, *at, &ip, sizeof(ip)) < 0)
        return false;
    if (ip.nexthdr != IPPROTO_TCP)
        return false;
    __builtin_memcpy(segment->flow.source, &ip.saddr, sizeof(ip.saddr));
    __builtin_memcpy(segment->flow.destination, &ip.daddr, sizeof(ip.daddr));
    *at += sizeof(ip);
    segment->end = *at + bpf_ntohs(ip.payload_len);
    return true;
}

// Whether this is a TCP segment, and where it is. Lengths come from the headers: a short frame is padded at its end.
static __always_inline bool find_segment(struct __sk_buff *skb, struct segment *segment)
{
    struct ethhdr ethernet;
    if (bpf_skb_load_bytes(skb, 0, &ethernet, sizeof(ethernet)) < 0)
        return false;
    __u32 at = sizeof(ethernet);
    __be16 ethertype = ethernet.h_proto;
    for (int i = 0; i < MAX_TAGS; i++) {
        if (ethertype != bpf_htons(ETHERTYPE_VLAN) && ethertype != bpf_htons(ETHERTYPE_PROVIDER_VLAN))
            break;
        struct vlan_hdr tag;
        if (bpf_skb_load_bytes(skb, at, &tag, sizeof(tag)) < 0)
            return false;
        ethertype = tag.h_vlan_encapsulated_proto;
        at += sizeof(tag);
    }

    if (ethertype == bpf_htons(ETHERTYPE_IPV4)) {
        if (!find_ipv4(skb, &at, segment))
            return false;
    } else if (ethertype == bpf_htons(ETHERTYPE_IPV6)) {
        if (!find_ipv6(skb, &at, segment))
            return false;
    } else {
        return false;
    }

    struct tcphdr tcp;
    if (bpf_skb_load_bytes(skb, at, &tcp, sizeof(tcp)) < 0)
        return false;
    segment->flow.source_port = tcp.source;
    segment->flow.destination_port = tcp.dest;
    segment->sequence = bpf_ntohl(tcp.seq);
    segment->payload = at + tcp.doff * 4;
    return segment->payload < segment->end && segment->end <= skb->len;
}

// A word of up to eight characters as the number that loading them from memory gives.
#define WORD(text)                                                     \
    ({                                                                 \
        __u64 word_ = 0;                                               \
        __builtin_memcpy(&word_, text, sizeof(text) - 1);              \
        word_;                                                         \
    })

// Length of the HTTP method at the start of the payload with the blank after it; 0 where none stands there.
static __always_inline __u32 method_len(struct __sk_buff *skb, const struct segment *segment)
{
    __u64 start = 0;
    if (bpf_skb_load_bytes(skb, segment->payload, &start, sizeof(start)) < 0)
        return 0;
#define STARTS_WITH(text) ((start & (~0ULL >> (8 * (8 - (sizeof(text) - 1))))) == WORD(text))
    if (STARTS_WITH("GET "))
        return sizeof("GET ") - 1;
    if (STARTS_WITH("POST "))
        return sizeof("POST ") - 1;
    if (STARTS_WITH("HEAD "))
        return sizeof("HEAD ") - 1;
    if (STARTS_WITH("PUT "))
        return sizeof("PUT ") - 1;
    if (STARTS_WITH("DELETE "))
        return sizeof("DELETE ") - 1;
    if (STARTS_WITH("PATCH "))
        return sizeof("PATCH ") - 1;
    if (STARTS_WITH("OPTIONS "))
        return sizeof("OPTIONS ") - 1;
#undef STARTS_WITH
    return 0;
}
