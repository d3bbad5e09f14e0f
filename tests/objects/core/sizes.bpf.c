// Fields that have other places and sizes in the kernel of the test.
#include "../include/test_helpers.h"

struct thing {
	unsigned short narrow;
	unsigned int wide;
	unsigned int *pointer;
	int is_signed;
	int gone;
} __attribute__((preserve_access_index));

SEC("tp_btf/x") int widened(__u64 *ctx)
{
	struct thing *t = (void *)ctx[0];
	return t->narrow;
}

SEC("tp_btf/x") int shrunk(__u64 *ctx)
{
	struct thing *t = (void *)ctx[0];
	return t->wide;
}

SEC("tp_btf/x") int missing(__u64 *ctx)
{
	struct thing *t = (void *)ctx[0];
	return t->gone;
}

SEC("tp_btf/x") int signed_of_another_size(__u64 *ctx)
{
	struct thing *t = (void *)ctx[0];
	return t->is_signed;
}

char _license[] SEC("license") = "GPL";
