//! What an instruction demands before it may run, stated before anything is checked.
//!
//! Registers come first: what is read must hold something, what is written must not be the frame pointer. The demands
//! on memory and on calls are stated as [`Access`] and by the helper table; the checkers under [`crate::check`]
//! discharge them.

use crate::check::memory::{Access, Mode, Stored};
use crate::domain::state::State;
use crate::reason::Reason;
use crate::refusal::{Check, EACCES, Refusal};
use skep_isa::{Insn, Operand, Reg, Size};

/// One demand on a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Obligation {
    /// It must hold something.
    Initialised(Reg),
    /// It may be assigned.
    Assignable(Reg),
}

/// The demands of an instruction on registers, in the order in which they are checked.
pub(crate) fn obligations(insn: &Insn) -> impl Iterator<Item = Obligation> {
    // Calls demand what their callee's signature says; `exit` what the function returns.
    let by_callee = matches!(insn, Insn::Call(_) | Insn::CallReg(_) | Insn::Exit);
    let packet_load = matches!(insn, Insn::LoadPacket { .. });
    let (reads, writes) = (insn.reads(), insn.writes());
    let first = source_first(insn);
    let reads = first.into_iter().chain(reads.iter().filter(move |r| Some(*r) != first));
    let reads = reads.filter(move |_| !by_callee).map(Obligation::Initialised);
    let writes = writes.iter().filter(move |_| !by_callee && !packet_load).map(Obligation::Assignable);
    reads.chain(writes)
}

/// Linux looks at the source operand first.
fn source_first(insn: &Insn) -> Option<Reg> {
    match insn {
        Insn::Alu { src: Operand::Reg(reg), .. }
        | Insn::JumpIf { src: Operand::Reg(reg), .. }
        | Insn::Store { src: Operand::Reg(reg), .. } => Some(*reg),
        Insn::Atomic { src, .. } | Insn::StoreRelease { src, .. } => Some(*src),
        _ => None,
    }
}

/// Whether a state meets a demand.
pub(crate) fn discharge(state: &State, obligation: Obligation) -> Check {
    match obligation {
        Obligation::Initialised(reg) if !state.register(reg).is_initialised() => {
            Err(Refusal::new(EACCES, format!("R{} !read_ok", reg.number()))
                .of(Reason::UninitialisedRegister)
                .hint(format!("r{} holds nothing here: set it on every path that leads here", reg.number())))
        }
        Obligation::Assignable(Reg::R10) => Reason::ReadOnly.denied("frame pointer is read only"),
        _ => Ok(()),
    }
}

/// The memory that a load or store demands.
pub(crate) fn access(base: Reg, offset: i16, size: Size, mode: Mode) -> Access {
    Access { base, offset: offset.into(), size: size.bytes().into(), mode, aligned: false }
}

/// What a store writes.
pub(crate) fn stored(src: Operand) -> Stored {
    match src {
        Operand::Reg(reg) => Stored::Register(reg),
        Operand::Imm(imm) => Stored::Constant(imm),
    }
}
