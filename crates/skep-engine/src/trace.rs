//! What a sandboxed run did, instruction by instruction.

use crate::interpret::Registers;

/// One instruction about to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its slot in the program that runs.
    pub slot: u32,
    /// How many functions called it; 1 in the main function.
    pub depth: u32,
    /// r0 to r10 before it.
    pub registers: [u64; 11],
}

/// The steps of a run: the first ones, and the last.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    limit: usize,
    steps: Vec<Step>,
    last: Option<Step>,
}

impl Trace {
    /// A trace that keeps so many steps from the start.
    pub fn new(limit: usize) -> Trace {
        Trace { limit, ..Trace::default() }
    }

    /// The first steps.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The last step: where a run that faulted did so.
    pub fn last(&self) -> Option<&Step> {
        self.last.as_ref()
    }

    pub(crate) fn note(&mut self, slot: usize, depth: u32, all: &Registers) {
        let mut registers = [0; 11];
        registers.copy_from_slice(&all[..11]);
        // Programs have at most a million slots.
        let step = Step { slot: slot as u32, depth, registers };
        if self.steps.len() < self.limit {
            self.steps.push(step);
        }
        self.last = Some(step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Executable, Fault, NoEnvironment, Sandbox};

    fn run(text: &str, budget: u64, trace: &mut Trace) -> Result<u64, Fault> {
        let slots = skep_isa::text::assemble(text).unwrap();
        let program = Executable::link(&slots, |_| None).unwrap();
        Sandbox::new(budget).traced(trace).run(&program, &mut NoEnvironment, [0; 5])
    }

    #[test]
    fn the_first_steps_are_kept_with_registers_and_depth() {
        let mut trace = Trace::new(4);
        let text = "r1 = 7\ncall f\nexit\nf:\nr0 = r1\nexit";
        assert_eq!(run(text, 100, &mut trace), Ok(7));
        let steps: Vec<_> = trace.steps().iter().map(|s| (s.slot, s.depth, s.registers[1])).collect();
        assert_eq!(steps, [(0, 1, 0), (1, 1, 7), (3, 2, 7), (4, 2, 7)]);
        assert_eq!(trace.last().map(|step| (step.slot, step.depth)), Some((2, 1)));
    }

    #[test]
    fn the_last_step_is_the_one_that_faulted() {
        let mut trace = Trace::new(0);
        assert!(matches!(run("r1 = 8\nr0 = *(u64 *)(r1 + 0)\nexit", 100, &mut trace), Err(Fault::Memory { .. })));
        assert_eq!((trace.steps().len(), trace.last().map(|step| step.slot)), (0, Some(1)));
    }
}
