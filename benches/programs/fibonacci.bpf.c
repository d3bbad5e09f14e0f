// SPDX-License-Identifier: MIT OR Apache-2.0
// The n-th Fibonacci number, modulo 2^64; the halves of the answer are folded into 32 bits.
#include "bench.h"

#define MOST 1024

PROGRAM(fibonacci)
{
	PACKET(2);
	__u32 n = *(__u16 *)data;
	__u64 a = 0, b = 1;

	for (__u32 i = 0; i < MOST; i++) {
		if (i >= n)
			break;
		__u64 next = a + b;
		a = b;
		b = next;
	}
	return (__u32)a ^ (__u32)(a >> 32);
}
