//! What the verifier claims against what happens.

use crate::choices::{Choices, Seeded, interesting};
use crate::generate::Candidate;
use crate::loader::Loader;
use crate::minimise::minimise;
use skep_abi::errno::Errno;
use skep_abi::program_type::ProgramType;
use skep_engine::{Fault, Mode};
use skep_kernel::{Handle, Kernel};
use skep_user::devices::Frame;
use skep_user::hooks::{Hook, PacketEvent, Tc, Xdp};
use skep_user::{Config, UserKernel};
use std::sync::Arc;

/// Instructions that a run may take.
const BUDGET: u64 = 10_000;

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
    True,
    /// The verifier is wrong.
    Lie(String),
}

impl Witness {
    /// A new kernel.
    ///
    /// # Errors
    /// The maps cannot be created.
    pub fn new() -> Result<Witness, Errno> {
        let kernel = UserKernel::new(Config { mode: Mode::Paranoid, budget: BUDGET, ..Config::deterministic() });
        let boundary: Arc<dyn Kernel> = kernel.clone();
        Ok(Witness { loader: Loader::new(boundary)?, kernel, xdp: Xdp::new(), tc: Tc::new() })
    }

    /// Runs a program so many times on maps and packets of that seed.
    ///
    /// # Errors
    /// The maps cannot be filled.
    pub fn hear(&mut self, candidate: &Candidate, seed: u64, runs: u32) -> Result<Testimony, Errno> {
        let program = match self.loader.load(candidate, &mut []) {
            Ok(program) => program,
            // Not a verdict of the verifier's about the program, but about itself.
            Err(errno) if errno == format!("{:?}", Errno::EFAULT) => {
                let reason = self.loader.load(candidate, &mut vec![0; 1 << 20]).err().unwrap_or_default();
                let about_itself = reason.starts_with("accepted, but");
                return Ok(if about_itself { Testimony::Lie(reason) } else { Testimony::Refused });
            }
            Err(_) => return Ok(Testimony::Refused),
        };
        let mut numbers = Seeded::new(seed);
        for _ in 0..runs {
            self.loader.maps().fill(&mut numbers)?;
            let packet = packet(&mut numbers);
            if let Some(fault) = self.run(candidate.program_type, &program, &packet) {
                return Ok(Testimony::Lie(fault.to_string()));
            }
        }
        Ok(Testimony::True)
    }

    fn run(&mut self, program_type: ProgramType, program: &Handle, packet: &[u8]) -> Option<Fault> {
        let program = self.kernel.program(program.fd()).ok()?;
        let frame = Frame { timestamp: Default::default(), original_len: packet.len() as u32, data: packet };
        let event = PacketEvent { frame, ifindex: 1 };
        let context = if program_type == ProgramType::Xdp { self.xdp.enter(event) } else { self.tc.enter(event) };
        let fault = self.kernel.run(&program, context).fault;
        fault.filter(|fault| !matches!(fault, Fault::Budget(_)))
    }

    /// The smallest program found about which the verifier still lies.
    pub fn minimise(&mut self, candidate: &Candidate, seed: u64, runs: u32) -> Candidate {
        let program_type = candidate.program_type;
        let slots = minimise(&candidate.slots, |slots| {
            let smaller = Candidate { program_type, slots: slots.to_vec() };
            matches!(self.hear(&smaller, seed, runs), Ok(Testimony::Lie(_)))
        });
        Candidate { program_type, slots }
    }
}

/// A packet whose length is often near what programs ask for.
pub(crate) fn packet(numbers: &mut impl Choices) -> Vec<u8> {
    let len = if numbers.once_in(4) { 34 + numbers.below(200) } else { 14 + numbers.below(36) };
    (0..len).map(|_| interesting(numbers) as u8).collect()
}
