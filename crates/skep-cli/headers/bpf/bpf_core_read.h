/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* CO-RE: reads and questions whose answer the loader fills in for the kernel at hand. */
#ifndef SKEP_BPF_CORE_READ_H
#define SKEP_BPF_CORE_READ_H

#include "bpf_helpers.h"

/* ---- What may be asked; the numbers are the compiler's and the kernel's ---- */
enum bpf_field_info_kind {
	BPF_FIELD_BYTE_OFFSET = 0,
	BPF_FIELD_BYTE_SIZE = 1,
	BPF_FIELD_EXISTS = 2,
	BPF_FIELD_SIGNED = 3,
	BPF_FIELD_LSHIFT_U64 = 4,
	BPF_FIELD_RSHIFT_U64 = 5,
};
enum bpf_type_id_kind {
	BPF_TYPE_ID_LOCAL = 0,
	BPF_TYPE_ID_TARGET = 1,
};
enum bpf_type_info_kind {
	BPF_TYPE_EXISTS = 0,
	BPF_TYPE_SIZE = 1,
	BPF_TYPE_MATCHES = 2,
};
enum bpf_enum_value_kind {
	BPF_ENUMVAL_EXISTS = 0,
	BPF_ENUMVAL_VALUE = 1,
};

/* A field is named as an expression (`task->pid`) or as type and member (`struct task_struct, pid`). */
#define SKEP_FIELD_1(field) field
#define SKEP_FIELD_2(type, member) ((typeof(type) *)0)->member
#define SKEP_FIELD(args...) SKEP_PASTE(SKEP_FIELD_, SKEP_COUNT(args))(args)

#define bpf_core_field_exists(field...) __builtin_preserve_field_info(SKEP_FIELD(field), BPF_FIELD_EXISTS)
#define bpf_core_field_size(field...) __builtin_preserve_field_info(SKEP_FIELD(field), BPF_FIELD_BYTE_SIZE)
#define bpf_core_field_offset(field...) __builtin_preserve_field_info(SKEP_FIELD(field), BPF_FIELD_BYTE_OFFSET)

#ifdef __clang__
#define SKEP_TYPE(type) (*(typeof(type) *)0)
#define SKEP_ENUMERATOR(enum_type, enumerator) (*(typeof(enum_type) *)enumerator)
#else
#define SKEP_TYPE(type) ({ typeof(type) skep_type; skep_type; })
#define SKEP_ENUMERATOR(enum_type, enumerator) ({ typeof(enum_type) skep_value; skep_value = enumerator; skep_value; })
#endif

#define bpf_core_type_id_local(type) __builtin_btf_type_id(SKEP_TYPE(type), BPF_TYPE_ID_LOCAL)
#define bpf_core_type_id_kernel(type) __builtin_btf_type_id(SKEP_TYPE(type), BPF_TYPE_ID_TARGET)
#define bpf_core_type_exists(type) __builtin_preserve_type_info(SKEP_TYPE(type), BPF_TYPE_EXISTS)
#define bpf_core_type_size(type) __builtin_preserve_type_info(SKEP_TYPE(type), BPF_TYPE_SIZE)
#define bpf_core_type_matches(type) __builtin_preserve_type_info(SKEP_TYPE(type), BPF_TYPE_MATCHES)
#define bpf_core_enum_value_exists(enum_type, enumerator)                      \
	__builtin_preserve_enum_value(SKEP_ENUMERATOR(enum_type, enumerator), BPF_ENUMVAL_EXISTS)
#define bpf_core_enum_value(enum_type, enumerator)                             \
	__builtin_preserve_enum_value(SKEP_ENUMERATOR(enum_type, enumerator), BPF_ENUMVAL_VALUE)

/* ---- Reading kernel (…USER…: user) memory; 0, or a negative errno ---- */
#define bpf_core_read(to, size, from)                                          \
	bpf_probe_read_kernel((void *)(to), size, (const void *)__builtin_preserve_access_index(from))
#define bpf_core_read_user(to, size, from)                                     \
	bpf_probe_read_user((void *)(to), size, (const void *)__builtin_preserve_access_index(from))
#define bpf_core_read_str(to, size, from)                                      \
	bpf_probe_read_kernel_str((void *)(to), size, (const void *)__builtin_preserve_access_index(from))
#define bpf_core_read_user_str(to, size, from)                                 \
	bpf_probe_read_user_str((void *)(to), size, (const void *)__builtin_preserve_access_index(from))

extern void *bpf_rdonly_cast(const void *object, __u32 type_id) __ksym __weak;
#define bpf_core_cast(pointer, type)                                           \
	((typeof(type) *)bpf_rdonly_cast((pointer), bpf_core_type_id_kernel(type)))

