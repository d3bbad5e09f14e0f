// SPDX-License-Identifier: MIT OR Apache-2.0
// The exclusive or of 64 bytes, byte by byte.
#include "bench.h"

#define BYTES 64

PROGRAM(xor_64)
{
	PACKET(BYTES);
	__u8 sum = 0;

	for (__u32 i = 0; i < BYTES; i++)
		sum ^= data[i];
	return sum;
}
