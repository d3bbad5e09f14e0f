// SPDX-License-Identifier: MIT OR Apache-2.0
// Takes a packet apart with one program per protocol. Each counts what it sees and ends with a tail call into the
// next; the place reached and the counters are in maps that all of them share.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define ETHERTYPE_ARP 0x0806
#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86DD
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_PROVIDER_VLAN 0x88A8
#define IPV4_FRAGMENT_OFFSET 0x1FFF

// Headers beyond this offset are nobody's business.
#define DEEPEST 512

// Places in `parsers`.
enum parser { PARSE_VLAN, PARSE_IPV4, PARSE_IPV6, PARSE_TCP, PARSE_UDP, PARSERS };

// Places in `seen`.
enum layer { ETHERNET, VLAN, ARP, IPV4, IPV6, TCP, UDP, OTHER, FRAGMENT, CUT_SHORT, LAYERS };

int parse_vlan(struct xdp_md *ctx);
int parse_ipv4(struct xdp_md *ctx);
int parse_ipv6(struct xdp_md *ctx);
int parse_tcp(struct xdp_md *ctx);
int parse_udp(struct xdp_md *ctx);

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, PARSERS);
    __uint(key_size, sizeof(__u32));
    __array(values, int(struct xdp_md *));
} parsers SEC(".maps") = {
    .values = {
        [PARSE_VLAN] = (void *)&parse_vlan,
        [PARSE_IPV4] = (void *)&parse_ipv4,
        [PARSE_IPV6] = (void *)&parse_ipv6,
        [PARSE_TCP] = (void *)&parse_tcp,
        [PARSE_UDP] = (void *)&parse_udp,
    },
};

// The offset of the next header in the packet this CPU is at.
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} reached SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, LAYERS);
    __type(key, __u32);
    __type(value, __u64);
} seen SEC(".maps");

struct service {
    __u16 port;
    __u16 protocol;
};

// Packets by destination port, from the TCP and the UDP parser.
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __type(key, struct service);
    __type(value, __u64);
} services SEC(".maps");

static __always_inline void count(__u32 layer)
{
    __u64 *packets = bpf_map_lookup_elem(&seen, &layer);
    if (packets)
        *packets += 1;
}

// The header of `len` bytes that this parser is to read, or NULL where the packet ends before it does.
static __always_inline void *header(struct xdp_md *ctx, __u32 len)
{
    __u32 zero = 0;
    __u32 *offset = bpf_map_lookup_elem(&reached, &zero);
    if (!offset || *offset > DEEPEST)
        return NULL;
    void *start = (void *)(long)ctx->data + *offset;
    if (start + len > (void *)(long)ctx->data_end) {
        count(CUT_SHORT);
        return NULL;
    }
    return start;
}

static __always_inline void advance(__u32 len)
{
    __u32 zero = 0;
    __u32 *offset = bpf_map_lookup_elem(&reached, &zero);
    if (offset)
        *offset += len;
}

// Hands over to the parser of an ethertype. Returns only where there is none.
static __always_inline int next_by_ethertype(struct xdp_md *ctx, __be16 ethertype)
{
    switch (bpf_ntohs(ethertype)) {
    case ETHERTYPE_VLAN:
    case ETHERTYPE_PROVIDER_VLAN:
        bpf_tail_call(ctx, &parsers, PARSE_VLAN);
        break;
    case ETHERTYPE_IPV4:
        bpf_tail_call(ctx, &parsers, PARSE_IPV4);
        break;
    case ETHERTYPE_IPV6:
        bpf_tail_call(ctx, &parsers, PARSE_IPV6);
        break;
    case ETHERTYPE_ARP:
        count(ARP);
        return XDP_PASS;
    }
    count(OTHER);
    return XDP_PASS;
}

static __always_inline int next_by_protocol(struct xdp_md *ctx, __u8 protocol)
{
    if (protocol == IPPROTO_TCP)
        bpf_tail_call(ctx, &parsers, PARSE_TCP);
    else if (protocol == IPPROTO_UDP)
        bpf_tail_call(ctx, &parsers, PARSE_UDP);
    count(OTHER);
    return XDP_PASS;
}

static __always_inline void count_service(__be16 port, __u16 protocol)
{
    struct service service = { .port = bpf_ntohs(port), .protocol = protocol };
    __u64 *packets = bpf_map_lookup_elem(&services, &service);
    if (packets) {
        __sync_fetch_and_add(packets, 1);
    } else {
        __u64 one = 1;
        bpf_map_update_elem(&services, &service, &one, BPF_NOEXIST);
    }
}

SEC("xdp")
int parse_ethernet(struct xdp_md *ctx)
{
    __u32 zero = 0;
    bpf_map_update_elem(&reached, &zero, &zero, BPF_ANY);

    struct ethhdr *ethernet = header(ctx, sizeof(*ethernet));
    if (!ethernet)
        return XDP_PASS;
    count(ETHERNET);
    advance(sizeof(*ethernet));
    return next_by_ethertype(ctx, ethernet->h_proto);
}

SEC("xdp")
int parse_vlan(struct xdp_md *ctx)
{
    struct vlan_hdr *tag = header(ctx, sizeof(*tag));
    if (!tag)
        return XDP_PASS;
    count(VLAN);
    advance(sizeof(*tag));
    return next_by_ethertype(ctx, tag->h_vlan_encapsulated_proto);
}

SEC("xdp")
int parse_ipv4(struct xdp_md *ctx)
{
    struct iphdr *ip = header(ctx, sizeof(*ip));
    if (!ip)
        return XDP_PASS;
    count(IPV4);
    if (ip->frag_off & bpf_htons(IPV4_FRAGMENT_OFFSET)) {
        count(FRAGMENT);
        return XDP_PASS;
    }
    advance(ip->ihl * 4);
    return next_by_protocol(ctx, ip->protocol);
}

SEC("xdp")
int parse_ipv6(struct xdp_md *ctx)
{
    struct ipv6hdr *ip = header(ctx, sizeof(*ip));
    if (!ip)
        return XDP_PASS;
    count(IPV6);
    advance(sizeof(*ip));
    return next_by_protocol(ctx, ip->nexthdr);
}

SEC("xdp")
int parse_tcp(struct xdp_md *ctx)
{
    struct tcphdr *tcp = header(ctx, sizeof(*tcp));
    if (!tcp)
        return XDP_PASS;
    count(TCP);
    count_service(tcp->dest, IPPROTO_TCP);
    return XDP_PASS;
}

SEC("xdp")
int parse_udp(struct xdp_md *ctx)
{
    struct udphdr *udp = header(ctx, sizeof(*udp));
    if (!udp)
        return XDP_PASS;
    count(UDP);
    count_service(udp->dest, IPPROTO_UDP);
    return XDP_PASS;
}
