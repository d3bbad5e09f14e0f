// libbpf: 1.1
// Maps defined by BTF types: every field, inner maps in both forms, initial values.
#include "test_helpers.h"

struct key { __u32 a; __u16 b; };

struct {
	__uint(type, MAP_HASH);
	__uint(max_entries, 1024);
	__type(key, struct key);
	__type(value, __u64);
	__uint(pinning, 1);
	__uint(map_flags, 1);
} counters SEC(".maps");

struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__uint(value_size, 32);
	__uint(numa_node, 0);
} by_sizes SEC(".maps");

struct {
	__uint(type, MAP_BLOOM_FILTER);
	__uint(max_entries, 100);
	__type(value, __u32);
	__uint(map_extra, 3);
} seen SEC(".maps");

struct {
	__uint(type, MAP_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

struct {
	__uint(type, MAP_PERF_EVENT_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 4);
} events SEC(".maps");

struct inner {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} inner1 SEC(".maps"), inner2 SEC(".maps");

struct {
	__uint(type, MAP_ARRAY_OF_MAPS);
	__uint(max_entries, 3);
	__type(key, __u32);
	__array(values, struct inner);
} outer SEC(".maps") = {
	.values = { [0] = &inner1, [2] = &inner2 },
};

struct {
	__uint(type, MAP_HASH_OF_MAPS);
	__uint(max_entries, 5);
	__uint(key_size, 4);
	__array(values, struct {
		__uint(type, MAP_HASH);
		__uint(max_entries, 7);
		__type(key, __u32);
		__type(value, __u32);
	});
} outer_anonymous SEC(".maps");

int first(void *ctx);
int second(void *ctx);

struct {
	__uint(type, MAP_PROG_ARRAY);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__array(values, int(void *));
} jumps SEC(".maps") = {
	.values = { [1] = (void *)&first, [3] = (void *)&second },
};

SEC("socket") int first(void *ctx)
{
	struct key key = {};
	__u64 *value = map_lookup_elem(&counters, &key);
	if (value)
		*value += 1;
	return 0;
}

SEC("socket") int second(void *ctx)
{
	__u32 key = 0;
	void *inner = map_lookup_elem(&outer, &key);
	if (!inner)
		return 0;
	__u64 *value = map_lookup_elem(inner, &key);
	tail_call(ctx, &jumps, 1);
	return value ? *value : 0;
}

char _license[] SEC("license") = "GPL";

/* expect:
license "GPL"
map inner1 Array key 4 value 8 entries 2
map inner2 Array key 4 value 8 entries 2
map outer ArrayOfMaps key 4 value 4 entries 3
  inner outer.inner Array key 4 value 8 entries 2
  [0] = map inner1
  [2] = map inner2
map jumps ProgArray key 4 value 4 entries 4
  [1] = program first
  [3] = program second
map counters Hash key 8 value 8 entries 1024 flags 0x1 pinned
map by_sizes Array key 4 value 32 entries 4 flags 0x4 numa 0
map seen BloomFilter key 0 value 4 entries 100 extra 0x3
map ring Ringbuf key 0 value 0 entries 4096
map events PerfEventArray key 4 value 4 entries 0
map outer_anonymous HashOfMaps key 4 value 4 entries 5
  inner outer_anonymous.inner Hash key 4 value 4 entries 7
program first in socket
  type SocketFilter
  functions first Global
  refers to counters
program second in socket
  type SocketFilter
  functions second Global
  refers to jumps, outer
*/
