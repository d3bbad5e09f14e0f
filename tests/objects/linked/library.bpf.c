// Defines what the other object uses.
#include "../include/test_helpers.h"

extern unsigned long CONFIG_HZ __kconfig __weak;

struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

static volatile int state = 2;
int calls = 7;
static volatile int other_state = 3;

static __noinline int helper(int x)
{
	barrier_value(x);
	return x * state + other_state;
}

int replaceable(int x)
{
	barrier_value(x);
	return x + 2000;
}

__noinline int shared_sum(int x)
{
	barrier_value(x);
	return helper(x) + 1;
}

SEC("socket") int second_entry(void *ctx)
{
	return shared_sum(CONFIG_HZ) + calls;
}

char _license[] SEC("license") = "GPL";
