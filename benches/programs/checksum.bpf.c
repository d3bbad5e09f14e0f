// SPDX-License-Identifier: MIT OR Apache-2.0
// The internet checksum (RFC 1071) of 1480 bytes: eight bytes at a time, carries added back in.
#include "bench.h"

#define BYTES 1480

PROGRAM(checksum)
{
	PACKET(BYTES);
	__u64 sum = 0;

	for (__u32 i = 0; i < BYTES; i += 8) {
		__u64 word = *(__u64 *)(data + i);
		sum += word;
		sum += sum < word;
	}
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (__u16)~sum;
}
