// libbpf: 1.1
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

struct task_struct { int pid; };
extern const int runqueues_missing __ksym __weak;
extern const void schedule __ksym;
extern struct task_struct *bpf_task_acquire(struct task_struct *) __ksym;
extern struct task_struct *bpf_task_acquire___other(struct task_struct *) __ksym __weak;
extern void bpf_task_release(struct task_struct *) __ksym;
extern struct task_struct *bpf_task_from_pid(int) __ksym;

SEC("syscall") int use_all(void *ctx)
{
	__u64 sum = LINUX_KERNEL_VERSION + CONFIG_BPF_SYSCALL + CONFIG_BPF_JIT + CONFIG_NET + CONFIG_HZ + CONFIG_NOTHING;
	sum += CONFIG_CC_VERSION_TEXT[0];
	if (&runqueues_missing)
		sum += runqueues_missing;
	sum += (__u64)&schedule;
	struct task_struct *task = bpf_task_from_pid(1);
	if (task)
		bpf_task_release(task);
	return sum;
}

char _license[] SEC("license") = "GPL";

/* expect:
license "GPL"
map .kconfig Array key 4 value 44 entries 1 flags 0x480 frozen
extern runqueues_missing weak variable
extern bpf_task_from_pid function
extern bpf_task_release function
extern schedule address
extern CONFIG_HZ weak kconfig+0 Int { size: 8, signed: false }
extern CONFIG_BPF_JIT kconfig+8 Tristate
extern LINUX_KERNEL_VERSION kconfig+12 Int { size: 4, signed: true }
extern CONFIG_NOTHING weak kconfig+16 Int { size: 2, signed: false }
extern CONFIG_CC_VERSION_TEXT kconfig+18 String { size: 24 }
extern CONFIG_BPF_SYSCALL kconfig+42 Bool
extern CONFIG_NET kconfig+43 Char { signed: true }
program use_all in syscall
  type Syscall sleepable
  functions use_all Global
  refers to &runqueues_missing, &schedule, .kconfig+0, .kconfig+12, .kconfig+16, .kconfig+18, .kconfig+42, .kconfig+43, .kconfig+8, bpf_task_from_pid(), bpf_task_release()
*/
