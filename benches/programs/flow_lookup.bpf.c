// SPDX-License-Identifier: MIT OR Apache-2.0
// Finds 8 flows by their five-tuple in a hash table and counts into them.
#include "bench.h"

#define LOOKUPS 8

struct flow {
	__u32 source;
	__u16 source_port;
	__u16 destination_port;
	__u32 destination;
	__u32 protocol;
};

struct tally {
	__u64 bytes;
	__u32 packets;
	__u32 flags;
};

MAP(flows, BPF_MAP_TYPE_HASH, struct flow, struct tally, 4096, 0);

PROGRAM(flow_lookup)
{
	PACKET(sizeof(struct ethernet) + sizeof(struct ipv4) + sizeof(struct tcp));
	struct ipv4 *ip = (void *)(data + sizeof(struct ethernet));
	struct tcp *tcp = (void *)(ip + 1);
	struct flow flow = {
		.source = ip->source,
		.destination = ip->destination,
		.destination_port = tcp->destination,
		.protocol = ip->protocol,
	};
	__u32 port = __builtin_bswap16(tcp->source);
	__u32 found = 0;

	for (__u32 i = 0; i < LOOKUPS; i++) {
		flow.source_port = __builtin_bswap16(port + i);
		struct tally *tally = bpf_map_lookup_elem(&flows, &flow);
		if (tally) {
			tally->packets += 1;
			tally->bytes += 64;
			found++;
		}
	}
	return found;
}
