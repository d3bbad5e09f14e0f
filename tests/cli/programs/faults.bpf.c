// Refused programs that some input makes go wrong, and refused programs that never do.
#include <linux/types.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

struct table {
	__u32 at;
	__u8 cells[8];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct table);
} tables SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} records SEC(".maps");

// The packet may be empty.
SEC("xdp") int no_bound(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;

	return data[20];
}

// Only IPv4 packets of 15 to 33 bytes do it.
SEC("xdp") int bound_of_the_wrong_header(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = data;
	struct iphdr *ip = data + sizeof(*ethernet);

	if (data + sizeof(*ethernet) > end)
		return XDP_PASS;
	if (ethernet->h_proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	return ip->protocol == 6 ? XDP_DROP : XDP_PASS;
}

// The length in the packet may be longer than the packet.
SEC("tc") int believes_a_length(struct __sk_buff *ctx)
{
	__u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	if (data + 16 > end)
		return TC_ACT_OK;
	return data[data[15]] ? TC_ACT_SHOT : TC_ACT_OK;
}

// The element may not be there.
SEC("xdp") int no_null_check(struct xdp_md *ctx)
{
	__u32 key = 0;
	__u64 *count = bpf_map_lookup_elem(&counts, &key);

	return *count & 1;
}

// The index stands in the map.
SEC("xdp") int index_out_of_bounds(struct xdp_md *ctx)
{
	__u32 key = 0;
	struct table *table = bpf_map_lookup_elem(&tables, &key);

	if (!table)
		return XDP_PASS;
	return table->cells[table->at];
}

// The record is kept if the packet says so.
SEC("xdp") int record_not_given_back(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u64 *record = bpf_ringbuf_reserve(&records, 8, 0);

	if (!record)
		return XDP_PASS;
	if (data + 4 <= end && *(__u32 *)data == 0x12345678)
		return XDP_DROP;
	bpf_ringbuf_discard(record, 0);
	return XDP_PASS;
}

SEC("xdp") int no_end(struct xdp_md *ctx)
{
	__u64 round = 1;

	while (round) {
		asm volatile("%0 &= 0xff; %0 |= 1" : "+r"(round));
	}
	return XDP_PASS;
}

SEC("xdp") __attribute__((naked)) int register_never_written(struct xdp_md *ctx)
{
	asm volatile("r0 = r7; exit" ::: "r0");
}

// A number is no address.
SEC("raw_tracepoint/sys_enter") int follows_a_number(__u64 *ctx)
{
	return *(int *)ctx[1];
}

// It never reads past the packet, which only people see: the square of a number is no 3 modulo 4.
SEC("xdp") int never_goes_wrong(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u64 number;

	if (data + 14 > end)
		return XDP_PASS;
	number = *(__u32 *)data;
	number *= number;
	asm volatile("" : "+r"(number));
	if ((number & 3) == 3)
		return end[0];
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
