//! Perf events: the program runs at each sample.

use super::{Fate, Hook, Registers, Verdict};
use crate::run::{Context, Outcome, PlainContext};
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

impl Sample {
    /// `struct bpf_perf_event_data` of the host's machine.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.registers.to_bytes(), self.sample_period.to_ne_bytes().to_vec(), self.address.to_ne_bytes().to_vec()]
            .concat()
    }
}

/// A perf event.
#[derive(Debug, Default)]
pub struct PerfEvent {
    context: Option<PlainContext>,
}

impl PerfEvent {
    /// Any perf event.
    pub fn new() -> PerfEvent {
        PerfEvent::default()
    }
}

impl Hook<Sample> for PerfEvent {
    fn program_types(&self) -> &'static [ProgramType] {
        &[ProgramType::PerfEvent]
    }

    fn enter(&mut self, event: Sample) -> &mut dyn Context {
        self.context.insert(PlainContext::of(ProgramType::PerfEvent, &event.to_bytes()))
    }

    /// Where the program gives 0, Linux records no sample beside.
    fn verdict(&self, outcome: &Outcome) -> Verdict {
        Verdict::new(outcome.verdict().to_string(), Fate::Observed)
    }
}
