//! Raw tracepoints: the program gets the arguments of the tracepoint itself.

use super::{Fate, Hook, Verdict};
use crate::run::{Context, Outcome, PlainContext};
use skep_abi::program_type::ProgramType;

/// Most arguments (Linux: `MAX_BPF_FUNC_ARGS`).
pub const MAX_ARGUMENTS: usize = 12;

/// An event at a raw tracepoint.
#[derive(Clone, Copy, Debug)]
pub struct RawTracepointEvent<'e> {
    /// The arguments, as far as there are; what is beyond [`MAX_ARGUMENTS`] is left out, the rest reads as zero.
    pub arguments: &'e [u64],
}

/// A raw tracepoint.
#[derive(Debug, Default)]
pub struct RawTracepoint {
    context: Option<PlainContext>,
}

impl RawTracepoint {
    /// Any raw tracepoint.
    pub fn new() -> RawTracepoint {
        RawTracepoint::default()
    }
}

impl Hook<RawTracepointEvent<'_>> for RawTracepoint {
    fn program_types(&self) -> &'static [ProgramType] {
        &[ProgramType::RawTracepoint, ProgramType::RawTracepointWritable]
    }

    fn enter(&mut self, event: RawTracepointEvent<'_>) -> &mut dyn Context {
        let known = event.arguments.iter().take(MAX_ARGUMENTS);
        let bytes: Vec<u8> = known.flat_map(|argument| argument.to_ne_bytes()).collect();
        self.context.insert(PlainContext::of(ProgramType::RawTracepoint, &bytes))
    }

    fn verdict(&self, outcome: &Outcome) -> Verdict {
        Verdict::new(outcome.verdict().to_string(), Fate::Observed)
    }
}
