// Programs that say what the verifier leaves of them.
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define TAG(text) __attribute__((btf_decl_tag("comment:" text)))

SEC("socket")
TAG("test_expect_success")
TAG("test_expect_xlated=0=0: r1 = 1")
TAG("test_expect_xlated=1=1: r0 = 2")
TAG("test_expect_xlated=2=2: exit")
__attribute__((naked)) void right(void)
{
	asm volatile("r1 = 1; if r1 == 1 goto +1; r0 = 5; r0 = 2; exit;" ::: "r0", "r1");
}

SEC("socket")
TAG("test_expect_success")
TAG("test_expect_xlated=0=1: r0 = 5")
__attribute__((naked)) void wrong(void)
{
	asm volatile("r1 = 1; if r1 == 1 goto +1; r0 = 5; r0 = 2; exit;" ::: "r0", "r1");
}
