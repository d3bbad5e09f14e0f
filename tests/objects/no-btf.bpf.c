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
license "GPL"
map .data Array key 4 value 4 entries 1
map .bss Array key 4 value 4 entries 1
map counts Array key 4 value 8 entries 1
global base .data+0 size 4 untyped = 04000000
global local_total .bss+0 size 4 untyped static = 00000000
program count in socket
  type SocketFilter
  functions count Global, twice Static
  refers to .bss+0, .data+0, counts
*/
