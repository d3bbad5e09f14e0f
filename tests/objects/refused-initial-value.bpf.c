#include "test_helpers.h"

int not_a_program(void *ctx);
struct {
	__uint(type, MAP_PROG_ARRAY);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__array(values, int(void *));
} jumps SEC(".maps") = {
	.values = { [1] = (void *)&not_a_program },
};
__noinline int not_a_program(void *ctx)
{
	return 1;
}
SEC("socket") int use(void *ctx)
{
	return not_a_program(ctx);
}

/* expect:
error section .maps, offset 0x20: 'not_a_program' is not a program of this object
*/
