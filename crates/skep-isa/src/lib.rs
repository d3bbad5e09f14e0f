//! The BPF instruction set (RFC 9669 and what Linux 6.18 adds): one table, and everything that is read from it.
//!
//! * [`Slot`] is eight bytes as they stand in memory. [`Insn`] is what they mean.
//! * An instruction occupies one slot, or two (`lddw`).
//!
//! Invariant: for every slot sequence that [`Insn::decode`] accepts, [`Insn::encode`] gives back the same bytes.
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
