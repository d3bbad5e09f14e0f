// SPDX-License-Identifier: MIT OR Apache-2.0
// About 7000 instructions in a row, each result needed by the next.
#include "bench.h"

// About eleven instructions.
#define STEP(n, k)                                                             \
	a += b ^ c;                                                            \
	b = b * (2 * (k) + 3) + (a >> ((n) % 7 + 1));                          \
	c ^= a + (k);                                                          \
	a -= c << ((n) % 5 + 1);

#define STEPS_4(n, k) STEP(n, k) STEP(n + 1, k + 11) STEP(n + 2, k + 23) STEP(n + 3, k + 31)
#define STEPS_16(n, k) STEPS_4(n, k) STEPS_4(n + 4, k + 41) STEPS_4(n + 8, k + 83) STEPS_4(n + 12, k + 101)
#define STEPS_64(n, k) STEPS_16(n, k) STEPS_16(n + 16, k + 7) STEPS_16(n + 32, k + 17) STEPS_16(n + 48, k + 29)

PROGRAM(straight_line)
{
	PACKET(24);
	__u64 a = *(__u64 *)data, b = *(__u64 *)(data + 8), c = *(__u64 *)(data + 16);

	STEPS_64(0, 1)
	STEPS_64(1, 5)
	STEPS_64(2, 9)
	STEPS_64(3, 13)
	STEPS_64(4, 19)
	STEPS_64(5, 37)
	STEPS_64(6, 43)
	STEPS_64(7, 53)
	STEPS_16(8, 61)
	STEPS_16(9, 71)
	return (__u32)(a ^ b ^ c) ^ (__u32)((a ^ b ^ c) >> 32);
}
