// Uses what the other object defines, and has static things of the same names.
#include "../include/test_helpers.h"

extern int shared_sum(int x);
extern int calls;
extern unsigned long CONFIG_HZ __kconfig __weak;
extern struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} counts __attribute__((section(".maps")));

struct {
	__uint(type, MAP_HASH);
	__uint(max_entries, 3);
	__type(key, __u32);
	__type(value, __u64);
} own SEC(".maps");

static volatile int state = 1;
int first_data = 5;

static __noinline int helper(int x)
{
	barrier_value(x);
	return x + state;
}

__weak __noinline int replaceable(int x)
{
	barrier_value(x);
	return x + 1000;
}

SEC("socket") int entry(void *ctx)
{
	__u32 key = 0;
	__u64 *a = map_lookup_elem(&counts, &key);
	__u64 *b = map_lookup_elem(&own, &key);
	calls++;
	return shared_sum(helper(3)) + replaceable(2) + first_data + (a ? *a : 0) + (b ? *b : 0) + CONFIG_HZ;
}

char _license[] SEC("license") = "GPL";
