// libbpf: 1.1
// Functions that programs share: static, global, weak and hidden ones, callbacks.
#include "test_helpers.h"

struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u64);
} values SEC(".maps");

static __noinline int leaf(int x)
{
	barrier_value(x);
	return x * 3;
}

static __noinline int middle(int x)
{
	barrier_value(x);
	return leaf(x) + leaf(x + 1);
}

__noinline int shared(int x)
{
	barrier_value(x);
	return middle(x) + 1;
}

__weak __noinline int replaceable(int x)
{
	barrier_value(x);
	return x + 2;
}

__hidden __noinline int internal(int x)
{
	barrier_value(x);
	return x + 3;
}

static long add(__u32 index, void *ctx)
{
	*(__u64 *)ctx += leaf(index);
	return 0;
}

static long each(void *map, __u32 *key, __u64 *value, void *ctx)
{
	*(__u64 *)ctx += *value;
	return 0;
}

SEC("socket") int direct(void *ctx)
{
	return shared(1) + replaceable(2) + internal(3);
}

SEC("socket") int fewer(void *ctx)
{
	return leaf(2);
}

SEC("xdp") int callbacks(void *ctx)
{
	__u64 sum = 0;
	loop(4, add, &sum, 0);
	for_each_map_elem(&values, each, &sum, 0);
	return sum & 1;
}

SEC("tc") int plain(void *ctx)
{
	return 0;
}

char _license[] SEC("license") = "GPL";

/* expect:
license "GPL"
map values Array key 4 value 8 entries 8
program direct in socket
  type SocketFilter
  functions direct Global, shared Global, middle Static, leaf Static, replaceable Weak, internal Static
program fewer in socket
  type SocketFilter
  functions fewer Global, leaf Static
program callbacks in xdp
  type Xdp attach xdp
  functions callbacks Global, add Static, leaf Static, each Static
  refers to values
program plain in tc
  type SchedCls
  functions plain Global
*/
