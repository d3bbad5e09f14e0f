//! Linux's rules for classic programs (`bpf_check_classic`, as of 6.18).

use super::{ANCILLARY_OFFSET, Ancillary, ClassicInsn, ClassicOperand, ClassicOperation};
use crate::insn::BinaryOp;

/// `BPF_MAXINSNS`: a program's greatest length.
pub const MAX_LEN: usize = 4096;

/// `BPF_MEMWORDS`: how many memory words there are.
pub(super) const MEMORY_WORDS: usize = 16;

/// Why Linux would refuse a program (with `EINVAL`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("instruction {at}: {reason}")]
pub struct CheckError {
    /// Number of the instruction; of none in particular for the length.
    pub at: usize,
    /// What is wrong with it.
    pub reason: CheckErrorReason,
}

/// What is wrong with a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum CheckErrorReason {
    /// No instructions, or more than [`MAX_LEN`].
    #[error("a program has 1 to {MAX_LEN} instructions, not {0}")]
    Length(usize),
    /// A code Linux does not take.
    #[error("unknown code {0:#x}")]
    Code(u16),
    /// Division by the constant zero.
    #[error("division by zero")]
    DivisionByZero,
    /// A constant shift by 32 or more.
    #[error("shift by {0}; registers have 32 bits")]
    Shift(u32),
    /// A memory word above 15.
    #[error("M[{0}] does not exist; there are M[0] to M[15]")]
    MemoryWord(u32),
    /// A jump past the last instruction.
    #[error("jump to instruction {0}, past the end")]
    Jump(u64),
    /// An offset beyond any packet that names no ancillary data.
    #[error("no ancillary data at offset {0:#x}")]
    Ancillary(u32),
    /// The last instruction does not return.
    #[error("the last instruction must return")]
    NoReturn,
    /// A memory word read that some path has not written.
    #[error("M[{0}] may be read before it is written")]
    Unwritten(u32),
}

/// A program that passed [`check`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked<'a> {
    program: &'a [ClassicInsn],
}

impl<'a> Checked<'a> {
    /// Its instructions.
    pub fn program(self) -> &'a [ClassicInsn] {
        self.program
    }

    /// Its instructions' meanings.
    pub(super) fn operations(self) -> impl Iterator<Item = (ClassicInsn, ClassicOperation)> {
        self.program.iter().filter_map(|insn| Some((*insn, insn.operation()?)))
    }
}

/// Applies Linux's rules for socket filters.
///
/// # Errors
/// The first rule that the program breaks.
pub fn check(program: &[ClassicInsn]) -> Result<Checked<'_>, CheckError> {
    let error = |at, reason| Err(CheckError { at, reason });
    if program.is_empty() || program.len() > MAX_LEN {
        return error(0, CheckErrorReason::Length(program.len()));
    }
    for (at, insn) in program.iter().enumerate() {
        if let Err(reason) = check_one(insn, at, program.len()) {
            return error(at, reason);
        }
    }
    let last = program.len() - 1;
    if !matches!(program[last].operation(), Some(ClassicOperation::ReturnK | ClassicOperation::ReturnA)) {
        return error(last, CheckErrorReason::NoReturn);
    }
    let checked = Checked { program };
    check_memory(checked)?;
    Ok(checked)
}

fn check_one(insn: &ClassicInsn, at: usize, len: usize) -> Result<(), CheckErrorReason> {
    let operation = insn.operation().ok_or(CheckErrorReason::Code(insn.code))?;
    let jump = |distance: u32| {
        let target = at as u64 + 1 + u64::from(distance);
        if target < len as u64 { Ok(()) } else { Err(CheckErrorReason::Jump(target)) }
    };
    match operation {
        ClassicOperation::Alu(BinaryOp::Div | BinaryOp::Mod, ClassicOperand::K) if insn.k == 0 => {
            Err(CheckErrorReason::DivisionByZero)
        }
        ClassicOperation::Alu(BinaryOp::Lsh | BinaryOp::Rsh, ClassicOperand::K) if insn.k >= 32 => {
            Err(CheckErrorReason::Shift(insn.k))
        }
        ClassicOperation::LoadMemory(_) | ClassicOperation::Store(_) if insn.k as usize >= MEMORY_WORDS => {
            Err(CheckErrorReason::MemoryWord(insn.k))
        }
        ClassicOperation::Jump => jump(insn.k),
        ClassicOperation::JumpIf(..) => jump(insn.jt.into()).and(jump(insn.jf.into())),
        ClassicOperation::LoadAbsolute(_) if insn.k >= ANCILLARY_OFFSET && Ancillary::of(insn).is_none() => {
            Err(CheckErrorReason::Ancillary(insn.k))
        }
        _ => Ok(()),
    }
}

/// Jumps lead only forwards, so one pass sees every path: `written[i]` holds a bit for each memory word that all paths to
/// instruction `i` write.
fn check_memory(checked: Checked<'_>) -> Result<(), CheckError> {
    let mut written = vec![u16::MAX; checked.program.len()];
    written[0] = 0;
    for (at, (insn, operation)) in checked.operations().enumerate() {
        let mut now = written[at];
        let mut flow = |distance: u32, now: u16| {
            if let Some(target) = written.get_mut(at + 1 + distance as usize) {
                *target &= now;
            }
        };
        match operation {
            ClassicOperation::Store(_) => {
                now |= 1 << insn.k;
                flow(0, now);
            }
            ClassicOperation::LoadMemory(_) if now & 1 << insn.k == 0 => {
                return Err(CheckError { at, reason: CheckErrorReason::Unwritten(insn.k) });
            }
            ClassicOperation::Jump => flow(insn.k, now),
            ClassicOperation::JumpIf(..) => {
                flow(insn.jt.into(), now);
                flow(insn.jf.into(), now);
            }
            // Linux goes on past a return as if it were passed.
            _ => flow(0, now),
        }
    }
    Ok(())
}
