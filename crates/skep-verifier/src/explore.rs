//! Exploration: every path, depth first, one instruction at a time.
//!
//! States wait in a stack. Before certain instructions the state is compared with states kept there
//! ([`crate::prune`]); a path ends where an equal state was found safe, at `exit`, or at a refusal.

use crate::branch::{Branch, Ways};
use crate::check::memory::{Access, Mode};
use crate::check::speculation::{Barrier, stops_at_barrier};
use crate::checkpoints::Checkpoints;
use crate::domain::register::{Kind, Register};
use crate::domain::state::State;
use crate::obligations::{access, discharge, obligations, stored};
use crate::observe::{Explored, StateView};
use crate::prune::Visit;
use crate::reason::Reason;
use crate::refusal::{Check, E2BIG, Refusal};
use crate::report::Names;
use crate::verifier::Verifier;
use skep_isa::{CallTarget, Insn, PacketOffset, Reg};

/// What exploration keeps.
#[derive(Debug, Default)]
pub(crate) struct Exploration {
    /// States to be explored, with the slot of the branch that put them aside.
    pending: Vec<State>,
    /// States kept for comparison.
    pub(crate) checkpoints: Checkpoints,
    /// Instructions processed.
    pub(crate) processed: u32,
    /// Jumps processed.
    pub(crate) jumps: u32,
    /// Steps of paths: a slot and the index of the step before; for reports.
    steps: Vec<(u32, u32)>,
    /// Slot that is being looked at.
    pub(crate) current: Option<usize>,
    /// The state in which a refusal came, for reports.
    pub(crate) refused: Option<State>,
    /// The state that was being looked at when a refusal came, for reports.
    pub(crate) last_step: u32,
}

/// Longest path reported.
const MAX_REPORTED_PATH: usize = 4096;

/// Where a path goes.
enum Flow {
    /// To the slot that the state names.
    On,
    /// Nowhere.
    Ends,
}