/* ---- Chains of pointers: BPF_CORE_READ(task, real_parent, tgid) ---- */

#define SKEP_PROBE_KERNEL(to, size, from) bpf_probe_read_kernel((void *)(to), size, from)
#define SKEP_PROBE_KERNEL_STR(to, size, from) bpf_probe_read_kernel_str((void *)(to), size, from)
#define SKEP_PROBE_USERSPACE(to, size, from) bpf_probe_read_user((void *)(to), size, from)
#define SKEP_PROBE_USERSPACE_STR(to, size, from) bpf_probe_read_user_str((void *)(to), size, from)

/* Reads all members but the last with `read`, and the last one into `to` with `last`. */
#define SKEP_CHAIN_1(read, last, to, size, p, a) last(to, size, &(p)->a)
#define SKEP_CHAIN_2(read, last, to, size, p, a, b) \
	({ \
		const void *skep_1 = 0; \
		read(&skep_1, sizeof(skep_1), &(p)->a); \
		last(to, size, &((typeof((p)->a))skep_1)->b); \
	})
#define SKEP_CHAIN_3(read, last, to, size, p, a, b, c) \
	({ \
		const void *skep_1 = 0; \
		read(&skep_1, sizeof(skep_1), &(p)->a); \
		const void *skep_2 = 0; \
		read(&skep_2, sizeof(skep_2), &((typeof((p)->a))skep_1)->b); \
		last(to, size, &((typeof((p)->a->b))skep_2)->c); \
	})
#define SKEP_CHAIN_4(read, last, to, size, p, a, b, c, d) \
	({ \
		const void *skep_1 = 0; \
		read(&skep_1, sizeof(skep_1), &(p)->a); \
		const void *skep_2 = 0; \
		read(&skep_2, sizeof(skep_2), &((typeof((p)->a))skep_1)->b); \
		const void *skep_3 = 0; \
		read(&skep_3, sizeof(skep_3), &((typeof((p)->a->b))skep_2)->c); \
		last(to, size, &((typeof((p)->a->b->c))skep_3)->d); \
	})
#define SKEP_CHAIN_5(read, last, to, size, p, a, b, c, d, e) \
	({ \
		const void *skep_1 = 0; \
		read(&skep_1, sizeof(skep_1), &(p)->a); \
		const void *skep_2 = 0; \
		read(&skep_2, sizeof(skep_2), &((typeof((p)->a))skep_1)->b); \
		const void *skep_3 = 0; \
		read(&skep_3, sizeof(skep_3), &((typeof((p)->a->b))skep_2)->c); \
		const void *skep_4 = 0; \
		read(&skep_4, sizeof(skep_4), &((typeof((p)->a->b->c))skep_3)->d); \
		last(to, size, &((typeof((p)->a->b->c->d))skep_4)->e); \
	})
#define SKEP_CHAIN_6(read, last, to, size, p, a, b, c, d, e, f) \
	({ \
		const void *skep_1 = 0; \
		read(&skep_1, sizeof(skep_1), &(p)->a); \
		const void *skep_2 = 0; \
		read(&skep_2, sizeof(skep_2), &((typeof((p)->a))skep_1)->b); \
		const void *skep_3 = 0; \
		read(&skep_3, sizeof(skep_3), &((typeof((p)->a->b))skep_2)->c); \
		const void *skep_4 = 0; \
		read(&skep_4, sizeof(skep_4), &((typeof((p)->a->b->c))skep_3)->d); \
		const void *skep_5 = 0; \
		read(&skep_5, sizeof(skep_5), &((typeof((p)->a->b->c->d))skep_4)->e); \
		last(to, size, &((typeof((p)->a->b->c->d->e))skep_5)->f); \
	})
#define SKEP_CHAIN_7(read, last, to, size, p, a, b, c, d, e, f, g) \
	({ \
		const void *skep_1 = 0; \
		read(&skep_1, sizeof(skep_1), &(p)->a); \
		const void *skep_2 = 0; \
		read(&skep_2, sizeof(skep_2), &((typeof((p)->a))skep_1)->b); \
		const void *skep_3 = 0; \
		read(&skep_3, sizeof(skep_3), &((typeof((p)->a->b))skep_2)->c); \
		const void *skep_4 = 0; \
		read(&skep_4, sizeof(skep_4), &((typeof((p)->a->b->c))skep_3)->d); \
		const void *skep_5 = 0; \
		read(&skep_5, sizeof(skep_5), &((typeof((p)->a->b->c->d))skep_4)->e); \
		const void *skep_6 = 0; \
		read(&skep_6, sizeof(skep_6), &((typeof((p)->a->b->c->d->e))skep_5)->f); \
		last(to, size, &((typeof((p)->a->b->c->d->e->f))skep_6)->g); \
	})
