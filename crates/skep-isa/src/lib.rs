//! The BPF instruction set (RFC 9669 and what Linux 6.18 adds): one table, and everything that is read from it.
//!
//! * [`Slot`] is eight bytes as they stand in memory. [`Insn`] is what they mean; it occupies one slot, or two (`lddw`).
//! * [`INSTRUCTIONS`] is the table; [`Form`] numbers its rows, which makes a dense index for dispatch.
//! * [`Insn::decode`], [`decode_program`], [`Insn::encode`]: between the two, strict about every field.
//! * [`semantics`]: what instructions compute, once for the whole project.
//! * [`text`]: assembler, disassembler, listings.
//! * [`cfg`](mod@cfg): the control-flow graph of a program.
//! * [`classic`]: classic BPF and its translation.
//!
//! Invariant: for every slot sequence that [`Insn::decode`] accepts, [`Insn::encode`] gives back the same slots, and
//! [`text::assemble`] gives them back from the text. Nothing here panics on bad input.
//!
//! ```
//! use skep_isa::{Insn, decode_program, text::{Listing, assemble}};
//!
//! let slots = assemble("r0 = *(u8 *)(r1 + 23)\nif r0 != 6 goto out\nr0 = 1\nout: exit")?;
//! let program = decode_program(&slots)?;
//! assert_eq!(program[1].1.to_string(), "if r0 != 6 goto +1");
//! assert_eq!(program[3], (3, Insn::Exit));
//! println!("{}", Listing::new(&slots));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod cfg;
pub mod classic;
mod code;
mod flow;
mod form;
mod insn;
pub mod semantics;
mod slot;
mod table;
pub mod text;

pub use code::{
    DecodeError, DecodeErrorReason, Encoded, FieldName, Instructions, Rules, decode_program, encode_program,
    instructions,
};
pub use flow::RegSet;
pub use form::{CpuVersion, Field, Form, Group, INSTRUCTIONS, Row};
pub use insn::{
    AtomicOp, BinaryOp, CallTarget, Condition, Imm64, Insn, Operand, PacketOffset, Reg, Size, SwapKind, Width,
};
pub use slot::Slot;
