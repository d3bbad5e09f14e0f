// SPDX-License-Identifier: MIT OR Apache-2.0
// Drops packets to blocked ports and from blocked prefixes. User space changes both lists while the program runs.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86DD
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_PROVIDER_VLAN 0x88A8
#define MAX_TAGS 2

#define IPV4_FRAGMENT_OFFSET 0x1FFF
#define IPV6_MAX_EXTENSIONS 6
#define IPV6_HOP_BY_HOP 0
#define IPV6_ROUTING 43
#define IPV6_FRAGMENT 44
#define IPV6_DESTINATION 60

// What became of a packet: the index into `verdicts`.
enum verdict {
    PASSED,
    BLOCKED_PORT,
    BLOCKED_IPV4,
    BLOCKED_IPV6,
    MALFORMED,
    VERDICTS,
};

struct tally {
    __u64 packets;
    __u64 bytes;
};

struct port_key {
    __u16 number;
    __u8 protocol; // IPPROTO_TCP or IPPROTO_UDP
    __u8 unused;
};

struct ipv4_key {
    __u32 bits;
    __u8 address[4];
};

struct ipv6_key {
    __u32 bits;
    __u8 address[16];
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, struct port_key);
    __type(value, __u8);
} blocked_ports SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1024);
    __type(key, struct ipv4_key);
    __type(value, __u8);
} blocked_ipv4 SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1024);
    __type(key, struct ipv6_key);
    __type(value, __u8);
} blocked_ipv6 SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, VERDICTS);
    __type(key, __u32);
    __type(value, struct tally);
} verdicts SEC(".maps");

// Where parsing stands: everything before `at` is understood.
struct cursor {
    void *at;
    void *end;
};

// The header at the cursor, or NULL where the packet ends before it does. Moves on behind it.
#define take(cursor, type)                                  \
    ({                                                      \
        type *header_ = (cursor)->at;                       \
        (void *)(header_ + 1) > (cursor)->end ? NULL        \
            : ((cursor)->at = header_ + 1, header_);        \
    })

// TCP and UDP both start with these.
struct ports {
    __be16 source;
    __be16 destination;
};

static __always_inline enum verdict check_port(struct cursor *cursor, __u8 protocol)
{
    if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
        return PASSED;
    struct ports *ports = take(cursor, struct ports);
    if (!ports)
        return MALFORMED;
    struct port_key key = { .number = bpf_ntohs(ports->destination), .protocol = protocol };
    return bpf_map_lookup_elem(&blocked_ports, &key) ? BLOCKED_PORT : PASSED;
}

static __always_inline enum verdict check_ipv4(struct cursor *cursor)
{
    struct iphdr *ip = take(cursor, struct iphdr);
    if (!ip)
        return MALFORMED;
    __u32 header_len = ip->ihl * 4;
    if (header_len < sizeof(*ip))
        return MALFORMED;

    struct ipv4_key source = { .bits = 32 };
    __builtin_memcpy(source.address, &ip->saddr, sizeof(source.address));
    if (bpf_map_lookup_elem(&blocked_ipv4, &source))
        return BLOCKED_IPV4;

    // Only the first fragment carries the ports.
    if (ip->frag_off & bpf_htons(IPV4_FRAGMENT_OFFSET))
        return PASSED;
    cursor->at = (void *)ip + header_len;
    return check_port(cursor, ip->protocol);
}

// Extension headers start with what follows and their length in units of 8 bytes, the first unit not counted.
struct ipv6_extension {
    __u8 next;
    __u8 units;
    __be16 fragment_offset; // of a fragment header; its low three bits are flags
    __u32 rest;
};

static __always_inline enum verdict check_ipv6(struct cursor *cursor)
{
    struct ipv6hdr *ip = take(cursor, struct ipv6hdr);
    if (!ip)
        return MALFORMED;

    struct ipv6_key source = { .bits = 128 };
    __builtin_memcpy(source.address, &ip->saddr, sizeof(source.address));
    if (bpf_map_lookup_elem(&blocked_ipv6, &source))
        return BLOCKED_IPV6;

    __u8 next = ip->nexthdr;
    for (int i = 0; i < IPV6_MAX_EXTENSIONS; i++) {
        if (next != IPV6_HOP_BY_HOP && next != IPV6_ROUTING && next != IPV6_FRAGMENT && next != IPV6_DESTINATION)
            return check_port(cursor, next);
        struct ipv6_extension *extension = take(cursor, struct ipv6_extension);
        if (!extension)
            return MALFORMED;
        if (next == IPV6_FRAGMENT) {
            if (bpf_ntohs(extension->fragment_offset) >> 3)
                return PASSED;
        } else {
            cursor->at += extension->units * 8;
        }
        next = extension->next;
    }
    return MALFORMED; // nobody honest needs more extension headers than that
}

static __always_inline enum verdict check(struct cursor *cursor)
{
    struct ethhdr *ethernet = take(cursor, struct ethhdr);
    if (!ethernet)
        return MALFORMED;
    __be16 ethertype = ethernet->h_proto;
    for (int i = 0; i < MAX_TAGS; i++) {
        if (ethertype != bpf_htons(ETHERTYPE_VLAN) && ethertype != bpf_htons(ETHERTYPE_PROVIDER_VLAN))
            break;
        struct vlan_hdr *tag = take(cursor, struct vlan_hdr);
        if (!tag)
            return MALFORMED;
        ethertype = tag->h_vlan_encapsulated_proto;
    }
    if (ethertype == bpf_htons(ETHERTYPE_IPV4))
        return check_ipv4(cursor);
    if (ethertype == bpf_htons(ETHERTYPE_IPV6))
        return check_ipv6(cursor);
    return PASSED; // ARP and friends
}

SEC("xdp")
int firewall(struct xdp_md *ctx)
{
    struct cursor cursor = {
        .at = (void *)(long)ctx->data,
        .end = (void *)(long)ctx->data_end,
    };
    __u64 length = cursor.end - cursor.at;

    __u32 verdict = check(&cursor);
    struct tally *tally = bpf_map_lookup_elem(&verdicts, &verdict);
    if (tally) {
        tally->packets += 1;
        tally->bytes += length;
    }
    return verdict == PASSED ? XDP_PASS : XDP_DROP;
}
