// SPDX-License-Identifier: MIT OR Apache-2.0
// A stateless firewall: IPv4 and TCP headers are parsed and held against fixed rules; a burst of packets.
#include "bench.h"

#define IPV4_MORE_OR_OFFSET BE16(0x3fff)

// Whether an address is in a prefix of so many bits.
static __always_inline int in_prefix(__u32 address, __u32 prefix, __u32 bits)
{
	__u32 mask = BE32(0xffffffffU << (32 - bits));
	return (address & mask) == BE32(prefix);
}

// Addresses that cannot be the source of a packet from outside.
static __always_inline int is_martian(__u32 source)
{
	return in_prefix(source, 0x7f000000, 8) || in_prefix(source, 0xa9fe0000, 16) || in_prefix(source, 0xe0000000, 4) ||
	       in_prefix(source, 0x00000000, 8) || in_prefix(source, 0xc0000200, 24) || in_prefix(source, 0xc6336400, 24) ||
	       in_prefix(source, 0xcb007100, 24);
}

static __always_inline __u32 verdict(__u8 *frame, __u8 *end)
{
	struct ethernet *ethernet = (void *)frame;
	if ((__u8 *)(ethernet + 1) > end)
		return XDP_DROP;
	__u16 type = ethernet->type;
	struct ipv4 *ip = (void *)(ethernet + 1);
	if (type == BE16(ETHERTYPE_VLAN)) {
		__u16 *tag = (void *)ip;
		ip = (void *)(tag + 2);
		if ((__u8 *)ip > end)
			return XDP_DROP;
		type = tag[1];
	}
	if (type != BE16(ETHERTYPE_IPV4))
		return XDP_PASS;
	if ((__u8 *)(ip + 1) > end)
		return XDP_DROP;
	__u32 words = ip->version_and_words & 15;
	if (ip->version_and_words >> 4 != 4 || words < 5)
		return XDP_DROP;
	if (ip->fragment & IPV4_MORE_OR_OFFSET)
		return XDP_DROP;
	if (is_martian(ip->source))
		return XDP_DROP;
	if (ip->protocol != PROTOCOL_TCP)
		return ip->protocol == PROTOCOL_UDP ? XDP_PASS : XDP_DROP;

	struct tcp *tcp = (void *)((__u8 *)ip + words * 4);
	if ((__u8 *)(tcp + 1) > end)
		return XDP_DROP;
	if (tcp->words >> 4 < 5)
		return XDP_DROP;
	__u8 flags = tcp->flags;
	if ((flags & (TCP_SYN | TCP_FIN)) == (TCP_SYN | TCP_FIN) || (flags & (TCP_SYN | TCP_RST)) == (TCP_SYN | TCP_RST))
		return XDP_DROP;
	// Replies pass; connections begin only at the open ports.
	if (flags & TCP_ACK && __builtin_bswap16(tcp->destination) >= 32768)
		return XDP_PASS;
	switch (tcp->destination) {
	case BE16(25):
	case BE16(80):
	case BE16(443):
	case BE16(853):
	case BE16(8080):
		return XDP_PASS;
	case BE16(22):
		return in_prefix(ip->source, 0x0a000000, 8) ? XDP_PASS : XDP_DROP;
	}
	return XDP_DROP;
}

PROGRAM(firewall)
{
	__u8 *data = (__u8 *)(long)ctx->data;
	__u8 *end = (__u8 *)(long)ctx->data_end;
	__u32 verdicts = 0;

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < BURST; i++)
		verdicts = verdicts << 2 | verdict(data + i * SLOT, end);
	return verdicts;
}
