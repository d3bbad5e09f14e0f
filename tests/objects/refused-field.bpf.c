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
*/
