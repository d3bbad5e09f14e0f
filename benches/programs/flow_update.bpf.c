// SPDX-License-Identifier: MIT OR Apache-2.0
// Writes the state of 8 flows into a hash table.
#include "bench.h"

#define UPDATES 8

struct flow {
	__u32 source;
	__u16 source_port;
	__u16 destination_port;
	__u32 destination;
	__u32 protocol;
};

struct state {
	__u64 last_seen;
	__u32 sequence;
	__u16 window;
	__u16 flags;
};

MAP(states, BPF_MAP_TYPE_HASH, struct flow, struct state, 4096, 0);

PROGRAM(flow_update)
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
	struct state state = { .last_seen = 1, .sequence = tcp->sequence, .window = tcp->window, .flags = tcp->flags };
	__u32 port = __builtin_bswap16(tcp->source);
	__u32 written = 0;

	for (__u32 i = 0; i < UPDATES; i++) {
		flow.source_port = __builtin_bswap16(port + i);
		if (bpf_map_update_elem(&states, &flow, &state, BPF_ANY) == 0)
			written++;
	}
	return written;
}
