/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What BPF programs in C are written with: sections, map definitions, helpers, printing, loops.
 * The names are the field's; the helper declarations stand in the generated bpf_helper_defs.h.
 * Include vmlinux.h or linux/types.h and linux/bpf.h first: this file needs __u8 to __u64. */
#ifndef SKEP_BPF_HELPERS_H
#define SKEP_BPF_HELPERS_H

#include "bpf_helper_defs.h"

/* ---- Placing things in sections ---- */
#define SEC(name)                                                              \
	_Pragma("GCC diagnostic push")                                         \
	_Pragma("GCC diagnostic ignored \"-Wignored-attributes\"")             \
	__attribute__((section(name), used))                                   \
	_Pragma("GCC diagnostic pop")

#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#ifndef __noinline
#define __noinline __attribute__((noinline))
#endif
#ifndef __weak
#define __weak __attribute__((weak))
#endif
#define __hidden __attribute__((visibility("hidden")))
#ifndef __maybe_unused
#define __maybe_unused __attribute__((unused))
#endif

/* ---- Map definitions: the values live in the types, where the loader reads them from BTF ---- */
#define SKEP_PASTE2(a, b) a##b
#define SKEP_PASTE(a, b) SKEP_PASTE2(a, b)
#define __uint(name, value) int (*name)[value]
#define __type(name, value) typeof(value) *name
#define __array(name, value) typeof(value) *name[]
#define __ulong(name, value) enum { SKEP_PASTE(skep_ulong_, __COUNTER__) = (value) } name

enum libbpf_pin_type {
	LIBBPF_PIN_NONE,
	LIBBPF_PIN_BY_NAME,
};

