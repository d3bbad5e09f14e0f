// SPDX-License-Identifier: MIT OR Apache-2.0
// Where "needle" first stands in 512 bytes.
#include "bench.h"

#define BYTES 512
#define LENGTH 6

PROGRAM(string_scan)
{
	PACKET(BYTES);
	for (__u32 i = 0; i <= BYTES - LENGTH; i++) {
		__u8 *at = data + i;
		if (at[0] == 'n' && at[1] == 'e' && at[2] == 'e' && at[3] == 'd' && at[4] == 'l' && at[5] == 'e')
			return i;
	}
	return BYTES;
}
