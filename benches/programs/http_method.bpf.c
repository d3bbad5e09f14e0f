// SPDX-License-Identifier: MIT OR Apache-2.0
// Which HTTP method TCP segments begin with: 1 to 9, or 0; a burst of packets, four bits each.
#include "bench.h"

// Four characters as they lie in memory.
#define FOUR(a, b, c, d) ((__u32)(a) | (__u32)(b) << 8 | (__u32)(c) << 16 | (__u32)(d) << 24)

static __always_inline __u32 method(__u8 *frame, __u8 *end)
{
	struct ethernet *ethernet = (void *)frame;
	struct ipv4 *ip = (void *)(ethernet + 1);
	if ((__u8 *)(ip + 1) > end)
		return 0;
	if (ethernet->type != BE16(ETHERTYPE_IPV4) || ip->protocol != PROTOCOL_TCP)
		return 0;
	struct tcp *tcp = (void *)((__u8 *)ip + (ip->version_and_words & 15) * 4);
	if ((__u8 *)(tcp + 1) > end)
		return 0;
	__u8 *text = (__u8 *)tcp + (tcp->words >> 4) * 4;
	if (text + 8 > end)
		return 0;

	__u32 first = *(__u32 *)text;
	__u32 second = *(__u32 *)(text + 4);
	switch (first) {
	case FOUR('G', 'E', 'T', ' '):
		return 1;
	case FOUR('P', 'O', 'S', 'T'):
		return (__u8)second == ' ' ? 2 : 0;
	case FOUR('P', 'U', 'T', ' '):
		return 3;
	case FOUR('H', 'E', 'A', 'D'):
		return (__u8)second == ' ' ? 4 : 0;
	case FOUR('D', 'E', 'L', 'E'):
		return (second & 0xffffff) == FOUR('T', 'E', ' ', 0) ? 5 : 0;
	case FOUR('O', 'P', 'T', 'I'):
		return second == FOUR('O', 'N', 'S', ' ') ? 6 : 0;
	case FOUR('P', 'A', 'T', 'C'):
		return (second & 0xffff) == FOUR('H', ' ', 0, 0) ? 7 : 0;
	case FOUR('T', 'R', 'A', 'C'):
		return (second & 0xffff) == FOUR('E', ' ', 0, 0) ? 8 : 0;
	case FOUR('C', 'O', 'N', 'N'):
		return second == FOUR('E', 'C', 'T', ' ') ? 9 : 0;
	}
	return 0;
}

PROGRAM(http_method)
{
	__u8 *data = (__u8 *)(long)ctx->data;
	__u8 *end = (__u8 *)(long)ctx->data_end;
	__u32 methods = 0;

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < BURST; i++)
		methods = methods << 4 | method(data + i * SLOT, end);
	return methods;
}
