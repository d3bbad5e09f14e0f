/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* One source, three compilations:
 *
 * - for a BPF kernel: an XDP program with maps and helpers;
 * - for engines that bring no kernel (SKEP_FLAT): the same instructions over a context of two 64-bit pointers;
 * - natively, as a shared object: the same over that context; maps and helpers are function pointers that the harness
 *   fills in.
 *
 * It declares what these programs need and nothing more, so that clang alone compiles them. */
#ifndef SKEP_BENCH_H
#define SKEP_BENCH_H

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;

#define __noinline __attribute__((noinline))
#define __always_inline inline __attribute__((always_inline))

/* ---- The context ---- */
#if defined(__bpf__) && !defined(SKEP_FLAT)
struct xdp_md {
	__u32 data;
	__u32 data_end;
	__u32 data_meta;
	__u32 ingress_ifindex;
	__u32 rx_queue_index;
	__u32 egress_ifindex;
};
typedef struct xdp_md context;
#else
typedef struct {
	__u64 data;
	__u64 data_end;
} context;
#endif

/* What a program returns for a packet that is too short. */
#define TOO_SHORT (-1)

/* Declares `data` as the first byte of a packet of at least `size` bytes. */
#define PACKET(size)                                                           \
	__u8 *data = (__u8 *)(long)ctx->data;                                  \
	if (data + (size) > (__u8 *)(long)ctx->data_end)                       \
		return TOO_SHORT

/* ---- Programs, maps, helpers ---- */
enum {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_LPM_TRIE = 11,
};
enum { BPF_ANY = 0, BPF_F_NO_PREALLOC = 1 };

#ifdef __bpf__

#define SEC(name) __attribute__((section(name), used))
#define PROGRAM(name) SEC("xdp") int name(context *ctx)

#define MAP(name, map_type, key_type, value_type, entries, flags)              \
	struct {                                                               \
		int (*type)[map_type];                                         \
		int (*max_entries)[entries];                                   \
		int (*map_flags)[flags];                                       \
		key_type *key;                                                 \
		value_type *value;                                             \
	} name SEC(".maps")

static void *(*const bpf_map_lookup_elem)(const void *map, const void *key) = (void *)1;
static long (*const bpf_map_update_elem)(const void *map, const void *key, const void *value, __u64 flags) = (void *)2;
static __u32 (*const bpf_get_smp_processor_id)(void) = (void *)8;

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#else

#define PROGRAM(name)                                                          \
	int name(context *ctx);                                                \
	__attribute__((visibility("default"))) int name(context *ctx)

/* The harness stores the map's handle here. */
#define MAP(name, map_type, key_type, value_type, entries, flags)              \
	__attribute__((visibility("default"))) void *name

struct skep_calls {
	void *(*lookup)(const void *map, const void *key);
	long (*update)(const void *map, const void *key, const void *value, __u64 flags);
	__u32 (*processor_id)(void);
};
__attribute__((visibility("default"))) struct skep_calls skep_calls;

/* Programs write `&name`, which is where the handle lies. */
#define bpf_map_lookup_elem(map, key) skep_calls.lookup(*(map), key)
#define bpf_map_update_elem(map, key, value, flags) skep_calls.update(*(map), key, value, flags)
#define bpf_get_smp_processor_id() skep_calls.processor_id()

#endif

/* ---- Packets ---- */
/* Programs that take a few nanoseconds per packet get a burst of so many, one every SLOT bytes. */
#define BURST 8
#define SLOT 128

#define ETH_LENGTH 14
#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_VLAN 0x8100
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17

/* A constant in network byte order. */
#define BE16(value) ((__u16)(((value) & 0xff) << 8 | ((value) >> 8 & 0xff)))
#define BE32(value) __builtin_bswap32(value)

struct ethernet {
	__u8 destination[6];
	__u8 source[6];
	__u16 type;
};

struct ipv4 {
	__u8 version_and_words;
	__u8 tos;
	__u16 length;
	__u16 id;
	__u16 fragment;
	__u8 ttl;
	__u8 protocol;
	__u16 checksum;
	__u32 source;
	__u32 destination;
};

struct tcp {
	__u16 source;
	__u16 destination;
	__u32 sequence;
	__u32 acknowledgement;
	__u8 words; /* upper half: length in 32-bit words */
	__u8 flags;
	__u16 window;
	__u16 checksum;
	__u16 urgent;
};

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

enum { XDP_DROP = 1, XDP_PASS = 2, XDP_TX = 3 };

#endif
