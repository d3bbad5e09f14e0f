// A loop whose rounds the verifier must walk, and what may go wrong in it.
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#ifndef ROUNDS
#define ROUNDS 16
#endif

SEC("xdp") int sums_bytes(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 sum = 0;

	for (int i = 0; i < ROUNDS; i++) {
#ifdef NO_BOUND
		(void)end;
#else
		if (data + i + 1 > end)
			break;
#endif
		if (data[i] & 1)
			sum += data[i];
	}
	return sum ? XDP_PASS : XDP_DROP;
}

SEC("xdp") int passes(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
