/* What the test programs need and no more, so that clang alone compiles them. */
#pragma once

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef int __s32;
typedef long long __s64;
typedef _Bool bool;

#define SEC(name) __attribute__((section(name), used))
#define __noinline __attribute__((noinline))
#define __weak __attribute__((weak))
#define __hidden __attribute__((visibility("hidden")))
#define __ksym __attribute__((section(".ksyms")))
#define __kconfig __attribute__((section(".kconfig")))
#define __uint(name, val) int(*name)[val]
#define __type(name, val) typeof(val) *name
#define __array(name, val) typeof(val) *name[]
#define JOIN2(a, b) a##b
#define JOIN(a, b) JOIN2(a, b)
#define __ulong(name, val) enum { JOIN(unique_value, __COUNTER__) = val } name
#define NULL ((void *)0)
#define barrier_value(x) asm volatile("" : "+r"(x))

enum {
	MAP_HASH = 1, MAP_ARRAY = 2, MAP_PROG_ARRAY = 3, MAP_PERF_EVENT_ARRAY = 4, MAP_PERCPU_ARRAY = 6,
	MAP_ARRAY_OF_MAPS = 12, MAP_HASH_OF_MAPS = 13, MAP_RINGBUF = 27, MAP_BLOOM_FILTER = 30, MAP_ARENA = 33,
};

/* Helpers are called by number; gcc has an attribute for it. */
#ifdef __clang__
#define HELPER(number, result, name, ...) static result (*const name)(__VA_ARGS__) = (void *)number
#else
#define HELPER(number, result, name, ...) result name(__VA_ARGS__) __attribute__((kernel_helper(number)))
#endif

HELPER(1, void *, map_lookup_elem, void *map, const void *key);
HELPER(12, long, tail_call, void *ctx, void *map, __u32 index);
HELPER(35, void *, get_current_task, void);
HELPER(113, long, probe_read_kernel, void *dst, __u32 size, const void *src);
HELPER(164, long, for_each_map_elem, void *map, void *callback, void *ctx, __u64 flags);
HELPER(181, long, loop, __u32 count, void *callback, void *ctx, __u64 flags);
