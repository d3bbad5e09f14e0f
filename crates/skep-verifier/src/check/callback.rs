//! Callbacks: functions of the program that a helper calls.
//!
//! A synchronous callback may run any number of times. Its frame returns to the call itself, which is then looked at
//! again; this ends when the state there is one that was seen before, numbers that never decide anything widened.

use super::arguments::CallFacts;
use crate::domain::register::{Kind, MapRef, PointerFlags, Register};
use crate::domain::state::{CallbackFrame, CallbackKind, Frame, MAX_FRAMES, State};
use crate::reason::Reason;
use crate::refusal::{Check, E2BIG, EFAULT, Refusal, invalid};
use crate::verifier::Verifier;
use skep_abi::helper::{Callback, CallbackArg, DynptrKind, HelperFlags, HelperProto};
use skep_isa::Reg;
use std::rc::Rc;

impl Verifier<'_> {
    /// Puts the path into the callback aside to be explored; the caller goes on as if the helper had returned.
    pub(crate) fn start_callback(
        &mut self,
        state: &mut State,
        slot: usize,
        helper: &'static HelperProto,
        facts: &CallFacts,
    ) -> Check {
        let (Some(subprogram), Some(callback)) = (facts.callback, &helper.callback) else { return Ok(()) };
        self.callbacks.insert(subprogram.into());
        if helper.flags.contains(HelperFlags::ASYNC_CALLBACK) {
            return self.start_later(state, slot, subprogram, callback, facts);
        }
        if helper.flags.contains(HelperFlags::CALLBACK_COUNT_IN_R1) {
            let count = *state.register(Reg::R1);
            if !count.is_scalar() {
                // Linux looks for where the number came from, and takes it for a fault of its own that there is none.
                return Err(
                    Refusal::new(EFAULT, "verifier bug: backtracking misuse").hint("the number of rounds is a pointer")
                );
            }
            self.values.mark(count.origin);
            if u64::from(state.frame().callback_depth) >= count.value.umax {
                state.frame_mut().callback_depth = 0;
                return Ok(());
            }
        }
        let mut frame = Frame::new(state.frames.len(), subprogram, slot);
        frame.callback = Some(CallbackFrame { returns: callback.returns, kind: CallbackKind::Now });
        self.set_arguments(&mut frame, state, callback, facts)?;
        self.enter_callback(state, slot, frame)
    }

    /// Puts a state aside in which a callback has just been called. The caller goes on with none of its rounds counted:
    /// its next loop has all of its own.
    pub(crate) fn enter_callback(&mut self, state: &mut State, slot: usize, frame: Frame) -> Check {
        if state.frames.len() >= MAX_FRAMES {
            return Err(too_deep(state.frames.len() + 1));
        }
        let mut inside = state.clone();
        let index = inside.frames.len();
        inside.slot = self.code.range(frame.subprogram.into()).start;
        inside.frames.push(Rc::new(frame));
        inside.written[index] = u64::MAX;
        state.frame_mut().callback_depth = 0;
        self.put_aside(inside, slot)
    }

    /// A callback that runs later is a program of its own.
    fn start_later(
        &mut self,
        state: &State,
        slot: usize,
        subprogram: u16,
        callback: &'static Callback,
        facts: &CallFacts,
    ) -> Check {
        let map = facts.map.or(facts.timer_map);
        let mut frame = Frame::new(0, subprogram, usize::MAX);
        frame.callback = Some(CallbackFrame { returns: callback.returns, kind: CallbackKind::Later });
        self.set_arguments(&mut frame, state, callback, facts)?;
        self.enter_later(state, slot, map.map(|(map, _)| map), frame, false)
    }

    /// Puts the state aside in which a callback begins that runs later; once for each call and map.
    /// Whether it may sleep is for whoever calls it to say, not for the program that sets it.
    pub(crate) fn enter_later(
        &mut self,
        state: &State,
        slot: usize,
        map: Option<MapRef>,
        frame: Frame,
        sleepable: bool,
    ) -> Check {
        let subprogram = frame.subprogram;
        if !self.later.insert((slot, subprogram, map)) {
            return Ok(());
        }
        let mut later = State::new(subprogram, self.code.range(subprogram.into()).start);
        later.sleepable = sleepable;
        later.later_entries = state.later_entries + 1;
        *later.frame_mut() = frame;
        later.step = state.step;
        later.visit = state.visit;
        // Its parent keeps the tree of states whole.
        later.parent = state.parent;
        self.put_aside(later, slot)
    }

    fn set_arguments(&mut self, frame: &mut Frame, caller: &State, callback: &Callback, facts: &CallFacts) -> Check {
        for (index, argument) in callback.args.iter().enumerate() {
            let Some(reg) = Reg::new(index as u8 + 1) else { break };
            frame.registers[reg.index()] = self.callback_argument(argument, caller, facts)?;
        }
        Ok(())
    }

    fn callback_argument(&mut self, argument: &CallbackArg, caller: &State, facts: &CallFacts) -> Check<Register> {
        let map = facts.map.or(facts.timer_map);
        let with_map = |kind: fn(MapRef) -> Kind| match map {
            Some((map, identity)) => Ok(Register { map_identity: identity, ..Register::pointer(kind(map)) }),
            None => invalid("the callback's map is not known"),
        };
        Ok(match argument {
            CallbackArg::MapPtr => with_map(Kind::Map)?,
            CallbackArg::MapKey => with_map(Kind::MapKey)?,
            CallbackArg::MapValue => {
                let mut value = with_map(Kind::MapValue)?;
                if let Kind::MapValue(map) = value.kind
                    && self.values_have_lock(map)
                {
                    value.id = self.new_id();
                }
                value
            }
            CallbackArg::HelperArg(number) => {
                Reg::new(*number).map_or(Register::UNINITIALISED, |reg| *caller.register(reg))
            }
            CallbackArg::Number => Register::UNKNOWN,
            CallbackArg::BtfPtr(name) => self.kernel_object(name)?.with_flags(PointerFlags::TRUSTED),
            CallbackArg::Dynptr => Register::constant_dynptr(DynptrKind::Local, self.new_id()),
        })
    }
}

pub(crate) fn too_deep(frames: usize) -> Refusal {
    Refusal::new(E2BIG, format!("the call stack of {frames} frames is too deep"))
        .of(Reason::CallDepth)
        .hint("functions may nest eight deep and may not call themselves")
}
