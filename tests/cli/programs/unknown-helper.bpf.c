#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static long (*bpf_not_yet_invented)(void) = (void *)9999;

SEC("xdp") int unknown_helper(struct xdp_md *ctx)
{
	return bpf_not_yet_invented();
}

char LICENSE[] SEC("license") = "GPL";
