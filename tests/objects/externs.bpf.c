// Externs: kernel configuration of every kind, kernel variables with and without type, kernel functions.
#include "test_helpers.h"

enum libbpf_tristate { TRI_NO = 0, TRI_YES = 1, TRI_MODULE = 2 };

extern int LINUX_KERNEL_VERSION __kconfig;
extern bool CONFIG_BPF_SYSCALL __kconfig;
extern enum libbpf_tristate CONFIG_BPF_JIT __kconfig;
extern char CONFIG_NET __kconfig;
extern char CONFIG_CC_VERSION_TEXT[24] __kconfig;
extern unsigned long CONFIG_HZ __kconfig __weak;
extern unsigned short CONFIG_NOTHING __kconfig __weak;

struct task_struct;
extern const int runqueues_missing __ksym __weak;
extern const void init_task __ksym;
extern struct task_struct *bpf_task_acquire(struct task_struct *) __ksym;
extern struct task_struct *bpf_task_acquire___other(struct task_struct *) __ksym __weak;
extern void bpf_there_is_no_such_kfunc(int) __ksym __weak;
extern void bpf_task_release(struct task_struct *) __ksym;
extern struct task_struct *bpf_task_from_pid(int) __ksym;

SEC("syscall") int use_all(void *ctx)
{
	__u64 sum = LINUX_KERNEL_VERSION + CONFIG_BPF_SYSCALL + CONFIG_BPF_JIT + CONFIG_NET + CONFIG_HZ + CONFIG_NOTHING;
	sum += CONFIG_CC_VERSION_TEXT[0];
	if (&runqueues_missing)
		sum += runqueues_missing;
	sum += (__u64)&init_task;
	if (bpf_there_is_no_such_kfunc)
		bpf_there_is_no_such_kfunc(1);
	struct task_struct *task = bpf_task_from_pid(1);
	if (task)
		bpf_task_release(task);
	return sum;
}

char _license[] SEC("license") = "GPL";

/* expect:
*/
