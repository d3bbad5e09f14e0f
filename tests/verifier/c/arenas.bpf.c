// SPDX-License-Identifier: MIT OR Apache-2.0
// Arenas: memory shared with user space, through pointers that need no bounds checks.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "expect.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define __arena __attribute__((address_space(1)))

struct {
    __uint(type, BPF_MAP_TYPE_ARENA);
    __uint(map_flags, 1 << 10); // BPF_F_MMAPABLE
    __uint(max_entries, 16);
    __ulong(map_extra, 1ull << 44); // where user space maps it
} arena SEC(".maps");

extern void __arena *bpf_arena_alloc_pages(void *map, void __arena *addr, __u32 page_cnt, int node_id,
                                           __u64 flags) __ksym;
extern void bpf_arena_free_pages(void *map, void __arena *ptr, __u32 page_cnt) __ksym;

struct item {
    struct item __arena *next;
    __u64 value;
};

SEC("syscall")
ACCEPTED RETURNS(42) int list_in_a_page(void *ctx)
{
    struct item __arena *page = bpf_arena_alloc_pages(&arena, NULL, 1, -1, 0);

    if (!page)
        return 1;
    page[0].next = &page[1];
    page[1].value = 42;
    int value = page[0].next->value;
    bpf_arena_free_pages(&arena, page, 1);
    return value;
}

// Not compared with NULL: a wrong address reads 0 and writes nowhere.
SEC("syscall")
ACCEPTED RETURNS(0) int anything_goes(void *ctx)
{
    struct item __arena *page = bpf_arena_alloc_pages(&arena, NULL, 1000, -1, 0);

    page->value = 1;
    return 0;
}
