//! What functions of a program may do wherever they are called from: sleep, move packets.
//!
//! Known from the code alone, before any path is explored: a function may do what its instructions may, and what the
//! functions it calls or takes the address of may. Source: `merge_callee_effects` in `kernel/bpf/verifier.c`.

use crate::cfg::{Code, successors};
use crate::check::kfunc_signature::KfuncTable;
use crate::tables;
use skep_abi::helper::HelperFlags;
use skep_abi::kfunc::{KfuncFlags, KfuncRule};
use skep_isa::{CallTarget, Insn};

/// What one function may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Effect {
    sleeps: bool,
    moves_packets: bool,
}

impl Effect {
    fn or(self, other: Effect) -> Effect {
        Effect { sleeps: self.sleeps || other.sleeps, moves_packets: self.moves_packets || other.moves_packets }
    }
}

/// What each function of a program may do.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    functions: Vec<Effect>,
}

impl Effects {
    /// Looks at all instructions.
    pub(crate) fn new(code: &Code, kfuncs: &KfuncTable) -> Self {
        let mut functions: Vec<Effect> = (0..code.subprograms())
            .map(|at| {
                let insns = code.range(at).filter_map(|slot| code.get(slot));
                insns.fold(Effect::default(), |effect, insn| effect.or(own_effect(insn, kfuncs)))
            })
            .collect();
        let callees: Vec<(usize, usize)> = (0..code.subprograms())
            .flat_map(|at| code.range(at).map(move |slot| (at, slot)))
            .filter_map(|(at, slot)| {
                let callee = usize::try_from(successors(slot, code.get(slot)?).callee?).ok()?;
                Some((at, code.subprogram_at(callee)?))
            })
            .collect();
        let mut changed = true;
        while changed {
            changed = false;
            for (caller, callee) in &callees {
                let joined = functions[*caller].or(functions[*callee]);
                changed |= joined != functions[*caller];
                functions[*caller] = joined;
            }
        }
        Effects { functions }
    }

    /// Whether a function may sleep.
    pub(crate) fn might_sleep(&self, subprogram: usize) -> bool {
        self.functions.get(subprogram).is_some_and(|f| f.sleeps)
    }

    /// Whether a function may move packets, so that pointers into them are worth nothing afterwards.
    pub(crate) fn changes_packet(&self, subprogram: usize) -> bool {
        self.functions.get(subprogram).is_some_and(|f| f.moves_packets)
    }
}

fn own_effect(insn: &Insn, kfuncs: &KfuncTable) -> Effect {
    match insn {
        Insn::Call(CallTarget::Helper(id)) => {
            let helper = u32::try_from(*id).ok().and_then(tables::helper);
            let has = |flag| helper.is_some_and(|helper| helper.flags.contains(flag));
            Effect { sleeps: has(HelperFlags::MIGHT_SLEEP), moves_packets: has(HelperFlags::CHANGES_PACKET) }
        }
        insn => Effect {
            sleeps: kfuncs.calls(insn, KfuncFlags::SLEEPABLE),
            moves_packets: kfuncs.rule(insn) == Some(KfuncRule::ChangesPacket),
        },
    }
}
