#include "test_helpers.h"

extern int nowhere(int);
SEC("socket") int use(void *ctx)
{
	return nowhere(1);
}

/* expect:
error section socket, offset 0x8: nothing defines symbol 'nowhere'; declare it with __ksym or __kconfig (and compile with -g), or link the object that defines it
*/
