// Maps in a section "maps": five numbers, and the seven that aya and iproute2 write.
#include "test_helpers.h"

struct short_definition { __u32 type, key_size, value_size, max_entries, flags; };
struct long_definition { __u32 type, key_size, value_size, max_entries, flags, id, pinning; };

struct short_definition plain SEC("maps") = { MAP_HASH, 4, 8, 16, 1 };
struct long_definition pinned SEC("maps") = { MAP_ARRAY, 4, 4, 2, 0, 7, 1 };

SEC("socket") int use(void *ctx)
{
	__u32 key = 0;
	__u64 *a = map_lookup_elem(&plain, &key);
	__u32 *b = map_lookup_elem(&pinned, &key);
	return (a ? *a : 0) + (b ? *b : 0);
}

char _license[] SEC("license") = "GPL";

/* expect:
license "GPL"
map plain Hash key 4 value 8 entries 16 flags 0x1
map pinned Array key 4 value 4 entries 2 pinned
program use in socket
  type SocketFilter
  functions use Global
  refers to pinned, plain
*/