impl Verifier<'_> {
    /// The state in which the main program starts.
    pub(crate) fn main_entry(&mut self) -> State {
        let mut state = State::new(0, 0);
        state.sleepable = self.program.sleepable;
        state.set(Reg::R1, Register::pointer(Kind::Context));
        self.take_counted_arguments(&mut state);
        state
    }

    /// Explores everything that can be reached from a state.
    pub(crate) fn explore(&mut self, entry: State) -> Check {
        self.exploration.checkpoints.clear();
        self.exploration.pending.push(entry);
        while let Some(mut state) = self.exploration.pending.pop() {
            if let Err(refusal) = self.follow(&mut state) {
                self.exploration.refused = Some(state);
                return Err(refusal);
            }
        }
        if let Some(observer) = &mut self.observer {
            observer.explored(&Explored {
                values: &self.values,
                live: &self.live,
                checkpoints: &self.exploration.checkpoints,
                exact: self.options.exact_pruning,
            });
        }
        Ok(())
    }

    /// Puts a state aside; it leaves the path at `slot`.
    pub(crate) fn put_aside(&mut self, state: State, slot: usize) -> Check {
        if self.exploration.pending.len() >= self.options.limits.pending_states as usize {
            return Err(Refusal::new(
                E2BIG,
                format!("The sequence of {} jumps is too complex.", self.exploration.pending.len() + 1),
            )
            .of(Reason::TooComplex)
            .at(slot));
        }
        self.exploration.checkpoints.add_branch(state.parent);
        self.exploration.pending.push(state);
        Ok(())
    }

    /// Follows one path to its end.
    fn follow(&mut self, state: &mut State) -> Check {
        loop {
            let slot = state.slot;
            self.exploration.current = Some(slot);
            self.exploration.processed += 1;
            if self.exploration.processed > self.options.limits.instructions {
                return Err(Refusal::new(
                    E2BIG,
                    format!("BPF program is too large. Processed {} insn", self.exploration.processed),
                )
                .of(Reason::TooComplex)
                .hint("fewer branches inside loops, or a helper loop such as bpf_loop, keep the count down"));
            }
            if self.code.is_prune_point(slot) && self.visit(state)? == Visit::SeenBefore {
                let names = Names::new(&self.maps, &self.values, self.options);
                self.log.pruned(slot, state, names);
                self.observe(state, true);
                break;
            }
            self.exploration.last_step = state.step;
            let names = Names::new(&self.maps, &self.values, self.options);
            self.log.instruction(slot, state, self.code.get(slot), names);
            self.observe(state, false);
            state.visit = self.exploration.processed;
            let Some(insn) = self.code.get(slot).copied() else {
                return Err(Refusal::new(
                    crate::refusal::EINVAL,
                    format!("invalid insn idx {slot} insn_cnt {}", self.code.len()),
                )
                .of(Reason::ControlFlow));
            };
            if state.speculative {
                match self.step_ahead(state, slot, &insn)? {
                    Flow::On => continue,
                    Flow::Ends => break,
                }
            }
            self.facts[slot].seen = true;
            self.note_frame_owners(state);
            match self.step(state, slot, &insn)? {
                Flow::On => {}
                Flow::Ends => break,
            }
        }
        self.exploration.checkpoints.end_branch(state.parent);
        Ok(())
    }

    /// One instruction of a path that a processor may run ahead on. What would be refused gets a barrier before it: then
    /// no processor comes so far.
    fn step_ahead(&mut self, state: &mut State, slot: usize, insn: &Insn) -> Check<Flow> {
        if self.facts[slot].barrier == Some(Barrier::Before) {
            return Ok(Flow::Ends);
        }
        self.note_frame_owners(state);
        match self.step(state, slot, insn) {
            Err(refusal) if stops_at_barrier(&refusal) => {
                (self.facts[slot].barrier, self.facts[slot].masking) = (Some(Barrier::Before), None);
                Ok(Flow::Ends)
            }
            Ok(Flow::On) if self.facts[slot].barrier == Some(Barrier::After) => Ok(Flow::Ends),
            outcome => outcome,
        }
    }

    /// Shows the state to whoever watches.
    fn observe(&mut self, state: &State, covered: bool) {
        if state.speculative {
            return;
        }
        let Some(observer) = &mut self.observer else { return };
        let view =
            StateView::new(state, Names::new(&self.maps, &self.values, self.options), self.exploration.processed);
        if covered { observer.covered(state.slot, &view) } else { observer.at(state.slot, &view) }
    }

    /// One instruction.
    fn step(&mut self, state: &mut State, slot: usize, insn: &Insn) -> Check<Flow> {
        for obligation in obligations(insn) {
            discharge(state, obligation)?;
        }
        state.slot = slot + insn.slots();
        self.exploration.jumps += u32::from(is_jump(insn));
        match *insn {
            Insn::Alu { op, width, dst, src } => self.alu(state, op, width, dst, src)?,
            Insn::MovSx { width, from, dst, src } => self.move_sign_extended(state, width, from, dst, src)?,
            Insn::Neg { width, dst } => self.negate(state, width, dst)?,
            Insn::Swap { kind, size, dst } => self.swap(state, kind, size, dst)?,
            Insn::AddrSpaceCast { dst, to, from, .. } => self.cast_address_space(state, dst, to, from)?,
            Insn::LoadImm64 { dst, imm } => self.load_immediate(state, slot, dst, imm)?,
            Insn::Load { size, signed, dst, base, offset } => {
                self.load(state, slot, access(base, offset, size, Mode::Read), dst, signed)?;
            }
            Insn::LoadAcquire { size, dst, base, offset } => {
                self.check_atomic_place(state, base)?;
                self.load(state, slot, Access { aligned: true, ..access(base, offset, size, Mode::Read) }, dst, false)?;
            }
            Insn::Store { size, base, offset, src } => {
                self.store(state, slot, access(base, offset, size, Mode::Write(stored(src))))?;
            }
            Insn::StoreRelease { size, base, offset, src } => {
                self.check_atomic_place(state, base)?;
                let mode = Mode::Write(stored(skep_isa::Operand::Reg(src)));
                self.store(state, slot, Access { aligned: true, ..access(base, offset, size, mode) })?;
            }
            Insn::Atomic { op, size, base, offset, src } => {
                self.atomic(state, slot, op, size, (base, offset), src)?;
            }
            Insn::LoadPacket { from, .. } => self.load_packet(state, slot, from)?,
            Insn::Jump { offset, .. } => {
                jump(state, offset);
            }
            Insn::JumpIf { condition, width, dst, src, offset } => {
                let branch = Branch { condition, width, left: dst, right: src };
                return self.split(state, slot, branch, offset);
            }
            Insn::MayGoto { offset } => {
                self.may_goto(state, slot, offset)?;
            }
            Insn::Call(CallTarget::Helper(id)) => {
                // The slot names the call while it is checked: callbacks return to it.
                state.slot = slot;
                self.call_helper(state, slot, id)?;
                state.slot = slot + 1;
            }
            Insn::Call(CallTarget::Subprogram { offset }) => self.call_subprogram(state, slot, offset)?,
            Insn::Call(CallTarget::Kfunc { id, btf }) => {
                state.slot = slot;
                self.call_kfunc(state, slot, id, btf)?;
                if self.kfuncs.throws(insn) {
                    return Ok(Flow::Ends);
                }
                state.slot = slot + 1;
            }
            Insn::CallReg(_) => {
                return Err(Refusal::new(crate::refusal::EINVAL, "unknown opcode 8d").of(Reason::ControlFlow));
            }
            Insn::Exit => {
                if state.frames.len() > 1 {
                    self.leave_function(state)?;
                    return Ok(Flow::On);
                }
                self.end_program(state)?;
                return Ok(Flow::Ends);
            }
        }
        Ok(Flow::On)
    }

    /// Both ways of a conditional jump; the jump waits while the path falls through.
    fn split(&mut self, state: &mut State, slot: usize, branch: Branch, offset: i16) -> Check<Flow> {
        let Ways { taken, falls_through } = self.branch(state, branch)?;
        let step = self.record(state.step, slot);
        if taken.is_some() != falls_through && !self.may_leak_pointers() {
            self.run_ahead(state, slot, branch, if falls_through { offset.into() } else { 0 }, step)?;
        }
        match (taken, falls_through) {
            (Some(mut taken), true) => {
                jump(&mut taken, offset.into());
                taken.step = step;
                state.step = step;
                self.put_aside(taken, slot)?;
            }
            (Some(mut taken), false) => {
                jump(&mut taken, offset.into());
                taken.step = step;
                *state = taken;
            }
            (None, true) => state.step = step,
            (None, false) => return Ok(Flow::Ends),
        }
        Ok(Flow::On)
    }

    /// The jump is the way out; going on is bounded by the run time, so its state is widened until it repeats.
    fn may_goto(&mut self, state: &mut State, slot: usize, offset: i16) -> Check {
        let mut on = state.clone();
        on.may_goto_depth += 1;
        let next = on.slot;
        on.slot = slot;
        let before = state.parent.and_then(|here| self.exploration.checkpoints.parent(here));
        self.widen_since_last_visit(&mut on, before);
        on.slot = next;
        on.step = self.record(state.step, slot);
        self.put_aside(on, slot)?;
        jump(state, offset.into());
        Ok(())
    }

    /// `LD_ABS` and `LD_IND`.
    fn load_packet(&mut self, state: &mut State, slot: usize, from: PacketOffset) -> Check {
        use crate::refusal::invalid;
        if !self.info.packet_load {
            return Reason::HelperNotAllowed.invalid("BPF_LD_[ABS|IND] instructions not allowed for this program type");
        }
        let subprogram = usize::from(state.frame().subprogram);
        if subprogram != 0 && self.signatures.returns_nothing(subprogram) {
            return invalid("LD_ABS is only allowed in functions that return 'int'.");
        }
        self.check_nothing_held(state, "BPF_LD_[ABS|IND]")?;
        let context = *state.register(Reg::R6);
        if context.kind != Kind::Context {
            return invalid("at the time of BPF_LD_ABS|IND R6 != pointer to skb");
        }
        self.check_unmodified(Reg::R6, &context, false)?;
        if let PacketOffset::Indirect(index, _) = from
            && self.is_leak(state.register(index))
        {
            return Reason::PointerLeak.denied(format!("R{} leaks addr into helper function", index.number()));
        }
        self.clobber_caller_saved(state);
        state.set(Reg::R0, Register::UNKNOWN);
        if state.frames.len() > 1 {
            // Past the packet's end the function returns 0.
            self.put_aside(state.clone(), slot)?;
            state.set(Reg::R0, Register::constant(0));
            self.leave_function(state)?;
        }
        Ok(())
    }

    pub(crate) fn record(&mut self, before: u32, slot: usize) -> u32 {
        let steps = &mut self.exploration.steps;
        if steps.is_empty() {
            steps.push((u32::MAX, 0));
        }
        steps.push((slot as u32, before));
        (steps.len() - 1) as u32
    }

    /// Slots of the jumps on the way to where a refusal came, oldest first.
    pub(crate) fn path(&self) -> Vec<u32> {
        let mut path = Vec::new();
        let mut at = self.exploration.last_step;
        while at != 0 && path.len() < MAX_REPORTED_PATH {
            let Some((slot, before)) = self.exploration.steps.get(at as usize) else { break };
            path.push(*slot);
            at = *before;
        }
        path.reverse();
        path.extend(self.exploration.current.map(|slot| slot as u32));
        path
    }
}

/// What counts as a jump when it is weighed whether a state is kept: calls and exits too.
fn is_jump(insn: &Insn) -> bool {
    use Insn::{Call, CallReg, Exit, Jump, JumpIf, MayGoto};
    matches!(insn, Jump { .. } | JumpIf { .. } | MayGoto { .. } | Call(_) | CallReg(_) | Exit)
}

/// Moves a state whose slot is the next one.
fn jump(state: &mut State, offset: i32) {
    state.slot = (state.slot as i64 + i64::from(offset)) as usize;
}
