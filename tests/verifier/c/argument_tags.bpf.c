// SPDX-License-Identifier: MIT OR Apache-2.0
// Tags of global functions' arguments say more than their C types do.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "expect.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define __arg(tag) __attribute__((btf_decl_tag("arg:" tag)))

extern void *bpf_rdonly_cast(const void *obj__ign, __u32 btf_id__k) __ksym;

// Anything may be passed: it is read with care, and not written.
__noinline int first_byte(const char *text __arg("untrusted"))
{
    return text[0];
}

SEC("tracepoint")
ACCEPTED int any_address(void *ctx)
{
    return first_byte((const char *)0x1234) & 0;
}

__noinline int set_first_byte(char *text __arg("untrusted"))
{
    text[0] = 1;
    return 0;
}

SEC("tracepoint")
REFUSED("R1 cannot write into rdonly_untrusted_mem")
int untrusted_and_written(void *ctx)
{
    return set_first_byte((char *)(long)bpf_get_prandom_u32());
}

__noinline int named_twice(struct task_struct *task __arg("untrusted") __arg("nonnull"))
{
    return task->pid;
}

SEC("tracepoint")
REFUSED("arg#0 untrusted cannot be combined with any other tags")
int tags_that_contradict(void *ctx)
{
    return named_twice(0);
}

__noinline int process(struct task_struct *task __arg("trusted") __arg("nullable"))
{
    return task ? task->pid : 0;
}

SEC("tracepoint")
ACCEPTED int kernel_object_or_nothing(void *ctx)
{
    return process(bpf_get_current_task_btf()) & process(0) & 0;
}

SEC("tracepoint")
REFUSED("Caller passes invalid args into func#1 ('process')")
int number_for_a_kernel_object(void *ctx)
{
    return process((struct task_struct *)0x1234);
}

__weak int tagged_number(int number __arg("nonnull"))
{
    return number;
}

SEC("tracepoint")
REFUSED("arg#0 has pointer tag, but is not a pointer type")
int number_with_a_tag(void *ctx)
{
    return tagged_number(bpf_get_prandom_u32());
}

__noinline void nothing_returned(void)
{
    bpf_printk("no result");
}

SEC("tracepoint")
REFUSED("Global function nothing_returned() doesn't return scalar. Only those are supported.")
int no_result(void *ctx)
{
    nothing_returned();
    return 0;
}

// A cast to nothing gives bytes that may be read wherever they are.
SEC("tracepoint")
ACCEPTED int read_anywhere(void *ctx)
{
    int *number = bpf_rdonly_cast(ctx, 0);

    return number[1000] & 0;
}
