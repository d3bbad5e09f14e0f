#include "test_helpers.h"

struct {
	__uint(type, MAP_HASH);
	__uint(colour, 3);
} odd SEC(".maps");
SEC("socket") int use(void *ctx)
{
	return 0;
}

/* expect:
error section .maps, offset 0x0: map 'odd': field 'colour': there is no such field (variable [8]); known fields are type, key, key_size, value, value_size, max_entries, map_flags, numa_node, pinning, values and map_extra
*/
