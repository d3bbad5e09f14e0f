// What is wrong lies outside of the program, or nearly.
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 0);
	__type(key, __u32);
	__type(value, __u64);
} empty SEC(".maps");

SEC("xdp") int uses_empty_map(struct xdp_md *ctx)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&empty, &key) ? XDP_DROP : XDP_PASS;
}

static long (*bpf_not_yet_invented)(void) = (void *)9999;

SEC("xdp") int unknown_helper(struct xdp_md *ctx)
{
	return bpf_not_yet_invented();
}

SEC("no_such_hook") int unknown_section(void *ctx)
{
	return 0;
}

SEC("fentry/no_such_function") int unknown_target(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
