// SPDX-License-Identifier: MIT OR Apache-2.0
// Counts packets by IP protocol. The program reads the packet with the instructions that classic BPF left behind
// (LD_ABS): they convert to host order, and a read past the packet's end ends the program with 0.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

unsigned long long load_byte(void *skb, unsigned long long offset) asm("llvm.bpf.load.byte");
unsigned long long load_half(void *skb, unsigned long long offset) asm("llvm.bpf.load.half");

#define ETHERTYPE_AT 12
#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86DD
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_PROVIDER_VLAN 0x88A8
#define TAG_LEN 4

// Offsets in the network header.
#define IPV4_PROTOCOL_AT 9
#define IPV6_NEXT_HEADER_AT 6

// The place in the array of whatever is not IP.
#define NOT_IP 256

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, NOT_IP + 1);
    __type(key, __u32);   // IP protocol number, or NOT_IP
    __type(value, __u64); // packets
} packets SEC(".maps");

static __always_inline bool is_tag(__u16 ethertype)
{
    return ethertype == ETHERTYPE_VLAN || ethertype == ETHERTYPE_PROVIDER_VLAN;
}

SEC("socket")
int count_protocol(struct __sk_buff *skb)
{
    __u32 at = ETHERTYPE_AT;
    __u16 ethertype = load_half(skb, at);
    // Linux takes the outer tag off before a socket filter runs; an inner tag stays.
    for (int tags = 0; tags < 2 && is_tag(ethertype); tags++) {
        at += TAG_LEN;
        ethertype = load_half(skb, at);
    }

    __u32 protocol = NOT_IP;
    if (ethertype == ETHERTYPE_IPV4)
        protocol = load_byte(skb, at + 2 + IPV4_PROTOCOL_AT);
    else if (ethertype == ETHERTYPE_IPV6)
        protocol = load_byte(skb, at + 2 + IPV6_NEXT_HEADER_AT);

    __u64 *count = bpf_map_lookup_elem(&packets, &protocol);
    if (count)
        __sync_fetch_and_add(count, 1);
    return 0; // the socket itself wants no packets
}
