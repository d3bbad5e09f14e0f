// A static function beside its programs is a subprogram, not a program; a program may call another one.
#include "test_helpers.h"

SEC("socket") static __noinline int beside(int x)
{
	barrier_value(x);
	return x ^ 5;
}

SEC("socket") int caller(void *ctx)
{
	return beside(4);
}

SEC("socket") __noinline int other(void *ctx)
{
	barrier_value(ctx);
	return ctx ? 2 : 1;
}

SEC("socket") int calls_a_program(void *ctx)
{
	return other(ctx);
}

char _license[] SEC("license") = "GPL";

/* expect:
license "GPL"
program caller in socket
  type SocketFilter
  functions caller Global, beside Static
program other in socket
  type SocketFilter
  functions other Global
program calls_a_program in socket
  type SocketFilter
  functions calls_a_program Global, other Global
*/
