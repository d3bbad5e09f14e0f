// Global variables in data sections, read-only and zero ones, and sections of their own.
#include "test_helpers.h"

const volatile int limit = 5;
const volatile char name[8] = "skep";
int start = 7;
__u64 total;
static int seen;
static volatile int hidden_start = 3;
struct pair { int a; int b; } pair SEC(".data.pairs") = { 1, 2 };
int spare SEC(".bss.spare");
const volatile int option SEC(".rodata.options") = 9;

SEC("socket") int count(void *ctx)
{
	if (seen++ > limit)
		total += start + pair.a + option + name[1] + hidden_start;
	spare = total;
	return 0;
}

char _license[] SEC("license") = "Dual MIT/GPL";
__u32 _version SEC("version") = 0x60c00;

/* expect:
*/
