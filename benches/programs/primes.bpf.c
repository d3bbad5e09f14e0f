// SPDX-License-Identifier: MIT OR Apache-2.0
// Counts the primes below a limit by trial division.
#include "bench.h"

#define MOST 256

PROGRAM(primes)
{
	PACKET(2);
	__u32 limit = *(__u16 *)data;
	__u32 count = 0;

	for (__u32 n = 2; n < MOST; n++) {
		if (n >= limit)
			break;
		__u32 prime = 1;
		for (__u32 d = 2; d * d <= n; d++) {
			if (n % d == 0) {
				prime = 0;
				break;
			}
		}
		count += prime;
	}
	return count;
}
