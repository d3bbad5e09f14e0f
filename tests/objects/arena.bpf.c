// libbpf: 1.5
// Variables that live in an arena.
#include "test_helpers.h"

#define __arena __attribute__((address_space(1)))

struct {
	__uint(type, MAP_ARENA);
	__uint(map_flags, 1 << 10);
	__uint(max_entries, 100);
	__ulong(map_extra, 0x1ull << 44);
} arena SEC(".maps");

int __arena counter = 5;
int __arena zero;

SEC("syscall") int count(void *ctx)
{
	/* A program uses its arena by naming it. */
	asm volatile("r1 = %[arena] ll" : : [arena] "i"(&arena) : "r1");
	counter += 1;
	zero = counter;
	return 0;
}

char _license[] SEC("license") = "GPL";

/* expect:
license "GPL"
map arena Arena key 0 value 0 entries 100 flags 0x400 extra 0x100000000000
global counter arena+0 size 4 = 05000000
global zero arena+4 size 4 = 00000000
program count in syscall
  type Syscall sleepable
  functions count Global
  refers to arena, arena+0, arena+4
*/
