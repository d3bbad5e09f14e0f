// SPDX-License-Identifier: MIT OR Apache-2.0
// Calls a helper that does next to nothing 64 times.
#include "bench.h"

#define ROUNDS 64
#define MOST_CPUS 8192

PROGRAM(helper_calls)
{
	__u32 plausible = 0;

	for (__u32 i = 0; i < ROUNDS; i++)
		plausible += bpf_get_smp_processor_id() < MOST_CPUS;
	return plausible;
}
