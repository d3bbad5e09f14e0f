//! How much stack call chains use together.

use crate::check::stack::StackRange;
use crate::reason::Reason;
use crate::refusal::{Check, E2BIG, EACCES, Refusal};
use crate::verifier::Verifier;
use skep_isa::{CallTarget, Imm64, Insn};

/// Bytes of stack all frames of a call chain may use together.
const CHAIN_BYTES: u32 = 512;
/// Frames in a chain.
const CHAIN_FRAMES: usize = 8;
/// What a chain above a tail call may use.
const TAIL_CALL_BYTES: u32 = 256;

impl Verifier<'_> {
    /// Remembers how deep a function's stack was touched.
    pub(crate) fn note_stack_depth(&mut self, range: StackRange) {
        // Which function owns the frame is known to the caller's state; the deepest use per frame is enough for it.
        if let Some(owner) = self.frame_owners.get(range.frame)
            && let Some(depth) = self.stack_depth.get_mut(usize::from(*owner))
        {
            *depth = (*depth).max((-range.min).unsigned_abs() as u16);
            if let Some(slot) = self.exploration.current {
                self.fast_calls.note_access((*owner).into(), slot, range.min);
            }
        }
    }

    /// Checks every call chain.
    pub(crate) fn check_stack_depths(&mut self) -> Check {
        let mut chain = Vec::new();
        self.chain_depth(0, 0, &mut chain)?;
        if let Some(callback) = self.exception_callback {
            self.check_not_called(callback)?;
            self.chain_depth(callback, 0, &mut Vec::new())?;
        }
        for subprogram in self.later.iter().map(|(_, subprogram, _)| usize::from(*subprogram)).collect::<Vec<_>>() {
            self.chain_depth(subprogram, 0, &mut Vec::new())?;
        }
        Ok(())
    }

    fn chain_depth(&mut self, subprogram: usize, above: u32, chain: &mut Vec<usize>) -> Check {
        chain.push(subprogram);
        let own = self.fast_calls.counted_bytes(subprogram, self.stack_depth[subprogram]).next_multiple_of(16);
        let depth = above + own;
        if depth > CHAIN_BYTES {
            return Err(Refusal::new(
                EACCES,
                format!("combined stack size of {} calls is {depth}. Too large", chain.len()),
            )
            .of(Reason::StackTooDeep)
            .hint("move large variables into a map value"));
        }
        if chain.len() > CHAIN_FRAMES {
            return Err(Refusal::new(E2BIG, format!("the call stack of {} frames is too deep !", chain.len() - 1))
                .of(Reason::CallDepth));
        }
        self.deepest_chain = self.deepest_chain.max(depth);
        self.check_throws(chain)?;
        let callees: Vec<usize> = self.callees(subprogram).collect();
        if above >= TAIL_CALL_BYTES && self.makes_tail_calls(subprogram) {
            return Err(Refusal::new(
                EACCES,
                format!("tail_calls are not allowed when call stack of previous frames is {above} bytes. Too large"),
            )
            .of(Reason::StackTooDeep));
        }
        for callee in callees {
            self.chain_depth(callee, depth, chain)?;
        }
        chain.pop();
        Ok(())
    }

    /// Functions called, and those passed to helpers that call them while the caller's frame lives.
    fn callees(&self, subprogram: usize) -> impl Iterator<Item = usize> + '_ {
        let range = self.code.range(subprogram);
        range.filter_map(|slot| {
            if !self.facts[slot].seen {
                return None;
            }
            let offset = match self.code.get(slot)? {
                Insn::Call(CallTarget::Subprogram { offset }) => *offset,
                Insn::LoadImm64 { imm: Imm64::Function { offset }, .. } => *offset,
                _ => return None,
            };
            let target = slot as i64 + 1 + i64::from(offset);
            let callee = self.code.subprogram_at(usize::try_from(target).ok()?)?;
            let later = self.later.iter().any(|(_, later, _)| usize::from(*later) == callee);
            let taken = matches!(self.code.get(slot)?, Insn::LoadImm64 { .. });
            (!(later && taken)).then_some(callee)
        })
    }

    fn makes_tail_calls(&self, subprogram: usize) -> bool {
        self.code.range(subprogram).filter_map(|slot| self.code.get(slot)).any(is_tail_call)
    }

    /// Says whose frames the state has that is about to be looked at.
    pub(crate) fn note_frame_owners(&mut self, state: &crate::domain::state::State) {
        self.frame_owners.clear();
        self.frame_owners.extend(state.frames.iter().map(|f| f.subprogram));
    }
}

/// Whether it calls a helper that goes on in another program.
pub(crate) fn is_tail_call(insn: &Insn) -> bool {
    let Insn::Call(CallTarget::Helper(id)) = insn else { return false };
    let helper = u32::try_from(*id).ok().and_then(crate::tables::helper);
    helper.is_some_and(|h| h.flags.contains(skep_abi::helper::HelperFlags::TAIL_CALL))
}
