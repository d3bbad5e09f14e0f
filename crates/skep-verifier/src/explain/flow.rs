//! Where the values of one path came from: every definition on it is a node that knows what it was computed from.

use super::recorder::Visit;
use crate::cfg::Code;
use skep_isa::{BinaryOp, CallTarget, Insn, Operand, Reg};
use std::collections::HashMap;

/// Frames there may be at once.
const FRAMES: usize = crate::domain::state::MAX_FRAMES;

/// A definition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    /// Index in the path of the instruction that made it.
    pub(super) at: usize,
    /// What it was computed from; nothing: a load, a call's result, a constant.
    pub(super) parents: [Option<usize>; 2],
}

/// The values of a path.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) nodes: Vec<Node>,
    /// For each conditional jump on the path, by index: its operands' nodes.
    pub(super) branches: Vec<(usize, [Option<usize>; 2])>,
    /// What the registers of the running frame hold at the end.
    pub(super) registers: [Option<usize>; Reg::COUNT],
}

#[derive(Default)]
struct Tracker {
    nodes: Vec<Node>,
    registers: [[Option<usize>; Reg::COUNT]; FRAMES],
    stack: HashMap<(u8, u8), Option<usize>>,
}

impl Flow {
    /// Follows a path; its last instruction is not carried out.
    pub(super) fn new(path: &[Visit], code: &Code) -> Flow {
        let mut tracker = Tracker::default();
        let mut branches = Vec::new();
        for (at, step) in path.windows(2).enumerate() {
            let (visit, next) = (step[0], step[1]);
            let Some(insn) = code.get(visit.slot as usize) else { continue };
            if let Insn::JumpIf { dst, src, .. } = *insn {
                let registers = &tracker.registers[usize::from(visit.depth)];
                let right = if let Operand::Reg(src) = src { registers[src.index()] } else { None };
                branches.push((at, [registers[dst.index()], right]));
            }
            tracker.step(at, insn, visit, next);
        }
        let depth = path.last().map_or(0, |visit| usize::from(visit.depth));
        Flow { nodes: tracker.nodes, branches, registers: tracker.registers[depth] }
    }

    /// Which nodes are these or went into them.
    pub(super) fn ancestors(&self, of: impl IntoIterator<Item = usize>) -> Vec<bool> {
        let mut marked = vec![false; self.nodes.len()];
        let mut pending: Vec<usize> = of.into_iter().collect();
        while let Some(node) = pending.pop() {
            if !std::mem::replace(&mut marked[node], true) {
                pending.extend(self.nodes[node].parents.into_iter().flatten());
            }
        }
        marked
    }

    /// The same and everything computed from them: what is learnt about one is learnt about the others.
    pub(super) fn relatives(&self, ancestors: &[bool]) -> Vec<bool> {
        let mut related = ancestors.to_vec();
        for (index, node) in self.nodes.iter().enumerate() {
            related[index] |= node.parents.into_iter().flatten().any(|parent| related[parent]);
        }
        related
    }
}

impl Tracker {
    fn node(&mut self, at: usize, parents: [Option<usize>; 2]) -> Option<usize> {
        self.nodes.push(Node { at, parents });
        Some(self.nodes.len() - 1)
    }

    fn step(&mut self, at: usize, insn: &Insn, visit: Visit, next: Visit) {
        let depth = usize::from(visit.depth);
        let registers = self.registers[depth];
        let of = |operand: Operand| if let Operand::Reg(reg) = operand { registers[reg.index()] } else { None };
        match *insn {
            Insn::Alu { op: BinaryOp::Mov, dst, src: Operand::Reg(src), .. } | Insn::MovSx { dst, src, .. } => {
                self.registers[depth][dst.index()] = registers[src.index()];
            }
            Insn::Alu { op: BinaryOp::Mov, dst, .. } | Insn::LoadImm64 { dst, .. } => {
                self.registers[depth][dst.index()] = self.node(at, [None; 2]);
            }
            Insn::Alu { dst, src, .. } => {
                self.registers[depth][dst.index()] = self.node(at, [registers[dst.index()], of(src)]);
            }
            Insn::Neg { dst, .. } | Insn::Swap { dst, .. } => {
                self.registers[depth][dst.index()] = self.node(at, [registers[dst.index()], None]);
            }
            Insn::AddrSpaceCast { dst, src, .. } => self.registers[depth][dst.index()] = registers[src.index()],
            Insn::Load { dst, .. } | Insn::LoadAcquire { dst, .. } => {
                let stored = visit.place.and_then(|place| self.stack.get(&place).copied()).flatten();
                self.registers[depth][dst.index()] = stored.or_else(|| self.node(at, [None; 2]));
            }
            Insn::Store { src, .. } => self.store(at, visit, of(src)),
            Insn::StoreRelease { src, .. } => self.store(at, visit, registers[src.index()]),
            Insn::Atomic { src, .. } => {
                for reg in insn.writes().iter() {
                    self.registers[depth][reg.index()] = self.node(at, [None; 2]);
                }
                self.store(at, visit, registers[src.index()]);
            }
            Insn::Call(_) | Insn::CallReg(_) | Insn::LoadPacket { .. } => self.call(at, insn, visit, next),
            Insn::Exit if next.depth < visit.depth => {
                let caller = &mut self.registers[usize::from(next.depth)];
                caller[Reg::R0.index()] = registers[Reg::R0.index()];
            }
            _ => {}
        }
    }

    fn store(&mut self, at: usize, visit: Visit, value: Option<usize>) {
        if let Some(place) = visit.place {
            let value = value.or_else(|| self.node(at, [None; 2]));
            self.stack.insert(place, value);
        }
    }

    fn call(&mut self, at: usize, insn: &Insn, visit: Visit, next: Visit) {
        let depth = usize::from(visit.depth);
        let arguments = self.registers[depth];
        for reg in Reg::all().take(6) {
            self.registers[depth][reg.index()] = None;
        }
        let inside = usize::from(next.depth);
        if inside > depth {
            self.registers[inside] = [None; Reg::COUNT];
            if matches!(insn, Insn::Call(CallTarget::Subprogram { .. })) {
                self.registers[inside][1..=5].copy_from_slice(&arguments[1..=5]);
            }
        } else {
            self.registers[depth][Reg::R0.index()] = self.node(at, [None; 2]);
        }
    }
}
