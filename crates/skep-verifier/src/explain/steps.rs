//! The steps of a refused path that matter.

use super::Refused;
use crate::cfg::{Code, successors};
use crate::explanation::{Step, StepKind};
use crate::report::source_line;
use skep_isa::{Insn, Operand, Reg, Width};
use std::collections::{HashMap, HashSet};

/// Most steps told; of more, the last ones.
const MOST_STEPS: usize = 16;
/// Of a loop, the part of the path looked at.
const LOOP_TAIL: usize = 2048;
/// Branches whose other way is looked at; each looks at the whole program.
const MOST_SEARCHES: usize = 64;

/// The steps that matter, by index in the path.
pub(super) struct Steps<'s, 'r, 'a> {
    refused: &'s Refused<'r, 'a>,
    kept: Vec<(usize, StepKind)>,
}

impl<'s, 'r, 'a> Steps<'s, 'r, 'a> {
    pub(super) fn new(refused: &'s Refused<'r, 'a>) -> Self {
        let mut steps = Steps { refused, kept: Vec::new() };
        if refused.is_about_a_reference() {
            steps.since_acquired();
        } else if refused.is_about_repetition() {
            steps.branches(refused.path.len().saturating_sub(LOOP_TAIL), |_| true);
        } else {
            steps.about_values();
        }
        steps.kept.sort_unstable_by_key(|(at, _)| *at);
        steps
    }

