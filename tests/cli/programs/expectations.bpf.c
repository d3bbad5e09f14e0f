// Programs that say what is to become of them; the last ones are mistaken.
#include <linux/types.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include <skep/expect.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

int tail(struct xdp_md *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__array(values, int());
} jumps SEC(".maps") = {.values = {[0] = (void *)&tail}};

EXPECT_ACCEPTED EXPECT_RETURN(64)
SEC("xdp") int length(struct xdp_md *ctx)
{
	return ctx->data_end - ctx->data;
}

EXPECT_DESCRIPTION("a lookup may find nothing")
EXPECT_REFUSED EXPECT_MESSAGE("R{{[0-9]}} invalid mem access 'map_value_or_null'")
SEC("xdp") int no_null_check(struct xdp_md *ctx)
{
	__u32 key = 0;
	__u64 *count = bpf_map_lookup_elem(&counts, &key);

	*count += 1;
	return XDP_PASS;
}

EXPECT_REFUSED EXPECT_MESSAGE("invalid access to packet") EXPECT_MESSAGE("offset is outside of the packet")
EXPECT_NO_MESSAGE("Unreleased reference")
SEC("xdp") int no_bound(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;

	return data[0];
}

EXPECT_AUXILIARY
SEC("xdp") int tail(struct xdp_md *ctx)
{
	return 42;
}

EXPECT_ACCEPTED EXPECT_RETURN(42)
SEC("xdp") int jumps_to_tail(struct xdp_md *ctx)
{
	bpf_tail_call(ctx, &jumps, 0);
	return XDP_ABORTED;
}

// No socket is there to be found: a kernel that cannot look for one says the same.
EXPECT_ACCEPTED EXPECT_RETURN(TC_ACT_OK)
SEC("tc") int finds_no_socket(struct __sk_buff *ctx)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *socket = bpf_sk_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	int state = TC_ACT_OK;

	if (socket) {
		state = socket->state;
		bpf_sk_release(socket);
	}
	return state;
}

EXPECT_ACCEPTED EXPECT_REFUSED_UNPRIVILEGED EXPECT_MESSAGE_UNPRIVILEGED("R0 leaks addr as return value")
SEC("socket") int tells_an_address(struct __sk_buff *ctx)
{
	return (long)ctx;
}

SEC("xdp") int without_tags(struct xdp_md *ctx)
{
	return XDP_PASS;
}

#ifdef MISTAKEN
EXPECT_REFUSED EXPECT_MESSAGE("invalid access to packet")
SEC("xdp") int is_fine(struct xdp_md *ctx)
{
	return XDP_PASS;
}

EXPECT_ACCEPTED
SEC("xdp") int is_not_fine(struct xdp_md *ctx)
{
	return *(__u8 *)(long)ctx->data;
}

EXPECT_REFUSED EXPECT_MESSAGE("invalid access to packet") EXPECT_MESSAGE("R1 is not allowed")
SEC("xdp") int says_something_else(struct xdp_md *ctx)
{
	return *(__u8 *)(long)ctx->data;
}

EXPECT_ACCEPTED EXPECT_RETURN(2)
SEC("xdp") int returns_something_else(struct xdp_md *ctx)
{
	return 1;
}
#endif

char LICENSE[] SEC("license") = "GPL";
