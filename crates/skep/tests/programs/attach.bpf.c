// One program per kind of hook; each counts its runs, filtered to one process where the hook is everybody's.
#include "test_helpers.h"

HELPER(14, __u64, get_current_pid_tgid, void);

const volatile __u32 process;
const volatile __u64 syscall_number;

__u64 xdp_one, xdp_two, tcx, filtered, tracepoint, raw, typed, entered, argument, returned, result, samples, egress, connects;

static inline bool mine(void)
{
	return get_current_pid_tgid() >> 32 == process;
}

#define COUNT(variable) __sync_fetch_and_add(&variable, 1)

SEC("xdp") int count_xdp_one(void *ctx)
{
	COUNT(xdp_one);
	return 2;
}

SEC("xdp") int count_xdp_two(void *ctx)
{
	COUNT(xdp_two);
	return 2;
}

SEC("tcx/ingress") int count_tcx(void *ctx)
{
	COUNT(tcx);
	return -1;
}

SEC("socket") int drop_all(void *ctx)
{
	COUNT(filtered);
	return 0;
}

SEC("tp/syscalls/sys_enter_getppid") int count_tracepoint(void *ctx)
{
	if (mine())
		COUNT(tracepoint);
	return 0;
}

SEC("raw_tp/sys_enter") int count_raw(__u64 *ctx)
{
	if (mine() && ctx[1] == syscall_number)
		COUNT(raw);
	return 0;
}

SEC("tp_btf/sys_enter") int count_typed(__u64 *ctx)
{
	if (mine() && ctx[1] == syscall_number)
		COUNT(typed);
	return 0;
}

/* x86-64 */
struct registers {
	__u64 r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};

SEC("uprobe") int count_entry(struct registers *ctx)
{
	COUNT(entered);
	argument = ctx->di;
	return 0;
}

SEC("uretprobe") int count_return(struct registers *ctx)
{
	COUNT(returned);
	result = ctx->ax;
	return 0;
}

SEC("perf_event") int count_sample(void *ctx)
{
	if (mine())
		COUNT(samples);
	return 0;
}

SEC("cgroup_skb/egress") int drop_egress(void *ctx)
{
	COUNT(egress);
	return 0;
}

SEC("cgroup/connect4") int refuse_connect(void *ctx)
{
	COUNT(connects);
	return 0;
}

char _license[] SEC("license") = "GPL";
