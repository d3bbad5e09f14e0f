/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Arguments of traced functions: registers by position, and programs written with typed parameters. */
#ifndef SKEP_BPF_TRACING_H
#define SKEP_BPF_TRACING_H

#include "bpf_helpers.h"

/* ---- Where the calling convention keeps what: one block per architecture ---- */
#if defined(__TARGET_ARCH_x86)
#define bpf_target_x86
#elif defined(__TARGET_ARCH_arm64)
#define bpf_target_arm64
#elif defined(__TARGET_ARCH_riscv)
#define bpf_target_riscv
#elif defined(__x86_64__)
#define bpf_target_x86
#elif defined(__aarch64__)
#define bpf_target_arm64
#endif

#if defined(bpf_target_x86)
#if defined(__KERNEL__) || defined(__VMLINUX_H__)
#define SKEP_REG_PARM1 di
#define SKEP_REG_PARM2 si
#define SKEP_REG_PARM3 dx
#define SKEP_REG_PARM4 cx
#define SKEP_REG_PARM5 r8
#define SKEP_REG_PARM6 r9
#define SKEP_REG_RETURN ax
#define SKEP_REG_STACK sp
#define SKEP_REG_FRAME bp
#define SKEP_REG_INSTRUCTION ip
#else
#define SKEP_REG_PARM1 rdi
#define SKEP_REG_PARM2 rsi
#define SKEP_REG_PARM3 rdx
#define SKEP_REG_PARM4 rcx
#define SKEP_REG_PARM5 r8
#define SKEP_REG_PARM6 r9
#define SKEP_REG_RETURN rax
#define SKEP_REG_STACK rsp
#define SKEP_REG_FRAME rbp
#define SKEP_REG_INSTRUCTION rip
#endif
#define SKEP_REG_SYSCALL_PARM4 r10
#define SKEP_REGS(ctx) ((const struct pt_regs *)(ctx))
#elif defined(bpf_target_arm64)
#define SKEP_REG_PARM1 regs[0]
#define SKEP_REG_PARM2 regs[1]
#define SKEP_REG_PARM3 regs[2]
#define SKEP_REG_PARM4 regs[3]
#define SKEP_REG_PARM5 regs[4]
#define SKEP_REG_PARM6 regs[5]
#define SKEP_REG_RETURN regs[0]
#define SKEP_REG_STACK sp
#define SKEP_REG_FRAME regs[29]
#define SKEP_REG_INSTRUCTION pc
#define SKEP_REG_SYSCALL_PARM4 regs[3]
#define SKEP_REGS(ctx) ((const struct user_pt_regs *)(ctx))
#elif defined(bpf_target_riscv)
#define SKEP_REG_PARM1 a0
#define SKEP_REG_PARM2 a1
#define SKEP_REG_PARM3 a2
#define SKEP_REG_PARM4 a3
#define SKEP_REG_PARM5 a4
#define SKEP_REG_PARM6 a5
#define SKEP_REG_RETURN a0
#define SKEP_REG_STACK sp
#define SKEP_REG_FRAME s0
#define SKEP_REG_INSTRUCTION pc
#define SKEP_REG_SYSCALL_PARM4 a3
#define SKEP_REGS(ctx) ((const struct user_regs_struct *)(ctx))
#endif

