//! What is the same about a call on every path: which map it works on, which element, which callback.
//!
//! Whoever runs the program can put the operation of that one map in the place of the call, turn a tail call into a
//! jump that is patched when the array changes (Linux: a poke descriptor), or a `bpf_loop` into a loop.
//!
//! Invariant: a fact holds on paths that were cut short as well. Maps and callbacks are pointers, which are compared
//! exactly; a number is marked precise when it becomes a fact.

use crate::check::arguments::CallFacts;
use crate::domain::register::MapRef;
use crate::domain::state::State;
use crate::output::CallSite;
use crate::verifier::Verifier;
use skep_abi::helper::{HelperFlags, HelperProto};
use skep_isa::{CallTarget, Insn, Reg};

/// A fact that all paths agreed on so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Agreed<T> {
    /// No path came by.
    #[default]
    Unseen,
    /// All say this.
    One(T),
    /// They differ, or one does not know.
    Several,
}

impl<T: Copy + PartialEq> Agreed<T> {
    /// Another path: what it knows.
    pub(crate) fn add(&mut self, known: Option<T>) {
        *self = match (*self, known) {
            (Agreed::Unseen, Some(value)) => Agreed::One(value),
            (Agreed::One(before), Some(value)) if before == value => Agreed::One(value),
            _ => Agreed::Several,
        };
    }

    /// What all paths say.
    pub(crate) fn get(self) -> Option<T> {
        match self {
            Agreed::One(value) => Some(value),
            Agreed::Unseen | Agreed::Several => None,
        }
    }
}

/// What is known of one call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CallKnowledge {
    map: Agreed<MapRef>,
    index: Agreed<u32>,
    callback: Agreed<u16>,
}

/// Where a tail call has its index.
const TAIL_CALL_INDEX: Reg = Reg::R3;
/// Where a loop has its flags.
const LOOP_FLAGS: Reg = Reg::R4;

impl Verifier<'_> {
    /// Notes what this path knows of a call whose arguments were checked.
    pub(crate) fn note_call(&mut self, state: &State, slot: usize, helper: &HelperProto, facts: &CallFacts) {
        let known = &mut self.facts[slot].call;
        // The result of an inner-map lookup has an identity: it is not one map.
        known.map.add(facts.map.filter(|(_, identity)| *identity == 0).map(|(map, _)| map));
        if helper.flags.contains(HelperFlags::TAIL_CALL) {
            let register = state.register(TAIL_CALL_INDEX);
            let index = register.value.as_constant().filter(|_| register.is_scalar());
            known.index.add(index.and_then(|index| u32::try_from(index).ok()));
            if known.index.get().is_some() {
                self.values.mark(register.origin);
            }
        }
        if helper.flags.contains(HelperFlags::CALLBACK_COUNT_IN_R1) {
            let flags = state.register(LOOP_FLAGS);
            known.callback.add(facts.callback.filter(|_| flags.is_null()));
            if known.callback.get().is_some() {
                self.values.mark(flags.origin);
            }
        }
    }

    /// What is known of the calls that are left; `slots` are their places before and after.
    pub(super) fn call_sites(&self, slots: &[u32], insns: &[(usize, Insn)], maps: &[i32]) -> Vec<CallSite> {
        let place = |slot: usize| slots.get(slot).copied().unwrap_or(0);
        let site = |(slot, insn): &(usize, Insn)| {
            let Insn::Call(CallTarget::Helper(helper)) = insn else { return None };
            let known = self.facts[*slot].call;
            let map = known.map.get().and_then(|map| self.maps.fd(map));
            let map = map.and_then(|fd| maps.iter().position(|other| *other == fd));
            Some(CallSite {
                slot: place(*slot),
                helper: u32::try_from(*helper).ok()?,
                map: map.map(|index| index as u32),
                tail_call_index: known.index.get(),
                loop_body: known.callback.get().map(|callback| place(self.code.range(callback.into()).start)),
            })
        };
        insns.iter().filter_map(site).filter(CallSite::says_something).collect()
    }
}