#define SKEP_CHAIN_8(read, last, to, size, p, a, b, c, d, e, f, g, h) \
	({ \
		const void *skep_1 = 0; \
		read(&skep_1, sizeof(skep_1), &(p)->a); \
		const void *skep_2 = 0; \
		read(&skep_2, sizeof(skep_2), &((typeof((p)->a))skep_1)->b); \
		const void *skep_3 = 0; \
		read(&skep_3, sizeof(skep_3), &((typeof((p)->a->b))skep_2)->c); \
		const void *skep_4 = 0; \
		read(&skep_4, sizeof(skep_4), &((typeof((p)->a->b->c))skep_3)->d); \
		const void *skep_5 = 0; \
		read(&skep_5, sizeof(skep_5), &((typeof((p)->a->b->c->d))skep_4)->e); \
		const void *skep_6 = 0; \
		read(&skep_6, sizeof(skep_6), &((typeof((p)->a->b->c->d->e))skep_5)->f); \
		const void *skep_7 = 0; \
		read(&skep_7, sizeof(skep_7), &((typeof((p)->a->b->c->d->e->f))skep_6)->g); \
		last(to, size, &((typeof((p)->a->b->c->d->e->f->g))skep_7)->h); \
	})
#define SKEP_CHAIN_9(read, last, to, size, p, a, b, c, d, e, f, g, h, i) \
	({ \
		const void *skep_1 = 0; \
		read(&skep_1, sizeof(skep_1), &(p)->a); \
		const void *skep_2 = 0; \
		read(&skep_2, sizeof(skep_2), &((typeof((p)->a))skep_1)->b); \
		const void *skep_3 = 0; \
		read(&skep_3, sizeof(skep_3), &((typeof((p)->a->b))skep_2)->c); \
		const void *skep_4 = 0; \
		read(&skep_4, sizeof(skep_4), &((typeof((p)->a->b->c))skep_3)->d); \
		const void *skep_5 = 0; \
		read(&skep_5, sizeof(skep_5), &((typeof((p)->a->b->c->d))skep_4)->e); \
		const void *skep_6 = 0; \
		read(&skep_6, sizeof(skep_6), &((typeof((p)->a->b->c->d->e))skep_5)->f); \
		const void *skep_7 = 0; \
		read(&skep_7, sizeof(skep_7), &((typeof((p)->a->b->c->d->e->f))skep_6)->g); \
		const void *skep_8 = 0; \
		read(&skep_8, sizeof(skep_8), &((typeof((p)->a->b->c->d->e->f->g))skep_7)->h); \
		last(to, size, &((typeof((p)->a->b->c->d->e->f->g->h))skep_8)->i); \
	})

