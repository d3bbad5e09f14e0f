// Uses every family of macros that programs in C are written with. With OLD_HEADERS it leaves out what libbpf has only
// since its version 1.2.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_endian.h>

char LICENSE[] SEC("license") = "GPL";

extern int LINUX_KERNEL_VERSION __kconfig;
extern unsigned long CONFIG_HZ __kconfig __weak;
extern const void no_such_symbol __ksym __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} jumps SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
#ifndef OLD_HEADERS
	__ulong(map_extra, 0);
#endif
} numbers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct {
		__uint(type, BPF_MAP_TYPE_ARRAY);
		__uint(max_entries, 1);
		__type(key, __u32);
		__type(value, __u32);
	});
} outer SEC(".maps");

__u64 result;

SEC("tp/sched/sched_switch") int printing(void *ctx)
{
	char text[64];
	__u64 n = bpf_ktime_get_ns();

	bpf_printk("none");
	bpf_printk("%d", n);
	bpf_printk("%d %d", n, n);
	bpf_printk("%d %d %d", n, n, n);
	bpf_printk("%d %d %d %d", n, n, n, n);
	bpf_printk("%d %d %d %d %d", n, n, n, n, n);
	bpf_printk("%d %d %d %d %d %d", n, n, n, n, n, n);
	bpf_printk("%d %d %d %d %d %d %d", n, n, n, n, n, n, n);
	bpf_printk("%d %d %d %d %d %d %d %d", n, n, n, n, n, n, n, n);
	bpf_printk("%d %d %d %d %d %d %d %d %d", n, n, n, n, n, n, n, n, n);
	bpf_printk("%d %d %d %d %d %d %d %d %d %d", n, n, n, n, n, n, n, n, n, n);
	bpf_printk("%d %d %d %d %d %d %d %d %d %d %d", n, n, n, n, n, n, n, n, n, n, n);
	bpf_printk("%d %d %d %d %d %d %d %d %d %d %d %d", n, n, n, n, n, n, n, n, n, n, n, n);
	BPF_SNPRINTF(text, sizeof(text), "%d", n);
	BPF_SNPRINTF(text, sizeof(text), "%d %llu %s", n, n, "word");
	result = text[0];
	return ctx == NULL;
}

SEC("iter/task") int sequence(struct bpf_iter__task *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct task_struct *task = ctx->task;

	if (!task)
		return 0;
	BPF_SEQ_PRINTF(seq, "%d\n", task->pid);
	BPF_SEQ_PRINTF(seq, "%d %s %llu\n", task->tgid, task->comm, task->start_time);
	return 0;
}

SEC("tp_btf/sched_switch") int BPF_PROG(none)
{
	return 0;
}

SEC("tp_btf/sched_switch") int BPF_PROG(four, bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int state)
{
	result = preempt + prev->pid + next->pid + state;
	return ctx[0] == 0;
}

SEC("raw_tp/sys_enter") int BPF_PROG(two, struct pt_regs *regs, long id)
{
	result = PT_REGS_PARM1_CORE(regs) + PT_REGS_PARM2_CORE_SYSCALL(regs) + PT_REGS_PARM4_CORE_SYSCALL(regs) +
		 PT_REGS_PARM4_CORE(regs) + PT_REGS_RC_CORE(regs) + PT_REGS_SP_CORE(regs) + PT_REGS_FP_CORE(regs) +
		 PT_REGS_IP_CORE(regs) + id;
#ifndef OLD_HEADERS
	result += PT_REGS_PARM6_CORE(regs) + PT_REGS_RET_CORE(regs);
#endif
	return 0;
}

#define TWELVE long a, long b, long c, long d, long e, long f, long g, long h, long i, long j, long k, long l
/* Linux knows no target of so many arguments: not for loading. */
SEC("?raw_tp/sys_enter") int BPF_PROG(twelve, TWELVE)
{
	return a + b + c + d + e + f + g + h + i + j + k + l;
}

SEC("kprobe/do_unlinkat") int BPF_KPROBE(entry_none)
{
	return PT_REGS_IP(ctx) == 0;
}

