// SPDX-License-Identifier: MIT OR Apache-2.0
// Finds the routes of 8 addresses: the longest prefixes among a thousand.
#include "bench.h"

#define ADDRESSES 8

struct prefix {
	__u32 bits;
	__u32 address;
};

MAP(routes, BPF_MAP_TYPE_LPM_TRIE, struct prefix, __u32, 4096, BPF_F_NO_PREALLOC);

PROGRAM(lpm)
{
	PACKET(ADDRESSES * 4);
	struct prefix prefix = { .bits = 32 };
	__u32 hops = 0;

	for (__u32 i = 0; i < ADDRESSES; i++) {
		prefix.address = *(__u32 *)(data + i * 4);
		__u32 *hop = bpf_map_lookup_elem(&routes, &prefix);
		if (hop)
			hops = hops * 31 + *hop;
	}
	return hops;
}