#ifdef SKEP_REGS
struct pt_regs;
/* Reads that go through the context directly. */
#define PT_REGS_PARM1(ctx) (SKEP_REGS(ctx)->SKEP_REG_PARM1)
#define PT_REGS_PARM2(ctx) (SKEP_REGS(ctx)->SKEP_REG_PARM2)
#define PT_REGS_PARM3(ctx) (SKEP_REGS(ctx)->SKEP_REG_PARM3)
#define PT_REGS_PARM4(ctx) (SKEP_REGS(ctx)->SKEP_REG_PARM4)
#define PT_REGS_PARM5(ctx) (SKEP_REGS(ctx)->SKEP_REG_PARM5)
#define PT_REGS_PARM6(ctx) (SKEP_REGS(ctx)->SKEP_REG_PARM6)
#define PT_REGS_RC(ctx) (SKEP_REGS(ctx)->SKEP_REG_RETURN)
#define PT_REGS_SP(ctx) (SKEP_REGS(ctx)->SKEP_REG_STACK)
#define PT_REGS_FP(ctx) (SKEP_REGS(ctx)->SKEP_REG_FRAME)
#define PT_REGS_IP(ctx) (SKEP_REGS(ctx)->SKEP_REG_INSTRUCTION)
#define PT_REGS_RET(ctx) PT_REGS_RC(ctx)
/* Reads of a pt_regs that is not the context: CO-RE and a probe. */
#define PT_REGS_PARM1_CORE(regs) BPF_CORE_READ(SKEP_REGS(regs), SKEP_REG_PARM1)
#define PT_REGS_PARM2_CORE(regs) BPF_CORE_READ(SKEP_REGS(regs), SKEP_REG_PARM2)
#define PT_REGS_PARM3_CORE(regs) BPF_CORE_READ(SKEP_REGS(regs), SKEP_REG_PARM3)
#define PT_REGS_PARM4_CORE(regs) BPF_CORE_READ(SKEP_REGS(regs), SKEP_REG_PARM4)
#define PT_REGS_PARM5_CORE(regs) BPF_CORE_READ(SKEP_REGS(regs), SKEP_REG_PARM5)
#define PT_REGS_PARM6_CORE(regs) BPF_CORE_READ(SKEP_REGS(regs), SKEP_REG_PARM6)
#define PT_REGS_RC_CORE(regs) BPF_CORE_READ(SKEP_REGS(regs), SKEP_REG_RETURN)
#define PT_REGS_RET_CORE(regs) PT_REGS_RC_CORE(regs)
#define PT_REGS_SP_CORE(regs) BPF_CORE_READ(SKEP_REGS(regs), SKEP_REG_STACK)
#define PT_REGS_FP_CORE(regs) BPF_CORE_READ(SKEP_REGS(regs), SKEP_REG_FRAME)
#define PT_REGS_IP_CORE(regs) BPF_CORE_READ(SKEP_REGS(regs), SKEP_REG_INSTRUCTION)
/* The fourth argument of a system call lives elsewhere than that of a function. */
#define PT_REGS_PARM1_SYSCALL(regs) (SKEP_REGS(regs)->SKEP_REG_PARM1)
#define PT_REGS_PARM1_CORE_SYSCALL(regs) BPF_CORE_READ(SKEP_REGS(regs), SKEP_REG_PARM1)
#define PT_REGS_PARM2_SYSCALL(regs) (SKEP_REGS(regs)->SKEP_REG_PARM2)
#define PT_REGS_PARM2_CORE_SYSCALL(regs) BPF_CORE_READ(SKEP_REGS(regs), SKEP_REG_PARM2)
#define PT_REGS_PARM3_SYSCALL(regs) (SKEP_REGS(regs)->SKEP_REG_PARM3)
#define PT_REGS_PARM3_CORE_SYSCALL(regs) BPF_CORE_READ(SKEP_REGS(regs), SKEP_REG_PARM3)
#define PT_REGS_PARM4_SYSCALL(regs) (SKEP_REGS(regs)->SKEP_REG_SYSCALL_PARM4)
#define PT_REGS_PARM4_CORE_SYSCALL(regs) BPF_CORE_READ(SKEP_REGS(regs), SKEP_REG_SYSCALL_PARM4)
#define PT_REGS_PARM5_SYSCALL(regs) (SKEP_REGS(regs)->SKEP_REG_PARM5)
#define PT_REGS_PARM5_CORE_SYSCALL(regs) BPF_CORE_READ(SKEP_REGS(regs), SKEP_REG_PARM5)
#define PT_REGS_PARM6_SYSCALL(regs) (SKEP_REGS(regs)->SKEP_REG_PARM6)
#define PT_REGS_PARM6_CORE_SYSCALL(regs) BPF_CORE_READ(SKEP_REGS(regs), SKEP_REG_PARM6)
#define PT_REGS_SYSCALL_REGS(ctx) ((struct pt_regs *)PT_REGS_PARM1(ctx))
#endif /* SKEP_REGS */

/* ---- Typed parameters ---- */

/* fentry, LSM, tp_btf, raw tracepoints: the context is an array of 64-bit arguments. */
#define SKEP_SLOTS_0() ctx
#define SKEP_SLOTS_1(a) SKEP_SLOTS_0(), (void *)ctx[0]
#define SKEP_SLOTS_2(a, b) SKEP_SLOTS_1(a), (void *)ctx[1]
#define SKEP_SLOTS_3(a, b, c) SKEP_SLOTS_2(a, b), (void *)ctx[2]
#define SKEP_SLOTS_4(a, b, c, d) SKEP_SLOTS_3(a, b, c), (void *)ctx[3]
#define SKEP_SLOTS_5(a, b, c, d, e) SKEP_SLOTS_4(a, b, c, d), (void *)ctx[4]
#define SKEP_SLOTS_6(a, b, c, d, e, f) SKEP_SLOTS_5(a, b, c, d, e), (void *)ctx[5]
#define SKEP_SLOTS_7(a, b, c, d, e, f, g) SKEP_SLOTS_6(a, b, c, d, e, f), (void *)ctx[6]
#define SKEP_SLOTS_8(a, b, c, d, e, f, g, h) SKEP_SLOTS_7(a, b, c, d, e, f, g), (void *)ctx[7]
#define SKEP_SLOTS_9(a, b, c, d, e, f, g, h, i) SKEP_SLOTS_8(a, b, c, d, e, f, g, h), (void *)ctx[8]
#define SKEP_SLOTS_10(a, b, c, d, e, f, g, h, i, j) SKEP_SLOTS_9(a, b, c, d, e, f, g, h, i), (void *)ctx[9]
#define SKEP_SLOTS_11(a, b, c, d, e, f, g, h, i, j, k) SKEP_SLOTS_10(a, b, c, d, e, f, g, h, i, j), (void *)ctx[10]
#define SKEP_SLOTS_12(a, b, c, d, e, f, g, h, i, j, k, l) SKEP_SLOTS_11(a, b, c, d, e, f, g, h, i, j, k), (void *)ctx[11]
#define SKEP_SLOTS(args...) SKEP_PASTE(SKEP_SLOTS_, SKEP_COUNT(args))(args)

