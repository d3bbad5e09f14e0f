#include "test_helpers.h"

struct {
	__uint(type, MAP_HASH);
	__type(key, __u64);
	__uint(key_size, 4);
} odd SEC(".maps");
SEC("socket") int use(void *ctx)
{
	return 0;
}

/* expect:
error section .maps, offset 0x0: map 'odd': field 'key_size': 4 bytes contradict the 8 bytes that another field says (variable [11])
*/
