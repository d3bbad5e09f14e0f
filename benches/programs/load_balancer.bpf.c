// SPDX-License-Identifier: MIT OR Apache-2.0
// A layer-4 load balancer that answers to virtual addresses and hands packets to their servers on the same link: by a ring
// that hashes the five-tuple consistently, and a table of connections, which stay where they are when the ring changes.
// The servers see the packet with their own hardware address and a mark of the pool in its DSCP.
//
// Everything that it writes depends on the connection alone, so that it does the same to its own output.
#include "bench.h"

#define RING_SIZE 1021
#define MAX_SERVICES 4
#define MAX_SERVERS 64

struct service {
	__u32 address;
	__u16 port;
	__u16 protocol;
};

struct service_info {
	__u32 number;
	__u32 mark;
};

struct connection {
	__u32 source;
	__u16 source_port;
	__u16 destination_port;
	__u32 destination;
	__u8 protocol;
	__u8 unused[3];
};

struct server {
	__u8 hardware[6];
	__u16 flags;
};

struct tally {
	__u64 bytes;
	__u32 packets;
	__u32 flags;
};

MAP(services, BPF_MAP_TYPE_HASH, struct service, struct service_info, MAX_SERVICES, 0);
MAP(ring, BPF_MAP_TYPE_ARRAY, __u32, __u32, RING_SIZE *MAX_SERVICES, 0);
MAP(connections, BPF_MAP_TYPE_LRU_HASH, struct connection, __u32, 4096, 0);
MAP(servers, BPF_MAP_TYPE_ARRAY, __u32, struct server, MAX_SERVERS, 0);
MAP(tallies, BPF_MAP_TYPE_ARRAY, __u32, struct tally, MAX_SERVERS, 0);

static __always_inline __u32 rotate(__u32 word, __u32 bits)
{
	return word << bits | word >> (32 - bits);
}

// Mixes the five-tuple into 32 bits.
static __always_inline __u32 hash_of(const struct connection *c)
{
	__u32 a = c->source * 0x85ebca6b;
	__u32 b = c->destination ^ ((__u32)c->source_port << 16 | c->destination_port);
	a = rotate(a, 15) * 0xc2b2ae35 ^ b;
	b = rotate(b, 13) * 5 + 0xe6546b64 + c->protocol;
	a ^= b + rotate(a, 7);
	a ^= a >> 16;
	a *= 0x85ebca6b;
	a ^= a >> 13;
	a *= 0xc2b2ae35;
	return a ^ a >> 16;
}

// Sets the DSCP and mends the header checksum (RFC 1624).
static __always_inline void set_mark(struct ipv4 *ip, __u8 mark)
{
	__u16 *word = (__u16 *)ip;
	__u16 before = *word;
	ip->tos = mark << 2 | (ip->tos & 3);
	__u32 sum = (__u16)~ip->checksum + (__u16)~before + *word;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip->checksum = (__u16)~sum;
}

PROGRAM(load_balancer)
{
	__u8 *end = (__u8 *)(long)ctx->data_end;
	struct ethernet *ethernet = (void *)(long)ctx->data;
	struct ipv4 *ip = (void *)(ethernet + 1);
	struct tcp *tcp = (void *)(ip + 1);
	__u16 *ports = (void *)tcp;
	if ((__u8 *)(ports + 2) > end)
		return XDP_PASS;
	if (ethernet->type != BE16(ETHERTYPE_IPV4) || ip->version_and_words != 0x45)
		return XDP_PASS;
	if (ip->protocol != PROTOCOL_TCP && ip->protocol != PROTOCOL_UDP)
		return XDP_PASS;
	if (ip->fragment & BE16(0x3fff))
		return XDP_PASS;
	__u32 is_new = 0;
	if (ip->protocol == PROTOCOL_TCP) {
		if ((__u8 *)(tcp + 1) > end)
			return XDP_PASS;
		is_new = tcp->flags & TCP_SYN;
	}

	struct service service = { .address = ip->destination, .port = ports[1], .protocol = ip->protocol };
	struct service_info *info = bpf_map_lookup_elem(&services, &service);
	if (!info)
		return XDP_PASS;

	struct connection connection = {
		.source = ip->source,
		.destination = ip->destination,
		.source_port = ports[0],
		.destination_port = ports[1],
		.protocol = ip->protocol,
	};
	__u32 place = info->number * RING_SIZE + hash_of(&connection) % RING_SIZE;
	__u32 *preferred = bpf_map_lookup_elem(&ring, &place);
	if (!preferred)
		return XDP_DROP;
	__u32 number = *preferred;
	__u32 *known = is_new ? 0 : bpf_map_lookup_elem(&connections, &connection);
	if (known)
		number = *known;
	else
		bpf_map_update_elem(&connections, &connection, &number, BPF_ANY);

	struct server *server = bpf_map_lookup_elem(&servers, &number);
	struct tally *tally = bpf_map_lookup_elem(&tallies, &number);
	if (!server || !tally)
		return XDP_DROP;
	tally->packets += 1;
	tally->bytes += end - (__u8 *)ethernet;

	__builtin_memcpy(ethernet->destination, server->hardware, 6);
	set_mark(ip, info->mark);
	return XDP_TX;
}
