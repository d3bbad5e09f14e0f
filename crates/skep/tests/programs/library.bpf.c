// What the tests of the library load. Everything can be run by PROG_TEST_RUN.
#include "test_helpers.h"

HELPER(2, long, map_update_elem, void *map, const void *key, const void *value, __u64 flags);
HELPER(25, long, perf_event_output, void *ctx, void *map, __u64 flags, void *data, __u64 size);
HELPER(131, void *, ringbuf_reserve, void *map, __u64 size, __u64 flags);
HELPER(132, void, ringbuf_submit, void *record, __u64 flags);
HELPER(133, void, ringbuf_discard, void *record, __u64 flags);

enum { MAP_PERCPU_HASH = 5, CURRENT_CPU = 0xffffffff };

struct packet {
	__u32 len;
};

struct record {
	__u64 sequence;
	__u32 square;
	__u32 tail;
};

const volatile __u32 step = 1;
const volatile char word[8] = "skep";
__u64 runs = 100;
__u64 sum;
static __u64 hidden_runs;

struct {
	__uint(type, MAP_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} by_length SEC(".maps");

struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} per_cpu SEC(".maps");

struct {
	__uint(type, MAP_PERCPU_HASH);
	__uint(max_entries, 8);
	__type(key, __u16);
	__type(value, struct record);
} per_cpu_hash SEC(".maps");

SEC("socket") int count(struct packet *packet)
{
	__u32 len = packet->len, zero = 0;
	__u64 one = 1;
	__u64 *found = map_lookup_elem(&by_length, &len);

	if (found)
		*found += step;
	else
		map_update_elem(&by_length, &len, &one, 0);
	__u32 *mine = map_lookup_elem(&per_cpu, &zero);
	if (mine)
		*mine += 1;
	runs += step;
	hidden_runs++;
	sum += len;
	return word[0];
}

struct {
	__uint(type, MAP_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

__u64 sequence;
__u64 dropped;

/* Every third record is discarded. */
SEC("socket") int to_ring(void *ctx)
{
	__u64 number = sequence++;
	struct record *record = ringbuf_reserve(&ring, sizeof(*record), 0);

	if (!record) {
		dropped++;
		return 0;
	}
	record->sequence = number;
	record->square = number * number;
	record->tail = 0x7a11;
	if (number % 3 == 2)
		ringbuf_discard(record, 0);
	else
		ringbuf_submit(record, 0);
	return 1;
}

struct {
	__uint(type, MAP_PERF_EVENT_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 4);
} events SEC(".maps");

__u64 event_number;
__u64 events_lost;

SEC("tc") int to_events(void *ctx)
{
	struct record record = { .sequence = event_number++, .tail = 0x7a11 };

	record.square = record.sequence * record.sequence;
	if (perf_event_output(ctx, &events, CURRENT_CPU, &record, sizeof(record)))
		events_lost++;
	return 0;
}

struct inner {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} inner_a SEC(".maps"), inner_b SEC(".maps");

struct {
	__uint(type, MAP_ARRAY_OF_MAPS);
	__uint(max_entries, 3);
	__type(key, __u32);
	__array(values, struct inner);
} outer SEC(".maps") = {
	.values = { [0] = &inner_a, [2] = &inner_b },
};

__u32 which;

/* The first value of the inner map that is asked for, or 77. */
SEC("socket") int from_inner(void *ctx)
{
	__u32 key = which, zero = 0;
	void *inner = map_lookup_elem(&outer, &key);
	__u64 *value = inner ? map_lookup_elem(inner, &zero) : NULL;

	return value ? *value : 77;
}

int callee(struct packet *packet);

struct {
	__uint(type, MAP_PROG_ARRAY);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__array(values, int(void *));
} jumps SEC(".maps") = {
	.values = { [3] = (void *)&callee },
};

SEC("socket") int callee(struct packet *packet)
{
	return packet->len + 1;
}

SEC("socket") int caller(void *ctx)
{
	tail_call(ctx, &jumps, which);
	return 5;
}

extern int LINUX_KERNEL_VERSION __kconfig;
extern unsigned long CONFIG_HZ __kconfig __weak;
extern __u16 CONFIG_NOT_THERE __kconfig __weak;
extern const int no_such_symbol __ksym __weak;
__u64 version, hertz, not_there = 9, symbol = 9;

SEC("socket") int kernel_facts(void *ctx)
{
	version = LINUX_KERNEL_VERSION;
	hertz = CONFIG_HZ;
	not_there = CONFIG_NOT_THERE;
	symbol = &no_such_symbol ? 1 : 0;
	return 0;
}

/* Swaps the two MAC addresses and makes the packet longer at the front. */
HELPER(44, long, xdp_adjust_head, void *ctx, int delta);
struct xdp {
	__u32 data, data_end;
};
SEC("xdp") int grow(struct xdp *ctx)
{
	if (xdp_adjust_head(ctx, -4))
		return 0;
	__u32 *data = (void *)(long)ctx->data;
	if ((void *)(data + 1) > (void *)(long)ctx->data_end)
		return 0;
	*data = 0xddccbbaa;
	return 2;
}

/* Not loaded unless asked for: the verifier refuses it. */
SEC("?socket") int refused(struct packet *packet)
{
	__u64 *found = map_lookup_elem(&by_length, &(__u32){ 1 });

	return *found;
}

char _license[] SEC("license") = "GPL";