SEC("kprobe/do_unlinkat") int BPF_KPROBE(entry_two, int directory, struct filename *name)
{
	char text[32];

	BPF_CORE_READ_STR_INTO(&text, name, name);
	result = directory + text[0];
	return 0;
}

SEC("kprobe/do_unlinkat") int BPF_KPROBE(entry_five, long a, long b, long c, long d, long e)
{
	result = a + b + c + d + e + PT_REGS_PARM1(ctx) + PT_REGS_SP(ctx) + PT_REGS_FP(ctx);
	return 0;
}

SEC("kretprobe/do_unlinkat") int BPF_KRETPROBE(leave, long returned)
{
	result = returned + PT_REGS_RC(ctx);
	return 0;
}

#ifndef OLD_HEADERS
SEC("uprobe//bin/true:main") int BPF_UPROBE(user_entry, int count, char **words)
{
	char *first = NULL;

	bpf_probe_read_user(&first, sizeof(first), words);
	result = count + (long)first;
	return 0;
}

SEC("uretprobe//bin/true:main") int BPF_URETPROBE(user_leave, int returned)
{
	return returned == 1;
}
#endif

SEC("ksyscall/openat") int BPF_KSYSCALL(opened, int directory, const char *path, int flags, int mode)
{
	char text[16];

	bpf_probe_read_user_str(text, sizeof(text), path);
	result = directory + flags + mode + text[0];
	return 0;
}

struct unknown_struct___local {
	int field;
} __attribute__((preserve_access_index));

enum unknown_enum___local {
	UNKNOWN_VALUE___local = 7,
};

SEC("raw_tp/sched_switch") int core(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct unknown_struct___local *unknown = (void *)task;
	struct mm_struct *mm = NULL;
	char comm[16];
	__u64 sum = ctx != NULL;

	sum += BPF_CORE_READ(task, pid);
	sum += BPF_CORE_READ(task, real_parent, tgid);
	sum += BPF_CORE_READ(task, real_parent, real_parent, tgid);
	sum += BPF_CORE_READ(task, real_parent, real_parent, real_parent, tgid);
	sum += BPF_CORE_READ(task, real_parent, real_parent, real_parent, real_parent, tgid);
	sum += BPF_CORE_READ(task, real_parent, real_parent, real_parent, real_parent, real_parent, tgid);
	sum += BPF_CORE_READ(task, real_parent, real_parent, real_parent, real_parent, real_parent, real_parent, tgid);
	sum += BPF_CORE_READ(task, real_parent, real_parent, real_parent, real_parent, real_parent, real_parent, real_parent, tgid);
	sum += BPF_CORE_READ(task, real_parent, real_parent, real_parent, real_parent, real_parent, real_parent, real_parent, real_parent, tgid);
	sum += BPF_CORE_READ(task, nsproxy, uts_ns, name.nodename[0]);
	BPF_CORE_READ_INTO(&mm, task, mm);
	BPF_CORE_READ_STR_INTO(&comm, task, real_parent, comm);
	sum += comm[0] + (mm != NULL);
	sum += bpf_core_field_exists(task->pid) + bpf_core_field_exists(struct task_struct, tgid);
	sum += bpf_core_field_size(task->comm) + bpf_core_field_size(struct task_struct, comm);
	sum += bpf_core_field_offset(task->comm) + bpf_core_field_offset(struct task_struct, comm);
	sum += bpf_core_type_exists(struct task_struct) + bpf_core_type_size(struct task_struct);
	sum += bpf_core_type_id_kernel(struct task_struct) + bpf_core_type_id_local(struct task_struct);
	sum += bpf_core_type_exists(struct unknown_struct___local);
	if (bpf_core_field_exists(unknown->field))
		sum += BPF_CORE_READ(unknown, field);
	sum += bpf_core_enum_value_exists(enum bpf_map_type, BPF_MAP_TYPE_ARRAY);
	sum += bpf_core_enum_value(enum bpf_map_type, BPF_MAP_TYPE_ARRAY);
	if (bpf_core_enum_value_exists(enum unknown_enum___local, UNKNOWN_VALUE___local))
		sum += bpf_core_enum_value(enum unknown_enum___local, UNKNOWN_VALUE___local);
	sum += BPF_CORE_READ_BITFIELD_PROBED(task, sched_reset_on_fork);
	sum += BPF_PROBE_READ(task, real_parent, tgid);
	BPF_PROBE_READ_INTO(&mm, task, real_parent, mm);
	BPF_PROBE_READ_STR_INTO(&comm, task, comm);
	bpf_core_read(&mm, sizeof(mm), &task->mm);
	bpf_core_read_str(comm, sizeof(comm), &task->comm);
	result = sum + comm[0] + (mm != NULL);
	return 0;
}

