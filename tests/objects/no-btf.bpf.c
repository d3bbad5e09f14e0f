// flags: -g0
// Without type information: legacy maps and data sections still work.
#include "test_helpers.h"

struct { __u32 type, key_size, value_size, max_entries, flags; } counts SEC("maps") = { MAP_ARRAY, 4, 8, 1, 0 };
int base = 4;
static int local_total;

static __noinline int twice(int x)
{
	barrier_value(x);
	return x + x;
}

SEC("socket") int count(void *ctx)
{
	__u32 key = 0;
	__u64 *value = map_lookup_elem(&counts, &key);
	if (value)
		local_total += *value;
	return twice(local_total) + base;
}

char _license[] SEC("license") = "GPL";

/* expect:
*/
