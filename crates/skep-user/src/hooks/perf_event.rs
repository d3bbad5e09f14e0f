//! Perf events: the program runs at each sample.

use super::{Fate, Hook, Registers, Verdict};
use crate::run::{Context, Outcome, StructContext};
use skep_abi::program_type::ProgramType;

/// A sample of a perf event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Registers of what was interrupted.
    pub registers: Registers,
    /// Period of sampling.
    pub sample_period: u64,
    /// The address that a memory sample is about.
    pub address: u64,
}

/// A perf event.
#[derive(Debug)]
pub struct PerfEvent {
    context: StructContext,
}

impl PerfEvent {
    /// Any perf event.
    pub fn new() -> PerfEvent {
        PerfEvent { context: StructContext::of(ProgramType::PerfEvent) }
    }
}

impl Default for PerfEvent {
    fn default() -> Self {
        PerfEvent::new()
    }
}

impl Hook<Sample> for PerfEvent {
    fn program_types(&self) -> &'static [ProgramType] {
        &[ProgramType::PerfEvent]
    }

    fn enter(&mut self, event: Sample) -> &mut dyn Context {
        self.context.set_field_bytes("regs", &event.registers.to_bytes());
        self.context.set_field("sample_period", event.sample_period);
        self.context.set_field("addr", event.address);
        &mut self.context
    }

    /// Where the program gives 0, Linux records no sample beside.
    fn verdict(&self, outcome: &Outcome) -> Verdict {
        Verdict::new(outcome.verdict().to_string(), Fate::Observed)
    }
}
