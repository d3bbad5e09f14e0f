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
license "GPL"
map .data Array key 4 value 16 entries 1 flags 0x400
global target .data+0 size 4 = 01000000
global pointer .data+8 size 8 = 0000000000000000
warning section .data, offset 0x8: the pointer to 'target' is not an address when the program runs; BPF data cannot hold addresses; use an index or a switch
program follow in socket
  type SocketFilter
  functions follow Global
  refers to .data+8
*/