SEC("raw_tp/sched_switch") int user_reads(void *ctx)
{
	/* No user memory holds such a struct; it is the relocations that matter. */
	struct task_struct *first = (void *)(ctx ? 4096L : 0), *second = NULL;
	char text[16];
	__u64 sum = BPF_CORE_READ_USER(first, real_parent, tgid) + BPF_PROBE_READ_USER(first, real_parent, real_parent, pid);

	BPF_CORE_READ_USER_INTO(&second, first, real_parent);
	BPF_CORE_READ_USER_STR_INTO(&text, first, real_parent, comm);
	BPF_PROBE_READ_USER_INTO(&second, first, real_parent);
	BPF_PROBE_READ_USER_STR_INTO(&text, first, real_parent, comm);
	bpf_core_read_user(&second, sizeof(second), &first->real_parent);
	bpf_core_read_user_str(text, sizeof(text), &first->comm);
	result = sum + (second != NULL) + text[0];
	return 0;
}

SEC("tp_btf/sched_switch") int BPF_PROG(direct_bitfield, bool preempt, struct task_struct *prev)
{
	result = BPF_CORE_READ_BITFIELD(prev, sched_reset_on_fork) + preempt;
	return 0;
}

#ifndef OLD_HEADERS
SEC("tc") int loops(struct __sk_buff *skb)
{
	int i = 0, *next, sum = 0;

	bpf_for(i, 0, 10)
		sum += i;
	bpf_repeat(5)
		sum++;
	bpf_for_each(num, next, 3, 7)
		sum += *next;
	if (!bpf_ksym_exists(bpf_iter_num_new) || !skb)
		return 0;
	return sum;
}
#endif

SEC("tc") int endian(struct __sk_buff *skb)
{
	__u64 wide = bpf_cpu_to_be64(0x0102030405060708ULL) + bpf_be64_to_cpu(skb->mark);

	switch (skb->protocol) {
	case bpf_htons(0x0800):
		return bpf_ntohs(skb->vlan_tci);
	case __bpf_constant_htons(0x86dd):
		return bpf_ntohl(skb->priority) + bpf_htonl(1);
	}
	return wide;
}

SEC("tc") int jump(struct __sk_buff *skb)
{
	bpf_tail_call_static(skb, &jumps, 1);
	return 0;
}

static long visit(void *map, __u32 *key, __u64 *value, __u64 *sum)
{
	*sum += *value + *key + (map != NULL);
	return 0;
}

static __noinline int subprogram(int x)
{
	barrier();
	return x * LINUX_KERNEL_VERSION;
}

SEC("tc") int rest(struct __sk_buff *skb)
{
	__u64 sum = 0;
	__u32 zero = 0, limited = skb->len;
	void *inner = bpf_map_lookup_elem(&outer, &zero);
	__u32 *value = inner ? bpf_map_lookup_elem(inner, &zero) : NULL;

	barrier_var(limited);
	bpf_for_each_map_elem(&numbers, visit, &sum, 0);
	if (&no_such_symbol)
		return 1;
	if (value)
		sum += *value;
	return sum + CONFIG_HZ + subprogram(limited) + offsetof(struct task_struct, pid) + KERNEL_VERSION(6, 18, 0);
}
