// Addresses in data cannot be relocated: a warning says where.
#include "test_helpers.h"

int target = 1;
int *volatile pointer = &target;

SEC("socket") int follow(void *ctx)
{
	return pointer ? 1 : 0;
}

char _license[] SEC("license") = "GPL";

/* expect:
*/
