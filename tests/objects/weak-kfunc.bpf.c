// libbpf: 1.3
// A kernel function that does not exist: its address is zero, and the call of it is dead.
#include "test_helpers.h"

extern void bpf_there_is_no_such_kfunc(int) __ksym __weak;

SEC("syscall") int ask_first(void *ctx)
{
	if (bpf_there_is_no_such_kfunc)
		bpf_there_is_no_such_kfunc(1);
	return 0;
}

char _license[] SEC("license") = "GPL";

/* expect:
license "GPL"
extern bpf_there_is_no_such_kfunc weak function
program ask_first in syscall
  type Syscall sleepable
  functions ask_first Global
  refers to &bpf_there_is_no_such_kfunc, bpf_there_is_no_such_kfunc()
*/