/* ---- Things the loader fills in ---- */
enum libbpf_tristate {
	TRI_NO = 0,
	TRI_YES = 1,
	TRI_MODULE = 2,
};
#define __kconfig __attribute__((section(".kconfig")))
#define __ksym __attribute__((section(".ksyms")))
#define bpf_ksym_exists(symbol)                                                \
	({                                                                     \
		_Static_assert(!__builtin_constant_p(!!symbol), #symbol " should be marked __weak"); \
		!!symbol;                                                      \
	})

/* ---- Tags that the verifier reads ---- */
#define __kptr __attribute__((btf_type_tag("kptr")))
#define __kptr_untrusted __attribute__((btf_type_tag("kptr_untrusted")))
#define __percpu_kptr __attribute__((btf_type_tag("percpu_kptr")))
#define __uptr __attribute__((btf_type_tag("uptr")))
#define __arg_ctx __attribute__((btf_decl_tag("arg:ctx")))
#define __arg_nonnull __attribute((btf_decl_tag("arg:nonnull")))
#define __arg_nullable __attribute((btf_decl_tag("arg:nullable")))
#define __arg_trusted __attribute((btf_decl_tag("arg:trusted")))
#define __arg_untrusted __attribute((btf_decl_tag("arg:untrusted")))
#define __arg_arena __attribute((btf_decl_tag("arg:arena")))

/* ---- Compiler and layout ---- */
#ifndef NULL
#define NULL ((void *)0)
#endif
/* By taking an address, which CO-RE follows to where the kernel at hand keeps the member; __builtin_offsetof would be
 * the compiler's number for ever. */
#undef offsetof
#define offsetof(type, member) ((unsigned long)&((type *)0)->member)
#undef container_of
#define container_of(pointer, type, member)                                    \
	((type *)((char *)(pointer) - offsetof(type, member)))
#ifndef KERNEL_VERSION
#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + ((c) > 255 ? 255 : (c)))
#endif
#ifndef likely
#define likely(x) __builtin_expect(!!(x), 1)
#endif
#ifndef unlikely
#define unlikely(x) __builtin_expect(!!(x), 0)
#endif

/* Keeps the compiler from moving memory accesses, or from knowing a variable's value. */
#ifndef barrier
#define barrier() __asm__ volatile("" ::: "memory")
#endif
#ifndef barrier_var
#define barrier_var(variable) __asm__ volatile("" : "+r"(variable))
#endif
#ifndef __bpf_unreachable
#define __bpf_unreachable() __builtin_trap()
#endif

/* A tail call with a constant index: map and index stay in registers, so that Linux can turn it into a jump. */
#if defined(__clang__) && defined(__bpf__)
static __always_inline void bpf_tail_call_static(void *context, const void *map, const __u32 slot)
{
	if (!__builtin_constant_p(slot))
		__bpf_unreachable();
	__asm__ volatile("r1 = %[context]\n\t"
			 "r2 = %[map]\n\t"
			 "r3 = %[slot]\n\t"
			 "call 12"
			 :
			 : [context] "r"(context), [map] "r"(map), [slot] "i"(slot)
			 : "r0", "r1", "r2", "r3", "r4", "r5");
}
#endif

/* ---- Counting arguments ---- */
/* Up to twelve. */
#define SKEP_FOURTEENTH(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, ...) a14
#define SKEP_COUNT(...) SKEP_FOURTEENTH(_, ##__VA_ARGS__, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)

/* Stores each argument in an array of 64-bit values. */
#define SKEP_STORE_0(array)
#define SKEP_STORE_1(array, a) array[0] = (unsigned long long)(a);
#define SKEP_STORE_2(array, a, b) SKEP_STORE_1(array, a) array[1] = (unsigned long long)(b);
#define SKEP_STORE_3(array, a, b, c) SKEP_STORE_2(array, a, b) array[2] = (unsigned long long)(c);
#define SKEP_STORE_4(array, a, b, c, d) SKEP_STORE_3(array, a, b, c) array[3] = (unsigned long long)(d);
#define SKEP_STORE_5(array, a, b, c, d, e) SKEP_STORE_4(array, a, b, c, d) array[4] = (unsigned long long)(e);
#define SKEP_STORE_6(array, a, b, c, d, e, f) SKEP_STORE_5(array, a, b, c, d, e) array[5] = (unsigned long long)(f);
#define SKEP_STORE_7(array, a, b, c, d, e, f, g) SKEP_STORE_6(array, a, b, c, d, e, f) array[6] = (unsigned long long)(g);
#define SKEP_STORE_8(array, a, b, c, d, e, f, g, h) SKEP_STORE_7(array, a, b, c, d, e, f, g) array[7] = (unsigned long long)(h);
#define SKEP_STORE_9(array, a, b, c, d, e, f, g, h, i) SKEP_STORE_8(array, a, b, c, d, e, f, g, h) array[8] = (unsigned long long)(i);
#define SKEP_STORE_10(array, a, b, c, d, e, f, g, h, i, j) SKEP_STORE_9(array, a, b, c, d, e, f, g, h, i) array[9] = (unsigned long long)(j);
#define SKEP_STORE_11(array, a, b, c, d, e, f, g, h, i, j, k) SKEP_STORE_10(array, a, b, c, d, e, f, g, h, i, j) array[10] = (unsigned long long)(k);
#define SKEP_STORE_12(array, a, b, c, d, e, f, g, h, i, j, k, l) SKEP_STORE_11(array, a, b, c, d, e, f, g, h, i, j, k) array[11] = (unsigned long long)(l);
#define SKEP_STORE(array, ...) SKEP_PASTE(SKEP_STORE_, SKEP_COUNT(__VA_ARGS__))(array, ##__VA_ARGS__)

/* ---- Printing ---- */
#ifdef BPF_NO_GLOBAL_DATA
#define SKEP_FORMAT char
#else
#define SKEP_FORMAT static const char
#endif

#define SKEP_PRINT_SHORT(format, ...)                                          \
	({                                                                     \
		SKEP_FORMAT skep_format[] = format;                            \
		bpf_trace_printk(skep_format, sizeof(skep_format), ##__VA_ARGS__); \
	})
#define SKEP_PRINT_LONG(format, ...)                                           \
	({                                                                     \
		static const char skep_format[] = format;                      \
		unsigned long long skep_arguments[SKEP_COUNT(__VA_ARGS__)];    \
		SKEP_STORE(skep_arguments, ##__VA_ARGS__)                      \
		bpf_trace_vprintk(skep_format, sizeof(skep_format), skep_arguments, sizeof(skep_arguments)); \
	})
#define SKEP_PRINT_0 SKEP_PRINT_SHORT
#define SKEP_PRINT_1 SKEP_PRINT_SHORT
#define SKEP_PRINT_2 SKEP_PRINT_SHORT
#define SKEP_PRINT_3 SKEP_PRINT_SHORT
#define SKEP_PRINT_4 SKEP_PRINT_LONG
#define SKEP_PRINT_5 SKEP_PRINT_LONG
#define SKEP_PRINT_6 SKEP_PRINT_LONG
#define SKEP_PRINT_7 SKEP_PRINT_LONG
#define SKEP_PRINT_8 SKEP_PRINT_LONG
#define SKEP_PRINT_9 SKEP_PRINT_LONG
#define SKEP_PRINT_10 SKEP_PRINT_LONG
#define SKEP_PRINT_11 SKEP_PRINT_LONG
#define SKEP_PRINT_12 SKEP_PRINT_LONG
/* Up to three arguments go through bpf_trace_printk, more through bpf_trace_vprintk (Linux 5.16). */
#define bpf_printk(format, ...) SKEP_PASTE(SKEP_PRINT_, SKEP_COUNT(__VA_ARGS__))(format, ##__VA_ARGS__)

/* The two below need at least one argument beside the format; a dummy slot keeps the array from being empty. */
#define BPF_SNPRINTF(out, out_size, format, ...)                               \
	({                                                                     \
		static const char skep_format[] = format;                      \
		unsigned long long skep_arguments[SKEP_COUNT(__VA_ARGS__) ? SKEP_COUNT(__VA_ARGS__) : 1]; \
		SKEP_STORE(skep_arguments, ##__VA_ARGS__)                      \
		bpf_snprintf(out, out_size, skep_format, skep_arguments,       \
			     SKEP_COUNT(__VA_ARGS__) * sizeof(unsigned long long)); \
	})
#define BPF_SEQ_PRINTF(seq, format, ...)                                       \
	({                                                                     \
		static const char skep_format[] = format;                      \
		unsigned long long skep_arguments[SKEP_COUNT(__VA_ARGS__) ? SKEP_COUNT(__VA_ARGS__) : 1]; \
		SKEP_STORE(skep_arguments, ##__VA_ARGS__)                      \
		bpf_seq_printf(seq, skep_format, sizeof(skep_format), skep_arguments, \
			       SKEP_COUNT(__VA_ARGS__) * sizeof(unsigned long long)); \
	})

/* ---- Open-coded iterators (Linux 6.4) ---- */
struct bpf_iter_num;
extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __weak __ksym;
extern int *bpf_iter_num_next(struct bpf_iter_num *it) __weak __ksym;
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) __weak __ksym;

#ifndef bpf_for_each
#define bpf_for_each(type, cursor, arguments...)                               \
	for (struct bpf_iter_##type skep_iterator __attribute__((aligned(8), cleanup(bpf_iter_##type##_destroy))), \
	     *skep_started __attribute__((unused)) =                       \
		     (bpf_iter_##type##_new(&skep_iterator, ##arguments),      \
		      (void)bpf_iter_##type##_destroy, (void *)0);             \
	     ((cursor) = bpf_iter_##type##_next(&skep_iterator));)
#endif
#ifndef bpf_for
#define bpf_for(i, start, end)                                                 \
	for (struct bpf_iter_num skep_iterator __attribute__((aligned(8), cleanup(bpf_iter_num_destroy))), \
	     *skep_started __attribute__((unused)) =                       \
		     (bpf_iter_num_new(&skep_iterator, (start), (end)),        \
		      (void)bpf_iter_num_destroy, (void *)0);                  \
	     ({                                                                \
		     int *skep_next = bpf_iter_num_next(&skep_iterator);       \
		     skep_next ? ((i) = *skep_next, (i) >= (start) && (i) < (end)) : 0; \
	     });)
#endif
#ifndef bpf_repeat
#define bpf_repeat(n)                                                          \
	for (struct bpf_iter_num skep_iterator __attribute__((aligned(8), cleanup(bpf_iter_num_destroy))), \
	     *skep_started __attribute__((unused)) =                       \
		     (bpf_iter_num_new(&skep_iterator, 0, (n)),                \
		      (void)bpf_iter_num_destroy, (void *)0);                  \
	     bpf_iter_num_next(&skep_iterator);)
#endif

/* ---- Legacy map definitions: SEC("maps") ---- */
struct bpf_map_def {
	unsigned int type;
	unsigned int key_size;
	unsigned int value_size;
	unsigned int max_entries;
	unsigned int map_flags;
};

#endif /* SKEP_BPF_HELPERS_H */
