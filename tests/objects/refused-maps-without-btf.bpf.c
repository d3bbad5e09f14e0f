// flags: -g0
#include "test_helpers.h"

struct {
	__uint(type, MAP_HASH);
} odd SEC(".maps");
SEC("socket") int use(void *ctx)
{
	__u32 key = 0;
	return map_lookup_elem(&odd, &key) ? 1 : 0;
}

/* expect:
error section .maps: maps are defined by their BTF types, and there is no .BTF section; compile with -g
*/
