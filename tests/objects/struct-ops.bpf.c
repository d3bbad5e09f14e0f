// libbpf: 1.3
// An implementation of a kernel interface: programs as members of a struct.
#include "test_helpers.h"

struct sock;
struct tcp_congestion_ops {
	void (*init)(struct sock *sk);
	__u32 (*ssthresh)(struct sock *sk);
	__u32 flags;
	char name[16];
};

SEC("struct_ops/init") int start(__u64 *ctx)
{
	return 0;
}

SEC("struct_ops/ssthresh") int threshold(__u64 *ctx)
{
	return 2;
}

SEC(".struct_ops") struct tcp_congestion_ops plain = {
	.init = (void *)start,
	.ssthresh = (void *)threshold,
	.name = "skep_test",
};

SEC(".struct_ops.link") struct tcp_congestion_ops linked = {
	.ssthresh = (void *)threshold,
	.flags = 3,
	.name = "skep_link",
};

char _license[] SEC("license") = "GPL";

/* expect:
license "GPL"
struct_ops plain tcp_congestion_ops size 40 link false
  init+0 = program start
  ssthresh+8 = program threshold
struct_ops linked tcp_congestion_ops size 40 link true
  ssthresh+8 = program threshold
program start in struct_ops/init
  type StructOps to "init"
  functions start Global
program threshold in struct_ops/ssthresh
  type StructOps to "ssthresh"
  functions threshold Global
*/
