// libbpf: 1.1
// Global variables in data sections, read-only and zero ones, and sections of their own.
#include "test_helpers.h"

const volatile int limit = 5;
const volatile char name[8] = "skep";
int start = 7;
__u64 total;
static int seen;
static volatile int hidden_start = 3;
struct pair { int a; int b; } pair SEC(".data.pairs") = { 1, 2 };
const volatile int option SEC(".rodata.options") = 9;

SEC("socket") int count(void *ctx)
{
	if (seen++ > limit)
		total += start + pair.a + option + name[1] + hidden_start;
	return 0;
}

char _license[] SEC("license") = "Dual MIT/GPL";
__u32 _version SEC("version") = 0x60c00;

/* expect:
license "Dual MIT/GPL"
version 0x60c00
map .rodata Array key 4 value 12 entries 1 flags 0x480 frozen
map .data Array key 4 value 8 entries 1 flags 0x400
map .data.pairs Array key 4 value 8 entries 1 flags 0x400
map .rodata.options Array key 4 value 4 entries 1 flags 0x480 frozen
map .bss Array key 4 value 16 entries 1 flags 0x400
global limit .rodata+0 size 4 = 05000000
global name .rodata+4 size 8 = 736b657000000000
global start .data+0 size 4 = 07000000
global hidden_start .data+4 size 4 static = 03000000
global pair .data.pairs+0 size 8 = 0100000002000000
global option .rodata.options+0 size 4 = 09000000
global seen .bss+0 size 4 static = 00000000
global total .bss+8 size 8 = 0000000000000000
program count in socket
  type SocketFilter
  functions count Global
  refers to .bss+0, .bss+8, .data+0, .data+4, .data.pairs+0, .rodata+0, .rodata+4, .rodata.options+0
*/
