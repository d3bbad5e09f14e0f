//! What the verifier claims against what happens.

use crate::choices::{Choices, Seeded, interesting};
use crate::generate::Candidate;
use crate::loader::Loader;
use skep_abi::errno::Errno;
use skep_abi::program_type::ProgramType;
use skep_engine::{Fault, Mode};
use skep_kernel::{Handle, Kernel};
use skep_user::devices::Frame;
use skep_user::hooks::{Hook, PacketEvent, Tc, Xdp};
use skep_user::{Config, UserKernel};
use skep_verifier::{Claims, Extent, Limits};
use std::sync::Arc;

/// Instructions that a run may take.
pub const BUDGET: u64 = 3_000;

/// Instructions that exploration may take: nothing is claimed of programs that take more, so that they show nothing.
pub(crate) const MOST_EXPLORED: u32 = 4_000;

/// A kernel of our own whose engine is paranoid.
pub struct Witness {
    kernel: Arc<UserKernel>,
    loader: Loader,
    xdp: Xdp,
    tc: Tc,
}

/// What became of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Testimony {
    /// The verifier refused it.
    Refused,
    /// It ran, and all that was claimed held.
    True(Claimed),
    /// The verifier is wrong.
    Lie(String),
}

/// How much was claimed of a program that ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// Everything.
    Everything,
    /// What decided the verdict: exploring it completely was refused.
    WhatDecides,
    /// Nothing: it has too many states.
    Nothing,
}

impl Witness {
    /// A new kernel.
    ///
    /// # Errors
    /// The maps cannot be created.
    pub fn new() -> Result<Witness, Errno> {
        let limits = Limits { instructions: MOST_EXPLORED, ..Limits::default() };
        let kernel =
            UserKernel::new(Config { mode: Mode::Paranoid, budget: BUDGET, limits, ..Config::deterministic() });
        let boundary: Arc<dyn Kernel> = kernel.clone();
        Ok(Witness { loader: Loader::new(boundary)?, kernel, xdp: Xdp::new(), tc: Tc::new() })
    }

    /// Runs a program so many times on maps and packets of that seed.
    ///
    /// # Errors
    /// The maps cannot be filled.
    pub fn hear(&mut self, candidate: &Candidate, seed: u64, runs: u32) -> Result<Testimony, Errno> {
        let Ok(program) = self.loader.load(candidate, &mut []) else { return Ok(Testimony::Refused) };
        let mut numbers = Seeded::new(seed);
        for _ in 0..runs {
            self.loader.maps().fill(&mut numbers)?;
            let packet = packet(&mut numbers);
            if let Some(fault) = self.run(candidate.program_type, &program, &packet) {
                return Ok(Testimony::Lie(fault.to_string()));
            }
        }
        Ok(Testimony::True(self.claimed(&program)))
    }

    fn claimed(&self, program: &Handle) -> Claimed {
        let program = self.kernel.program(program.fd());
        match program.as_ref().ok().and_then(|program| program.claims()).map(Claims::extent) {
            Some(Extent::Everything) => Claimed::Everything,
            Some(Extent::WhatDecides(_)) => Claimed::WhatDecides,
            Some(Extent::Nothing) | None => Claimed::Nothing,
        }
    }

    fn run(&mut self, program_type: ProgramType, program: &Handle, packet: &[u8]) -> Option<Fault> {
        let program = self.kernel.program(program.fd()).ok()?;
        let frame = Frame { timestamp: Default::default(), original_len: packet.len() as u32, data: packet };
        let event = PacketEvent { frame, ifindex: 1 };
        let context = if program_type == ProgramType::Xdp { self.xdp.enter(event) } else { self.tc.enter(event) };
        let fault = self.kernel.run(&program, context).fault;
        fault.filter(|fault| !matches!(fault, Fault::Budget(_)))
    }
}

/// A packet whose length is often near what programs ask for.
pub fn packet(numbers: &mut impl Choices) -> Vec<u8> {
    let len = if numbers.once_in(4) { 34 + numbers.below(200) } else { 14 + numbers.below(36) };
    (0..len).map(|_| interesting(numbers) as u8).collect()
}
