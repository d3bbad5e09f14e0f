// libbpf: 1.1
// CO-RE relocations of every kind, on types that this source only half knows.
#include "test_helpers.h"

#define CORE __attribute__((preserve_access_index))

struct list_head { struct list_head *next, *prev; } CORE;
struct task_struct {
	int pid;
	int tgid;
	char comm[16];
	struct task_struct *real_parent;
	struct list_head tasks;
	int no_such_field;
} CORE;
struct task_struct___old {
	int pid;
} CORE;
struct there_is_no_such_struct { int x; } CORE;
enum bpf_map_type { BPF_MAP_TYPE_HASH = 99, BPF_MAP_TYPE_NOT_THERE = 98 };

#define FIELD_OFFSET 0
#define FIELD_SIZE 1
#define FIELD_EXISTS 2
#define FIELD_SIGNED 3

__u64 out[24];

SEC("raw_tp/sched_switch") int every_kind(void *ctx)
{
	struct task_struct *task = get_current_task();
	int pid = 0;
	probe_read_kernel(&pid, sizeof(pid), &task->pid);
	out[0] = pid;
	probe_read_kernel(&pid, sizeof(pid), &((struct task_struct___old *)task)->pid);
	out[1] = __builtin_preserve_field_info(task->comm, FIELD_OFFSET);
	out[2] = __builtin_preserve_field_info(task->comm, FIELD_SIZE);
	out[3] = __builtin_preserve_field_info(task->no_such_field, FIELD_EXISTS);
	out[4] = __builtin_preserve_field_info(task->pid, FIELD_SIGNED);
	out[5] = __builtin_preserve_field_info(task->tasks.prev, FIELD_EXISTS);
	out[6] = __builtin_preserve_type_info(*(struct task_struct *)0, 0);
	out[7] = __builtin_preserve_type_info(*(struct there_is_no_such_struct *)0, 0);
	out[8] = __builtin_preserve_type_info(*(struct task_struct *)0, 1);
	out[9] = __builtin_preserve_enum_value(*(typeof(enum bpf_map_type) *)BPF_MAP_TYPE_HASH, 0);
	out[10] = __builtin_preserve_enum_value(*(typeof(enum bpf_map_type) *)BPF_MAP_TYPE_HASH, 1);
	out[11] = __builtin_preserve_enum_value(*(typeof(enum bpf_map_type) *)BPF_MAP_TYPE_NOT_THERE, 0);
	out[12] = __builtin_btf_type_id(*(struct task_struct *)0, 0);
	out[13] = __builtin_btf_type_id(*(struct task_struct *)0, 1);
	if (__builtin_preserve_field_info(task->no_such_field, FIELD_EXISTS))
		probe_read_kernel(&pid, sizeof(pid), &task->no_such_field);
	return 0;
}

SEC("tp_btf/task_newtask") int direct_loads(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	out[14] = task->pid;
	out[15] = task->real_parent->tgid;
	out[16] = task->comm[3];
	return 0;
}

char _license[] SEC("license") = "GPL";

/* expect:
license "GPL"
map .bss Array key 4 value 192 entries 1 flags 0x400
global out .bss+0 size 192 = 0000000000000000
program every_kind in raw_tp/sched_switch
  type RawTracepoint to "sched_switch"
  functions every_kind Global
  refers to .bss+0
  core enumerator exists of bpf_map_type 0
  core enumerator exists of bpf_map_type 1
  core enumerator value of bpf_map_type 0
  core field byte offset of task_struct 0:0
  core field byte offset of task_struct 0:2
  core field byte offset of task_struct 0:5
  core field byte offset of task_struct___old 0:0
  core field byte size of task_struct 0:2
  core field exists of task_struct 0:4:1
  core field exists of task_struct 0:5
  core field signed of task_struct 0:0
  core local type id of task_struct 0
  core target type id of task_struct 0
  core type exists of task_struct 0
  core type exists of there_is_no_such_struct 0
  core type size of task_struct 0
program direct_loads in tp_btf/task_newtask
  type Tracing attach trace_raw_tp to "task_newtask"
  functions direct_loads Global
  refers to .bss+0
  core field byte offset of task_struct 0:0
  core field byte offset of task_struct 0:1
  core field byte offset of task_struct 0:2:3
  core field byte offset of task_struct 0:3
*/
