//! Text of programs, in the notation of LLVM and the kernel.
//!
//! * [`Insn`](crate::Insn) implements `Display`; [`Insn::text`](crate::Insn::text) takes a style.
//! * [`Listing`] prints a whole program with slot numbers and labels.
//! * [`assemble`] reads what both print, with labels, comments and names besides.
//!
//! All are driven by the text column of the instruction table, so what is printed is what is read.
//!
//! # Notation
//!
//! | text | meaning |
//! |---|---|
//! | `r1`, `w1` | a register, its lower half |
//! | `r0 = *(u8 *)(r1 + 23)` | load; `w0 = …` is read too, as LLVM prints it from cpu v3 on |
//! | `goto +3`, `goto pc+3`, `goto done` | jump, by slots from the next one or to a label |
//! | `r1 = map[fd:4] ll`, `map[fd:4][0]+8` | a map, the address of its value and an offset |
//! | `r1 = map[idx:0] ll`, `map[0]`, `map[0][0]+8` | the same by index in `fd_array` |
//! | `r1 = map[counts] ll` | the same by name, through [`Names::map`] |
//! | `r1 = btf[id:7,fd:0] ll` | a kernel variable by BTF id |
//! | `r1 = subprog[+4] ll`, `subprog[callback]` | the address of a subprogram |
//! | `call 12`, `call bpf_tail_call` | a helper by number, or by name through [`Names::helper`] |
//! | `call pc+4`, `call parse` | a subprogram |
//! | `call kfunc[id:9,btf:0]` | a kernel function; by name through [`Names::kfunc`] |
//! | `name:` | a label, alone or before an instruction |
//! | `12: r0 = 0` | a slot number in front is checked |
//! | `.slot 0xff, 0, 0, 0, 0` | opcode, dst, src, offset, imm of a slot, whatever they are |
//! | `; …`, `# …`, `// …` | a comment |

mod assemble;
mod display;
mod linux;
mod listing;
mod statement;
mod template;
mod token;

pub use assemble::{AssembleError, Assembly, Names, NoNames, assemble, assemble_with};
pub use display::{Style, Text};
pub use linux::LinuxText;
pub use listing::Listing;