#define SKEP_CHAIN(read, last, to, size, source, members...)                   \
	SKEP_PASTE(SKEP_CHAIN_, SKEP_COUNT(members))(read, last, to, size, source, ##members)

/* The type of the last member. */
#define SKEP_MEMBER_1(p, a) (p)->a
#define SKEP_MEMBER_2(p, a, b) (p)->a->b
#define SKEP_MEMBER_3(p, a, b, c) (p)->a->b->c
#define SKEP_MEMBER_4(p, a, b, c, d) (p)->a->b->c->d
#define SKEP_MEMBER_5(p, a, b, c, d, e) (p)->a->b->c->d->e
#define SKEP_MEMBER_6(p, a, b, c, d, e, f) (p)->a->b->c->d->e->f
#define SKEP_MEMBER_7(p, a, b, c, d, e, f, g) (p)->a->b->c->d->e->f->g
#define SKEP_MEMBER_8(p, a, b, c, d, e, f, g, h) (p)->a->b->c->d->e->f->g->h
#define SKEP_MEMBER_9(p, a, b, c, d, e, f, g, h, i) (p)->a->b->c->d->e->f->g->h->i
#define SKEP_MEMBER(source, members...) SKEP_PASTE(SKEP_MEMBER_, SKEP_COUNT(members))(source, ##members)

#define SKEP_VALUE(into, source, members...)                                   \
	({                                                                     \
		typeof(SKEP_MEMBER(source, ##members)) skep_value;             \
		into(&skep_value, source, ##members);                          \
		skep_value;                                                    \
	})

#define BPF_CORE_READ_INTO(to, source, members...) SKEP_CHAIN(bpf_core_read, bpf_core_read, to, sizeof(*(to)), source, ##members)
#define BPF_CORE_READ_STR_INTO(to, source, members...) SKEP_CHAIN(bpf_core_read, bpf_core_read_str, to, sizeof(*(to)), source, ##members)
#define BPF_CORE_READ(source, members...) SKEP_VALUE(BPF_CORE_READ_INTO, source, ##members)
#define BPF_CORE_READ_USER_INTO(to, source, members...) SKEP_CHAIN(bpf_core_read_user, bpf_core_read_user, to, sizeof(*(to)), source, ##members)
#define BPF_CORE_READ_USER_STR_INTO(to, source, members...) SKEP_CHAIN(bpf_core_read_user, bpf_core_read_user_str, to, sizeof(*(to)), source, ##members)
#define BPF_CORE_READ_USER(source, members...) SKEP_VALUE(BPF_CORE_READ_USER_INTO, source, ##members)
#define BPF_PROBE_READ_INTO(to, source, members...) SKEP_CHAIN(SKEP_PROBE_KERNEL, SKEP_PROBE_KERNEL, to, sizeof(*(to)), source, ##members)
#define BPF_PROBE_READ_STR_INTO(to, source, members...) SKEP_CHAIN(SKEP_PROBE_KERNEL, SKEP_PROBE_KERNEL_STR, to, sizeof(*(to)), source, ##members)
#define BPF_PROBE_READ(source, members...) SKEP_VALUE(BPF_PROBE_READ_INTO, source, ##members)
#define BPF_PROBE_READ_USER_INTO(to, source, members...) SKEP_CHAIN(SKEP_PROBE_USERSPACE, SKEP_PROBE_USERSPACE, to, sizeof(*(to)), source, ##members)
#define BPF_PROBE_READ_USER_STR_INTO(to, source, members...) SKEP_CHAIN(SKEP_PROBE_USERSPACE, SKEP_PROBE_USERSPACE_STR, to, sizeof(*(to)), source, ##members)
#define BPF_PROBE_READ_USER(source, members...) SKEP_VALUE(BPF_PROBE_READ_USER_INTO, source, ##members)

/* ---- Bit-fields ---- */
/* From memory that the program may read directly. */
#define BPF_CORE_READ_BITFIELD(source, field)                                  \
	({                                                                     \
		const void *skep_at = (const char *)(source) + __builtin_preserve_field_info((source)->field, BPF_FIELD_BYTE_OFFSET); \
		unsigned long long skep_bits = 0;                              \
		barrier_var(skep_at);                                          \
		switch (__builtin_preserve_field_info((source)->field, BPF_FIELD_BYTE_SIZE)) { \
		case 1: skep_bits = *(const unsigned char *)skep_at; break;    \
		case 2: skep_bits = *(const unsigned short *)skep_at; break;   \
		case 4: skep_bits = *(const unsigned int *)skep_at; break;     \
		case 8: skep_bits = *(const unsigned long long *)skep_at; break; \
		}                                                              \
		SKEP_EXTRACT(skep_bits, source, field);                        \
	})
/* From memory that needs a probe. */
#define BPF_CORE_READ_BITFIELD_PROBED(source, field)                           \
	({                                                                     \
		unsigned long long skep_bits = 0;                              \
		SKEP_PROBE_KERNEL(SKEP_BITS_AT(skep_bits, source, field),      \
				  __builtin_preserve_field_info((source)->field, BPF_FIELD_BYTE_SIZE), \
				  (const char *)(source) +                     \
				  __builtin_preserve_field_info((source)->field, BPF_FIELD_BYTE_OFFSET)); \
		SKEP_EXTRACT(skep_bits, source, field);                        \
	})
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define SKEP_BITS_AT(bits, source, field) (&(bits))
#else
#define SKEP_BITS_AT(bits, source, field)                                      \
	((char *)&(bits) + 8 - __builtin_preserve_field_info((source)->field, BPF_FIELD_BYTE_SIZE))
#endif
#define SKEP_EXTRACT(bits, source, field)                                      \
	({                                                                     \
		(bits) <<= __builtin_preserve_field_info((source)->field, BPF_FIELD_LSHIFT_U64); \
		if (__builtin_preserve_field_info((source)->field, BPF_FIELD_SIGNED)) \
			(bits) = (long long)(bits) >> __builtin_preserve_field_info((source)->field, BPF_FIELD_RSHIFT_U64); \
		else                                                           \
			(bits) >>= __builtin_preserve_field_info((source)->field, BPF_FIELD_RSHIFT_U64); \
		(bits);                                                        \
	})

#endif /* SKEP_BPF_CORE_READ_H */
