// Programs attached to a function of another program.
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("freplace/decide")
int replaces(struct xdp_md *ctx, int verdict)
{
	return verdict + 1;
}

SEC("freplace/decide")
int takes_less(struct xdp_md *ctx)
{
	return XDP_DROP;
}

SEC("fentry/decide")
int watches(__u64 *arguments)
{
	asm volatile("" : : "r"(arguments[1]));
	return 0;
}
