// A program with a function that others replace.
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

__attribute__((noinline)) int decide(struct xdp_md *ctx, int verdict)
{
	asm volatile("" : "+r"(verdict));
	return verdict;
}

SEC("xdp")
int filter(struct xdp_md *ctx)
{
	return decide(ctx, XDP_PASS) & 3;
}
