//! Calls between functions of the program, and the way back.

use super::callback::too_deep;
use crate::domain::register::{Kind, Register};
use crate::domain::state::{CallbackFrame, Frame, MAX_FRAMES, State};
use crate::input::ProgramBtf;
use crate::reason::Reason;
use crate::refusal::{Check, EINVAL, Refusal};
use crate::verifier::Verifier;
use skep_isa::Reg;
use std::rc::Rc;

impl Verifier<'_> {
    /// A call of a subprogram.
    pub(crate) fn call_subprogram(&mut self, state: &mut State, slot: usize, offset: i32) -> Check {
        let target = slot as i64 + 1 + i64::from(offset);
        let subprogram = usize::try_from(target).ok().and_then(|t| self.code.subprogram_at(t));
        let Some(subprogram) = subprogram else { return Reason::ControlFlow.invalid("call to invalid destination") };
        if self.signatures.is_global(subprogram) {
            return self.call_global(state, slot, subprogram);
        }
        if state.frames.len() >= MAX_FRAMES {
            return Err(too_deep(state.frames.len() + 1));
        }
        let index = state.frames.len();
        let mut frame = Frame::new(index, subprogram as u16, slot);
        frame.registers[1..=5].copy_from_slice(&state.frame().registers[1..=5]);
        self.clobber_caller_saved(state);
        state.frames.push(Rc::new(frame));
        // A fresh stack: nothing there was read before.
        state.written[index] = u64::MAX;
        state.slot = self.code.range(subprogram).start;
        Ok(())
    }

    /// A global function is verified by itself: here only its arguments count, and its result is any number.
    fn call_global(&mut self, state: &mut State, slot: usize, subprogram: usize) -> Check {
        if !state.locks.is_empty() {
            return Err(Refusal::new(EINVAL, "use static function instead")
                .of(Reason::Lock)
                .after("global function calls are not allowed while holding a lock,"));
        }
        self.check_global_may_sleep(state, subprogram)?;
        self.check_global_arguments(state, subprogram).map_err(|refusal| {
            let name = self.signatures.name(subprogram).unwrap_or("?");
            let message = format!("Caller passes invalid args into func#{subprogram} ('{name}')");
            Refusal { message, before: vec![refusal.message], ..refusal }
        })?;
        self.globals_called.insert(subprogram);
        self.log.assumed_valid(subprogram, self.signatures.name(subprogram).unwrap_or("?"));
        self.clobber_caller_saved(state);
        if !self.signatures.returns_nothing(subprogram) {
            state.set(Reg::R0, Register::UNKNOWN);
        }
        if self.effects.changes_packet(subprogram) {
            self.forget_packet_pointers(state);
        }
        state.slot = slot + 1;
        Ok(())
    }

    /// `exit` in a called function. `true`: back in the caller, whose next instruction is set.
    pub(crate) fn leave_function(&mut self, state: &mut State) -> Check {
        let frame = state.frame().clone();
        let result = frame.registers[0];
        if matches!(result.kind, Kind::Stack(_)) {
            return Reason::StackMisuse.invalid("cannot return stack pointer to the caller");
        }
        match frame.callback {
            Some(callback) => {
                self.check_callback_result(&result, callback, "At callback return")?;
                state.frames.pop();
                state.frame_mut().callback_depth += 1;
                // The helper may call again.
                state.slot = frame.call_site;
                self.widen_since_last_visit(state, state.parent);
            }
            None => {
                state.frames.pop();
                state.set(Reg::R0, result);
                state.slot = frame.call_site + 1;
            }
        }
        let depth = state.frames.len();
        state.written[depth] = u64::MAX;
        // Pointers into the frame that is gone are worth nothing.
        state.change_each(
            |r| matches!(r.kind, Kind::Stack(f) if usize::from(f) >= depth),
            |r| *r = Register::UNINITIALISED,
        );
        Ok(())
    }

    /// The range of values a callback may return.
    pub(crate) fn check_callback_result(&mut self, result: &Register, callback: CallbackFrame, context: &str) -> Check {
        if !result.is_scalar() {
            if !result.is_initialised() {
                return Reason::UninitialisedRegister.denied("R0 !read_ok");
            }
            return Reason::ReturnRange
                .denied(format!("R0 not a scalar value at callback return ({})", result.type_name()));
        }
        self.values.mark(result.origin);
        self.check_range(Reg::R0, result, callback.returns, context)
    }
}

/// Names and kinds of the functions of a program.
#[derive(Debug, Default)]
pub(crate) struct Signatures {
    functions: Vec<Signature>,
}

/// One function, as its BTF describes it.
#[derive(Clone, Debug, Default)]
struct Signature {
    name: Option<String>,
    global: bool,
    returns_nothing: bool,
}

impl Signatures {
    /// Reads what the program's BTF says of its functions.
    pub(crate) fn new(btf: Option<&ProgramBtf<'_>>, code: &crate::cfg::Code) -> Self {
        let functions = (0..code.subprograms()).map(|subprogram| {
            let start = code.range(subprogram).start as u32;
            let mut signature = btf.and_then(|btf| describe(btf, start)).unwrap_or_default();
            signature.global &= subprogram != 0;
            signature
        });
        Signatures { functions: functions.collect() }
    }

    /// Its name.
    pub(crate) fn name(&self, subprogram: usize) -> Option<&str> {
        self.functions.get(subprogram)?.name.as_deref()
    }

    /// Whether it is verified by itself.
    pub(crate) fn is_global(&self, subprogram: usize) -> bool {
        self.functions.get(subprogram).is_some_and(|f| f.global)
    }

    pub(crate) fn returns_nothing(&self, subprogram: usize) -> bool {
        self.functions.get(subprogram).is_some_and(|f| f.returns_nothing)
    }
}

fn describe(program: &ProgramBtf<'_>, start: u32) -> Option<Signature> {
    use skep_btf::{FunctionLinkage, Type};
    let (_, id) = program.functions.iter().find(|(slot, _)| *slot == start)?;
    let Type::Function(function) = program.btf.ty(*id) else { return None };
    let Type::FunctionPrototype(prototype) = program.btf.ty(function.prototype) else { return None };
    Some(Signature {
        name: Some(program.btf.str(function.name).to_owned()),
        global: function.linkage == FunctionLinkage::Global,
        returns_nothing: prototype.ret.is_void(),
    })
}
