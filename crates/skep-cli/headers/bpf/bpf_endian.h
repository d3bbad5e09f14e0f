/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Byte order: constants are swapped by the compiler, values by one instruction. */
#ifndef SKEP_BPF_ENDIAN_H
#define SKEP_BPF_ENDIAN_H

#define SKEP_SWAP16(x) ((__u16)((((__u16)(x) & 0x00ffU) << 8) | (((__u16)(x) & 0xff00U) >> 8)))
#define SKEP_SWAP32(x)                                                         \
	((__u32)((((__u32)(x) & 0x000000ffU) << 24) | (((__u32)(x) & 0x0000ff00U) << 8) | \
		 (((__u32)(x) & 0x00ff0000U) >> 8) | (((__u32)(x) & 0xff000000U) >> 24)))
#define SKEP_SWAP64(x)                                                         \
	((__u64)(((__u64)SKEP_SWAP32((__u64)(x) & 0xffffffffULL) << 32) | SKEP_SWAP32((__u64)(x) >> 32)))

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define SKEP_BE16(x) (__builtin_constant_p(x) ? SKEP_SWAP16(x) : __builtin_bswap16(x))
#define SKEP_BE32(x) (__builtin_constant_p(x) ? SKEP_SWAP32(x) : __builtin_bswap32(x))
#define SKEP_BE64(x) (__builtin_constant_p(x) ? SKEP_SWAP64(x) : __builtin_bswap64(x))
#define SKEP_CONSTANT_BE16(x) SKEP_SWAP16(x)
#define SKEP_CONSTANT_BE32(x) SKEP_SWAP32(x)
#define SKEP_CONSTANT_BE64(x) SKEP_SWAP64(x)
#elif __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define SKEP_BE16(x) ((__u16)(x))
#define SKEP_BE32(x) ((__u32)(x))
#define SKEP_BE64(x) ((__u64)(x))
#define SKEP_CONSTANT_BE16(x) ((__u16)(x))
#define SKEP_CONSTANT_BE32(x) ((__u32)(x))
#define SKEP_CONSTANT_BE64(x) ((__u64)(x))
#else
#error "unknown byte order"
#endif

#define bpf_htons(x) SKEP_BE16(x)
#define bpf_ntohs(x) SKEP_BE16(x)
#define bpf_htonl(x) SKEP_BE32(x)
#define bpf_ntohl(x) SKEP_BE32(x)
#define bpf_cpu_to_be64(x) SKEP_BE64(x)
#define bpf_be64_to_cpu(x) SKEP_BE64(x)

#define __bpf_htons(x) SKEP_BE16(x)
#define __bpf_ntohs(x) SKEP_BE16(x)
#define __bpf_htonl(x) SKEP_BE32(x)
#define __bpf_ntohl(x) SKEP_BE32(x)
#define __bpf_cpu_to_be64(x) SKEP_BE64(x)
#define __bpf_be64_to_cpu(x) SKEP_BE64(x)
#define __bpf_constant_htons(x) SKEP_CONSTANT_BE16(x)
#define __bpf_constant_ntohs(x) SKEP_CONSTANT_BE16(x)
#define __bpf_constant_htonl(x) SKEP_CONSTANT_BE32(x)
#define __bpf_constant_ntohl(x) SKEP_CONSTANT_BE32(x)
#define __bpf_constant_cpu_to_be64(x) SKEP_CONSTANT_BE64(x)
#define __bpf_constant_be64_to_cpu(x) SKEP_CONSTANT_BE64(x)

#endif /* SKEP_BPF_ENDIAN_H */
