// SPDX-License-Identifier: MIT OR Apache-2.0
// The exclusive or of 1514 bytes, byte by byte.
#include "bench.h"

#define BYTES 1514

PROGRAM(xor_1514)
{
	PACKET(BYTES);
	__u8 sum = 0;

	for (__u32 i = 0; i < BYTES; i++)
		sum ^= data[i];
	return sum;
}
