//! Exceptions: `bpf_throw` ends the program from wherever it is called, through all frames.
//!
//! The value thrown goes to the program's exception callback, a global function that a declaration tag of the main
//! program names, and what that returns is the program's result; without one the value itself is. Nothing unwinds
//! references, locks or sections, so nothing may be held. Source: `check_kfunc_call`, `bpf_find_exception_callback_insn_off`
//! and `check_max_stack_depth_subprog` in Linux 6.18.

use super::global::GlobalArgument;
use crate::domain::state::State;
use crate::input::ProgramBtf;
use crate::refusal::{Check, EEXIST, EINVAL, ENOENT, Refusal, invalid};
use crate::verifier::Verifier;
use skep_btf::{FunctionLinkage, Kind as BtfKind, Type};
use skep_isa::{Insn, Reg};

/// What the tag that names the exception callback begins with.
const CALLBACK_TAG: &str = "exception_callback:";

/// The slot where the program's exception callback begins, if it has one.
pub(crate) fn callback_slot(program: Option<&ProgramBtf<'_>>) -> Check<Option<usize>> {
    let Some(program) = program else { return Ok(None) };
    let (btf, Some((_, main))) = (program.btf, program.functions.first()) else { return Ok(None) };
    let mut names = btf.own_types().filter_map(|(_, ty)| match ty {
        Type::DeclTag(tag) if tag.target == *main && tag.component.is_none() => {
            btf.str(tag.name).strip_prefix(CALLBACK_TAG)
        }
        _ => None,
    });
    let Some(name) = names.next() else { return Ok(None) };
    if names.next().is_some() {
        return Err(Refusal::new(EEXIST, "multiple exception callback tags for main subprog"));
    }
    let Some(function) = btf.find(BtfKind::Function, name) else {
        return Err(Refusal::new(ENOENT, format!("exception callback '{name}' could not be found in BTF")));
    };
    match btf.ty(function) {
        Type::Function(about) if about.linkage == FunctionLinkage::Global => {}
        _ => return invalid(format!("exception callback '{name}' must have global linkage")),
    }
    match program.functions.iter().find(|(_, id)| *id == function) {
        None => invalid("exception callback type id not found in func_info"),
        Some((0, _)) => invalid("invalid exception callback insn_off in func_info: 0"),
        Some((slot, _)) => Ok(Some(*slot as usize)),
    }
}

impl Verifier<'_> {
    /// Ends the path: the value in r1 is thrown.
    pub(crate) fn throw(&mut self, state: &mut State) -> Check {
        if self.exception_callback.is_none() {
            self.check_program_result(state, Reg::R1)?;
        }
        self.check_nothing_left(state, "bpf_throw")
    }

    /// The exception callback takes a number and gives one.
    pub(crate) fn check_exception_callback(&self, subprogram: usize, arguments: &[GlobalArgument]) -> Check {
        if self.exception_callback != Some(subprogram) {
            return Ok(());
        }
        if arguments != [GlobalArgument::Number] {
            return invalid("exception cb only supports single integer argument");
        }
        Ok(())
    }

    /// Only the kernel calls the exception callback.
    pub(crate) fn check_not_called(&self, callback: usize) -> Check {
        let start = self.code.range(callback).start as i64;
        let call = self.code.iter().find(|(slot, insn)| {
            matches!(insn, Insn::Call(_)) && crate::cfg::successors(*slot, insn).callee == Some(start)
        });
        match call {
            None => Ok(()),
            Some((slot, _)) => {
                Err(Refusal::new(EINVAL, format!("insn {slot} cannot call exception cb directly")).at(slot))
            }
        }
    }

    /// A callback's frame lies on the kernel's: nothing may be thrown through it.
    pub(crate) fn check_throws(&self, chain: &[usize]) -> Check {
        let Some(subprogram) = chain.last() else { return Ok(()) };
        let inside = |at: &usize| self.callbacks.contains(at) || self.exception_callback == Some(*at);
        if !chain.iter().any(inside) {
            return Ok(());
        }
        let throws = |slot: &usize| self.code.get(*slot).is_some_and(|insn| self.kfuncs.throws(insn));
        match self.code.range(*subprogram).find(throws) {
            None => Ok(()),
            Some(slot) => Err(Refusal::new(
                EINVAL,
                format!("bpf_throw kfunc (insn {slot}) cannot be called from callback subprog {subprogram}"),
            )
            .at(slot)),
        }
    }
}
