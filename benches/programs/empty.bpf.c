// SPDX-License-Identifier: MIT OR Apache-2.0
// What entering and leaving costs.
#include "bench.h"

PROGRAM(empty)
{
	return XDP_PASS;
}
