// SPDX-License-Identifier: MIT OR Apache-2.0
// Users that stand in a map can open no file and can use none they already have open. Each refusal is reported.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define EACCES 13
#define COMM_LEN 16
#define NAME_LEN 64

enum hook { FILE_OPEN, FILE_PERMISSION };

struct refusal {
    __u32 pid;
    __u32 uid;
    __u32 hook; // enum hook
    __u32 mask; // what was asked of an open file: MAY_READ 4, MAY_WRITE 2, MAY_EXEC 1
    char comm[COMM_LEN];
    char name[NAME_LEN]; // last part of the path
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, __u32);   // user id
    __type(value, __u64); // refusals
} denied_users SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 64 * 1024);
} refusals SEC(".maps");

static __always_inline int decide(struct file *file, enum hook hook, __u32 mask)
{
    __u32 uid = bpf_get_current_uid_gid();
    __u64 *count = bpf_map_lookup_elem(&denied_users, &uid);
    if (!count)
        return 0;
    __sync_fetch_and_add(count, 1);

    struct refusal *refusal = bpf_ringbuf_reserve(&refusals, sizeof(*refusal), 0);
    if (!refusal)
        return -EACCES; // nobody reads the reports; the answer is the same
    refusal->pid = bpf_get_current_pid_tgid() >> 32;
    refusal->uid = uid;
    refusal->hook = hook;
    refusal->mask = mask;
    bpf_get_current_comm(refusal->comm, sizeof(refusal->comm));
    const unsigned char *name = BPF_CORE_READ(file, f_path.dentry, d_name.name);
    if (bpf_probe_read_kernel_str(refusal->name, sizeof(refusal->name), name) < 0)
        refusal->name[0] = 0;
    bpf_ringbuf_submit(refusal, 0);
    return -EACCES;
}

SEC("lsm/file_open")
int BPF_PROG(check_open, struct file *file)
{
    return decide(file, FILE_OPEN, 0);
}

SEC("lsm/file_permission")
int BPF_PROG(check_permission, struct file *file, int mask)
{
    return decide(file, FILE_PERMISSION, mask);
}
