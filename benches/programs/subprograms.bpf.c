// SPDX-License-Identifier: MIT OR Apache-2.0
// Calls: 64 times a function that calls another twice.
#include "bench.h"

#define ROUNDS 64

static __noinline __u64 mix(__u64 a, __u64 b)
{
	a ^= b + (a << 3);
	return a ^ (a >> 5);
}

static __noinline __u64 step(__u64 state, __u64 byte)
{
	__u64 left = mix(state, byte);
	__u64 right = mix(byte, state + 1);
	return left + right;
}

PROGRAM(subprograms)
{
	PACKET(ROUNDS);
	__u64 state = 1;

	for (__u32 i = 0; i < ROUNDS; i++)
		state = step(state, data[i]);
	return (__u32)state ^ (__u32)(state >> 32);
}
