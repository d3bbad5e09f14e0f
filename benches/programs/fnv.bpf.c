// SPDX-License-Identifier: MIT OR Apache-2.0
// FNV-1a, 64 bits, over 256 bytes; folded into 32 bits.
#include "bench.h"

#define BYTES 256

PROGRAM(fnv)
{
	PACKET(BYTES);
	__u64 hash = 0xcbf29ce484222325ULL;

	for (__u32 i = 0; i < BYTES; i++) {
		hash ^= data[i];
		hash *= 0x100000001b3ULL;
	}
	return (__u32)hash ^ (__u32)(hash >> 32);
}
