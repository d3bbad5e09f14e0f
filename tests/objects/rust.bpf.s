# What rustc 1.95 makes (--target bpfel-unknown-none --emit asm) of a program in aya's style, without type information:
#
#   #[link_section = "maps"] static COUNTS: Def = Def { kind: 2, key: 4, value: 8, max: 3, flags: 0, id: 0, pinning: 1 };
#   #[link_section = ".rodata"] static LIMIT: u32 = 7;
#   static mut VALUE: u32 = 0;
#   #[inline(never)] fn helper(x: u32) -> u32 { unsafe { VALUE = x; VALUE } }
#   #[link_section = "socket"] extern "C" fn count(_ctx: *const u32) -> u32 { helper(LIMIT) }
	.file	"rust.rs"
	.section	socket,"ax",@progbits
	.globl	count
	.p2align	3
	.type	count,@function
count:
	r1 = 7
	call helper
	r0 = 7
	exit
.Lfunc_end0:
	.size	count, .Lfunc_end0-count

	.section	.text.helper,"ax",@progbits
	.globl	helper
	.p2align	3
	.type	helper,@function
helper:
	r0 = r1
	r1 = VALUE ll
	*(u32 *)(r1 + 0) = r0
	exit
.Lfunc_end1:
	.size	helper, .Lfunc_end1-helper

	.type	COUNTS,@object
	.section	maps,"aR",@progbits,unique,1
	.globl	COUNTS
	.p2align	2, 0x0
COUNTS:
	.asciz	"\002\000\000\000\004\000\000\000\b\000\000\000\003\000\000\000\000\000\000\000\000\000\000\000\001\000\000"
	.size	COUNTS, 28

	.type	LIMIT,@object
	.section	.rodata,"aR",@progbits,unique,2
	.globl	LIMIT
	.p2align	2, 0x0
LIMIT:
	.asciz	"\007\000\000"
	.size	LIMIT, 4

	.type	VALUE,@object
	.section	.bss.VALUE,"aw",@nobits
	.globl	VALUE
	.p2align	2, 0x0
VALUE:
	.zero	4
	.size	VALUE, 4

/* expect:
map .rodata Array key 4 value 4 entries 1 flags 0x80 frozen
map .bss.VALUE Array key 4 value 4 entries 1
map COUNTS Array key 4 value 8 entries 3 pinned
global LIMIT .rodata+0 size 4 untyped = 07000000
global VALUE .bss.VALUE+0 size 4 untyped = 00000000
program count in socket
  type SocketFilter
  functions count Global, helper Global
  refers to .bss.VALUE+0
*/