    fn code(&self) -> &'r Code {
        &self.refused.verifier.code
    }

    fn slot(&self, at: usize) -> usize {
        self.refused.path[at].slot as usize
    }

    /// From where the reference was acquired, everything that decided the way.
    fn since_acquired(&mut self) {
        let held = self.refused.state.and_then(|state| state.references.last());
        let acquired = held.and_then(|held| (0..self.refused.path.len()).rfind(|at| self.slot(*at) == held.slot));
        if let Some(acquired) = acquired {
            self.kept.push((acquired, StepKind::Acquired));
        }
        self.branches(acquired.unwrap_or(0), |_| true);
    }

    /// Branches from `start` on, for which `wanted` holds.
    fn branches(&mut self, start: usize, wanted: impl Fn(usize) -> bool) {
        let last = self.refused.path.len().saturating_sub(1);
        for at in start..last {
            if matches!(self.code().get(self.slot(at)), Some(Insn::JumpIf { .. })) && wanted(at) {
                self.kept.push((at, self.outcome(at)));
            }
        }
    }

    /// Whether the branch at that place jumped.
    fn outcome(&self, at: usize) -> StepKind {
        let next = self.slot(at) + 1;
        if self.slot(at + 1) == next { StepKind::NotTaken } else { StepKind::Taken }
    }

    /// What made the values at fault, and what decided about them.
    fn about_values(&mut self) {
        let flow = &self.refused.flow;
        let read = self.refused.insn().map(Insn::reads).unwrap_or_default();
        let subjects: Vec<Reg> = match self.refused.subject {
            Some(subject) => vec![subject],
            None => read.iter().collect(),
        };
        let nodes: Vec<usize> = subjects.iter().filter_map(|reg| flow.registers[reg.index()]).collect();
        let ancestors = flow.ancestors(nodes.iter().copied());
        let related = flow.relatives(&ancestors);
        let roots: Vec<usize> = (0..flow.nodes.len())
            .filter(|node| ancestors[*node] && flow.nodes[*node].parents == [None; 2])
            .map(|node| flow.nodes[node].at)
            .collect();
        let is_constant = |at: &usize| {
            matches!(
                self.code().get(self.slot(*at)),
                Some(Insn::Alu { .. } | Insn::LoadImm64 { .. } | Insn::Store { .. })
            )
        };
        let only_constants = roots.iter().all(is_constant);
        let told: Vec<usize> = roots.iter().copied().filter(|at| only_constants || !is_constant(at)).collect();
        self.kept.extend(told.iter().map(|at| (*at, StepKind::Value)));
        let tested = flow.branches.iter().filter(|(_, operands)| operands.iter().flatten().any(|node| related[*node]));
        let mut branches: HashSet<usize> = tested.map(|(at, _)| *at).collect();
        branches.extend(self.deciding(&roots, subjects.first().copied().filter(|_| nodes.is_empty())));
        self.branches(0, |at| branches.contains(&at));
    }

    /// Branches whose other way leads here too, but past a definition: without the one that was used, or with one
    /// where there was none.
    fn deciding(&self, definitions: &[usize], missing: Option<Reg>) -> Vec<usize> {
        let Some(last) = self.refused.path.len().checked_sub(1) else { return Vec::new() };
        let refused = self.slot(last);
        let branches = self.refused.flow.branches.iter().rev().take(MOST_SEARCHES).map(|(at, _)| *at);
        branches
            .filter(|at| {
                let Some(other) = self.other_way(*at) else { return false };
                if let Some(reg) = missing {
                    let defines = |slot: usize| self.code().get(slot).is_some_and(|insn| insn.writes().contains(reg));
                    return reaches(self.code(), other, defines, |slot| slot == refused);
                }
                let Some(next) = definitions.iter().filter(|d| *d > at).min().map(|d| self.slot(*d)) else {
                    return false;
                };
                reaches(self.code(), other, |slot| slot == refused, |slot| slot == next)
            })
            .collect()
    }

    /// Where a branch did not go.
    fn other_way(&self, at: usize) -> Option<usize> {
        let slot = self.slot(at);
        let ways = successors(slot, self.code().get(slot)?);
        let other = if self.outcome(at) == StepKind::Taken { ways.next } else { ways.jump };
        usize::try_from(other?).ok()
    }

    /// The steps in words, repeated ones once, where they were last.
    pub(super) fn collect(self) -> Vec<Step> {
        let mut times: HashMap<(u32, StepKind), u32> = HashMap::new();
        let mut last: HashMap<(u32, StepKind), usize> = HashMap::new();
        for (at, kind) in &self.kept {
            let key = (self.refused.path[*at].slot, *kind);
            *times.entry(key).or_default() += 1;
            last.insert(key, *at);
        }
        let mut kept = self.kept.clone();
        kept.retain(|(at, kind)| last[&(self.refused.path[*at].slot, *kind)] == *at);
        kept.dedup();
        let from = kept.len().saturating_sub(MOST_STEPS);
        let mut steps: Vec<Step> = kept[from..]
            .iter()
            .map(|(at, kind)| self.step(*at, *kind, times[&(self.refused.path[*at].slot, *kind)]))
            .collect();
        if let Some(last) = self.refused.path.len().checked_sub(1) {
            steps.push(self.step(last, StepKind::Refused, 1));
        }
        steps
    }

    fn step(&self, at: usize, kind: StepKind, times: u32) -> Step {
        let line = source_line(self.refused.program, self.slot(at));
        let next = match kind {
            StepKind::Taken | StepKind::NotTaken => source_line(self.refused.program, self.slot(at + 1))
                .filter(|next| line.as_ref().is_none_or(|line| (line.line, &line.file) != (next.line, &next.file))),
            _ => None,
        };
        let text = self.text(self.slot(at), kind);
        Step { kind, slot: self.slot(at) as u32, line, next, times, text }
    }

    fn text(&self, slot: usize, kind: StepKind) -> String {
        let Some(insn) = self.code().get(slot) else { return String::new() };
        let names = self.refused.names();
        match (kind, insn) {
            (StepKind::Refused, _) => self.refused.refusal.message.clone(),
            (StepKind::Taken | StepKind::NotTaken, Insn::JumpIf { condition, width, dst, src, .. }) => {
                let register = |reg: Reg| format!("{}{}", if *width == Width::W32 { 'w' } else { 'r' }, reg.number());
                let right = match src {
                    Operand::Reg(reg) => register(*reg),
                    Operand::Imm(imm) => imm.to_string(),
                };
                let holds = if kind == StepKind::Taken { "holds" } else { "does not hold" };
                format!("{} {} {right} {holds}", register(*dst), condition.symbol())
            }
            (_, Insn::Call(target)) => {
                let name = names.callee(target);
                let name = name.map_or_else(|| "the function".to_owned(), |name| format!("{name}()"));
                if kind == StepKind::Acquired {
                    format!("{name} acquires a reference")
                } else {
                    format!("r0 is what {name} returned")
                }
            }
            (_, Insn::Load { dst, .. } | Insn::LoadAcquire { dst, .. }) => format!("{dst} is loaded"),
            (_, insn) => insn.linux_text(&|target| names.callee(target)).to_string(),
        }
    }
}

/// Whether a place is reached from another without passing through certain places.
fn reaches(code: &Code, from: usize, wanted: impl Fn(usize) -> bool, avoided: impl Fn(usize) -> bool) -> bool {
    let mut seen = vec![false; code.len()];
    let mut pending = vec![from];
    while let Some(slot) = pending.pop() {
        if wanted(slot) {
            return true;
        }
        let Some(insn) = code.get(slot) else { continue };
        if avoided(slot) || std::mem::replace(&mut seen[slot], true) {
            continue;
        }
        let ways = successors(slot, insn);
        pending.extend([ways.next, ways.jump].into_iter().flatten().filter_map(|to| usize::try_from(to).ok()));
    }
    false
}