/* `int BPF_PROG(name, struct task_struct *task, int value) { ... }`; the raw context is `ctx`. */
#define BPF_PROG(name, args...)                                                \
	name(unsigned long long *ctx);                                         \
	static __always_inline typeof(name(0)) SKEP_PASTE(skep_body_, name)(unsigned long long *ctx, ##args); \
	typeof(name(0)) name(unsigned long long *ctx)                          \
	{                                                                      \
		_Pragma("GCC diagnostic push")                                 \
		_Pragma("GCC diagnostic ignored \"-Wint-conversion\"")         \
		return SKEP_PASTE(skep_body_, name)(SKEP_SLOTS(args));         \
		_Pragma("GCC diagnostic pop")                                  \
	}                                                                      \
	static __always_inline typeof(name(0)) SKEP_PASTE(skep_body_, name)(unsigned long long *ctx, ##args)

/* kprobe and uprobe: arguments by the calling convention. */
#define SKEP_PARMS_0() ctx
#define SKEP_PARMS_1(a) SKEP_PARMS_0(), (void *)PT_REGS_PARM1(ctx)
#define SKEP_PARMS_2(a, b) SKEP_PARMS_1(a), (void *)PT_REGS_PARM2(ctx)
#define SKEP_PARMS_3(a, b, c) SKEP_PARMS_2(a, b), (void *)PT_REGS_PARM3(ctx)
#define SKEP_PARMS_4(a, b, c, d) SKEP_PARMS_3(a, b, c), (void *)PT_REGS_PARM4(ctx)
#define SKEP_PARMS_5(a, b, c, d, e) SKEP_PARMS_4(a, b, c, d), (void *)PT_REGS_PARM5(ctx)
#define SKEP_PARMS_6(a, b, c, d, e, f) SKEP_PARMS_5(a, b, c, d, e), (void *)PT_REGS_PARM6(ctx)
#define SKEP_PARMS(args...) SKEP_PASTE(SKEP_PARMS_, SKEP_COUNT(args))(args)
#define BPF_KPROBE(name, args...)                                                \
	name(struct pt_regs *ctx);                                             \
	static __always_inline typeof(name(0)) SKEP_PASTE(skep_body_, name)(struct pt_regs *ctx, ##args); \
	typeof(name(0)) name(struct pt_regs *ctx)                              \
	{                                                                      \
		_Pragma("GCC diagnostic push")                                 \
		_Pragma("GCC diagnostic ignored \"-Wint-conversion\"")         \
		return SKEP_PASTE(skep_body_, name)(SKEP_PARMS(args));         \
		_Pragma("GCC diagnostic pop")                                  \
	}                                                                      \
	static __always_inline typeof(name(0)) SKEP_PASTE(skep_body_, name)(struct pt_regs *ctx, ##args)
#define BPF_UPROBE(name, args...) BPF_KPROBE(name, ##args)

/* Return probes: at most one parameter, the return value. */
#define SKEP_RETURN_0() ctx
#define SKEP_RETURN_1(a) ctx, (void *)PT_REGS_RC(ctx)
#define SKEP_RETURN(args...) SKEP_PASTE(SKEP_RETURN_, SKEP_COUNT(args))(args)
#define BPF_KRETPROBE(name, args...)                                                \
	name(struct pt_regs *ctx);                                             \
	static __always_inline typeof(name(0)) SKEP_PASTE(skep_body_, name)(struct pt_regs *ctx, ##args); \
	typeof(name(0)) name(struct pt_regs *ctx)                              \
	{                                                                      \
		_Pragma("GCC diagnostic push")                                 \
		_Pragma("GCC diagnostic ignored \"-Wint-conversion\"")         \
		return SKEP_PASTE(skep_body_, name)(SKEP_RETURN(args));         \
		_Pragma("GCC diagnostic pop")                                  \
	}                                                                      \
	static __always_inline typeof(name(0)) SKEP_PASTE(skep_body_, name)(struct pt_regs *ctx, ##args)
#define BPF_URETPROBE(name, args...) BPF_KRETPROBE(name, ##args)

/* System calls by their kernel entry: where LINUX_HAS_SYSCALL_WRAPPER, the arguments sit in an inner pt_regs. */
extern _Bool LINUX_HAS_SYSCALL_WRAPPER __kconfig;
#define SKEP_SYSCALL_DIRECT_0() ctx
#define SKEP_SYSCALL_DIRECT_1(a) SKEP_SYSCALL_DIRECT_0(), (void *)PT_REGS_PARM1_SYSCALL(regs)
#define SKEP_SYSCALL_DIRECT_2(a, b) SKEP_SYSCALL_DIRECT_1(a), (void *)PT_REGS_PARM2_SYSCALL(regs)
#define SKEP_SYSCALL_DIRECT_3(a, b, c) SKEP_SYSCALL_DIRECT_2(a, b), (void *)PT_REGS_PARM3_SYSCALL(regs)
#define SKEP_SYSCALL_DIRECT_4(a, b, c, d) SKEP_SYSCALL_DIRECT_3(a, b, c), (void *)PT_REGS_PARM4_SYSCALL(regs)
#define SKEP_SYSCALL_DIRECT_5(a, b, c, d, e) SKEP_SYSCALL_DIRECT_4(a, b, c, d), (void *)PT_REGS_PARM5_SYSCALL(regs)
#define SKEP_SYSCALL_DIRECT_6(a, b, c, d, e, f) SKEP_SYSCALL_DIRECT_5(a, b, c, d, e), (void *)PT_REGS_PARM6_SYSCALL(regs)
#define SKEP_SYSCALL_DIRECT(args...) SKEP_PASTE(SKEP_SYSCALL_DIRECT_, SKEP_COUNT(args))(args)
#define SKEP_SYSCALL_WRAPPED_0() ctx
#define SKEP_SYSCALL_WRAPPED_1(a) SKEP_SYSCALL_WRAPPED_0(), (void *)PT_REGS_PARM1_CORE_SYSCALL(regs)
#define SKEP_SYSCALL_WRAPPED_2(a, b) SKEP_SYSCALL_WRAPPED_1(a), (void *)PT_REGS_PARM2_CORE_SYSCALL(regs)
#define SKEP_SYSCALL_WRAPPED_3(a, b, c) SKEP_SYSCALL_WRAPPED_2(a, b), (void *)PT_REGS_PARM3_CORE_SYSCALL(regs)
#define SKEP_SYSCALL_WRAPPED_4(a, b, c, d) SKEP_SYSCALL_WRAPPED_3(a, b, c), (void *)PT_REGS_PARM4_CORE_SYSCALL(regs)
#define SKEP_SYSCALL_WRAPPED_5(a, b, c, d, e) SKEP_SYSCALL_WRAPPED_4(a, b, c, d), (void *)PT_REGS_PARM5_CORE_SYSCALL(regs)
#define SKEP_SYSCALL_WRAPPED_6(a, b, c, d, e, f) SKEP_SYSCALL_WRAPPED_5(a, b, c, d, e), (void *)PT_REGS_PARM6_CORE_SYSCALL(regs)
#define SKEP_SYSCALL_WRAPPED(args...) SKEP_PASTE(SKEP_SYSCALL_WRAPPED_, SKEP_COUNT(args))(args)
#define BPF_KSYSCALL(name, args...)                                            \
	name(struct pt_regs *ctx);                                             \
	static __always_inline typeof(name(0)) SKEP_PASTE(skep_body_, name)(struct pt_regs *ctx, ##args); \
	typeof(name(0)) name(struct pt_regs *ctx)                              \
	{                                                                      \
		struct pt_regs *regs = LINUX_HAS_SYSCALL_WRAPPER ? PT_REGS_SYSCALL_REGS(ctx) : ctx; \
		_Pragma("GCC diagnostic push")                                 \
		_Pragma("GCC diagnostic ignored \"-Wint-conversion\"")         \
		if (LINUX_HAS_SYSCALL_WRAPPER)                                 \
			return SKEP_PASTE(skep_body_, name)(SKEP_SYSCALL_WRAPPED(args)); \
		else                                                           \
			return SKEP_PASTE(skep_body_, name)(SKEP_SYSCALL_DIRECT(args)); \
		_Pragma("GCC diagnostic pop")                                  \
	}                                                                      \
	static __always_inline typeof(name(0)) SKEP_PASTE(skep_body_, name)(struct pt_regs *ctx, ##args)
#define BPF_KPROBE_SYSCALL BPF_KSYSCALL

#endif /* SKEP_BPF_TRACING_H */
