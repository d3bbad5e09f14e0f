//! What went wrong in a run.
//!
//! The sandbox stops accesses to memory that was not lent, and runs without an end. Registers that were never written and
//! references that are never given back do no harm there: they show in the trace.

use super::replay::Ran;
use skep_abi::helper::{self, HelperFlags, HelperProto, ReturnKind};
use skep_engine::{Fault, Step};
use skep_isa::{CallTarget, Insn, Reg, RegSet, Slot};

/// A fault at an instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) slot: u32,
    pub(crate) text: String,
    /// The run had no end.
    pub(crate) endless: bool,
}

/// The first fault of a run.
pub(crate) fn find(insns: &[Slot], ran: &Ran) -> Option<Found> {
    let seen = Shadow::new(insns).walk(ran.trace.steps());
    seen.or_else(|| stopped(ran))
}

/// What the sandbox stopped.
fn stopped(ran: &Ran) -> Option<Found> {
    let fault = ran.outcome.fault.as_ref()?;
    let slot = ran.trace.last()?.slot;
    let text = match fault {
        Fault::Memory { address, len, write } => {
            let (what, bytes) = (if *write { "write" } else { "read" }, if *len == 1 { "byte" } else { "bytes" });
            format!("invalid {what} of {len} {bytes} at {}", place(*address, ran))
        }
        fault => fault.to_string(),
    };
    Some(Found { slot, text, endless: matches!(fault, Fault::Budget(_)) })
}

/// An address for people, where it can be named.
fn place(address: u64, ran: &Ran) -> String {
    // No host maps the first page.
    const FIRST_PAGE: u64 = 4096;
    // Farther away, it has nothing to do with the packet.
    const NEARBY: u64 = 1 << 16;
    let packet =
        ran.packet.clone().filter(|packet| address.wrapping_sub(packet.start).wrapping_add(NEARBY) < 2 * NEARBY);
    match packet {
        _ if address < FIRST_PAGE => format!("NULL + {address}"),
        Some(packet) => {
            let len = packet.end - packet.start;
            format!("byte {} of the packet, which has {len}", address.wrapping_sub(packet.start).cast_signed())
        }
        None => format!("{address:#x}"),
    }
}

/// What of the registers was written, and what must be given back.
struct Shadow<'a> {
    insns: &'a [Slot],
    /// Registers written, per frame.
    frames: Vec<RegSet>,
    /// Where each was acquired, and its value.
    references: Vec<(u32, u64)>,
}

impl<'a> Shadow<'a> {
    fn new(insns: &'a [Slot]) -> Shadow<'a> {
        Shadow { insns, frames: Vec::new(), references: Vec::new() }
    }

    fn walk(mut self, steps: &[Step]) -> Option<Found> {
        let mut before: Option<(&Step, Insn)> = None;
        for step in steps {
            let insn = Insn::decode(self.insns, step.slot as usize).ok()?;
            self.enter(step, before);
            if let Some(text) = self.wrong(step, &insn) {
                return Some(Found { slot: step.slot, text, endless: false });
            }
            self.write(step, &insn);
            before = Some((step, insn));
        }
        None
    }

    /// Follows calls and returns, and what a helper gave.
    fn enter(&mut self, step: &Step, before: Option<(&Step, Insn)>) {
        let depth = step.depth as usize;
        if depth > self.frames.len() {
            let arguments = if depth == 1 { RegSet::of(Reg::R1) } else { RegSet::ARGUMENTS };
            self.frames.resize(depth, arguments.with(Reg::R10));
        } else if depth < self.frames.len() {
            self.frames.truncate(depth);
            self.set(RegSet::of(Reg::R0));
        }
        let Some((last, insn)) = before else { return };
        let result = step.registers[0];
        if let Some(proto) = called_helper(&insn)
            && proto.flags.contains(HelperFlags::ACQUIRES)
            && last.depth == step.depth
            && result != 0
        {
            self.references.push((last.slot, result));
        }
    }

    fn set(&mut self, registers: RegSet) {
        self.frames.last_mut().into_iter().for_each(|written| *written = written.union(registers));
    }

    fn wrong(&self, step: &Step, insn: &Insn) -> Option<String> {
        let written = self.frames.last()?;
        let reads = match (insn, called_helper(insn)) {
            (_, Some(proto)) => RegSet::ARGUMENTS.iter().take(proto.args.len()).collect(),
            (Insn::Call(_), None) => RegSet::EMPTY,
            (Insn::Exit, _) if step.depth > 1 => RegSet::EMPTY,
            _ => insn.reads(),
        };
        if let Some(reg) = reads.without(*written).iter().next() {
            return Some(format!("{reg} is read and was never written"));
        }
        let (acquired, _) = self.references.first().filter(|_| *insn == Insn::Exit && step.depth == 1)?;
        Some(format!("what instruction {acquired} acquired was not given back"))
    }

    fn write(&mut self, step: &Step, insn: &Insn) {
        let Some(written) = self.frames.last_mut() else { return };
        let Insn::Call(_) = insn else {
            *written = written.union(insn.writes());
            return;
        };
        *written = written.without(RegSet::CALLER_SAVED).with(Reg::R0);
        let Some(proto) = called_helper(insn) else { return };
        if proto.ret == ReturnKind::Void {
            *written = written.without(RegSet::of(Reg::R0));
        }
        if proto.flags.contains(HelperFlags::RELEASES) {
            let value = step.registers.get(usize::from(proto.release_arg)).copied();
            if let Some(at) = self.references.iter().position(|(_, reference)| Some(*reference) == value) {
                self.references.remove(at);
            }
        }
    }
}

fn called_helper(insn: &Insn) -> Option<&'static HelperProto> {
    match insn {
        Insn::Call(CallTarget::Helper(id)) => helper::by_id(u32::try_from(*id).ok()?),
        _ => None,
    }
}
