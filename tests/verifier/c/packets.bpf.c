// SPDX-License-Identifier: MIT OR Apache-2.0
// Packets: bytes exist once they were compared with the end, until something moves the packet.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "expect.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

extern int bpf_xdp_pull_data(struct xdp_md *x, __u32 len) __ksym;

#define DATA(ctx) ((void *)(long)(ctx)->data)
#define END(ctx) ((void *)(long)(ctx)->data_end)

SEC("xdp")
ACCEPTED RETURNS(2) int compared(struct xdp_md *ctx)
{
    struct ethhdr *ethernet = DATA(ctx);

    if ((void *)(ethernet + 1) > END(ctx))
        return XDP_DROP;
    return ethernet->h_proto == 0xffff ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
REFUSED("invalid access to packet, off=12 size=2, R1(id=0,off=12,r=0)")
int not_compared(struct xdp_md *ctx)
{
    struct ethhdr *ethernet = DATA(ctx);

    return ethernet->h_proto == 0xffff ? XDP_DROP : XDP_PASS;
}

// One byte too few is compared.
SEC("xdp")
REFUSED("R1 offset is outside of the packet")
int compared_too_early(struct xdp_md *ctx)
{
    struct ethhdr *ethernet = DATA(ctx);

    if (DATA(ctx) + sizeof(*ethernet) - 1 > END(ctx))
        return XDP_DROP;
    return ethernet->h_proto == 0xffff ? XDP_DROP : XDP_PASS;
}

__noinline int moves(struct xdp_md *ctx)
{
    return bpf_xdp_adjust_head(ctx, 8);
}

__noinline int pulls(struct xdp_md *ctx)
{
    return bpf_xdp_pull_data(ctx, 64);
}

__noinline int only_reads(struct xdp_md *ctx)
{
    return ctx->rx_queue_index;
}

static __always_inline int around(struct xdp_md *ctx, int (*call)(struct xdp_md *))
{
    struct ethhdr *ethernet = DATA(ctx);

    if ((void *)(ethernet + 1) > END(ctx))
        return XDP_DROP;
    call(ctx);
    return ethernet->h_proto == 0xffff ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
REFUSED("invalid mem access 'scalar'")
int used_after_a_function_that_moves(struct xdp_md *ctx)
{
    return around(ctx, moves);
}

SEC("xdp")
REFUSED("invalid mem access 'scalar'")
int used_after_a_function_that_pulls(struct xdp_md *ctx)
{
    return around(ctx, pulls);
}

SEC("xdp")
ACCEPTED int used_after_a_function_that_reads(struct xdp_md *ctx)
{
    return around(ctx, only_reads);
}
