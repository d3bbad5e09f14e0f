#include "test_helpers.h"

extern int nowhere(int);
SEC("socket") int use(void *ctx)
{
	return nowhere(1);
}

/* expect:
*/
