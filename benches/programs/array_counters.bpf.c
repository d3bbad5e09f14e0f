// SPDX-License-Identifier: MIT OR Apache-2.0
// Counts 16 bytes by their value in an array.
#include "bench.h"

#define BYTES 16

MAP(counters, BPF_MAP_TYPE_ARRAY, __u32, __u64, 256, 0);

PROGRAM(array_counters)
{
	PACKET(BYTES);
	__u32 counted = 0;

	for (__u32 i = 0; i < BYTES; i++) {
		__u32 key = data[i];
		__u64 *count = bpf_map_lookup_elem(&counters, &key);
		if (count) {
			*count += 1;
			counted++;
		}
	}
	return counted;
}
