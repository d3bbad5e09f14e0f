//! One packet, one verdict: by Skep's own kernel, or by Linux through `PROG_TEST_RUN`.

use crate::error::Failure;
use skep::TestRun;
use skep_user::devices::Frame;
use skep_user::hooks::{PacketEvent, PacketHook, Verdict};
use skep_user::{Outcome, Program, RunOptions, UserKernel};
use std::sync::Arc;
use std::time::Duration;

/// What became of a packet.
pub(super) struct Judgement {
    pub(super) verdict: Verdict,
    /// The packet as the program left it.
    pub(super) frame: Option<Vec<u8>>,
    /// How long the program ran.
    pub(super) time: Duration,
}

/// Runs a program on packets.
pub(super) trait Judge {
    fn judge(&mut self, frame: Frame<'_>, ifindex: u32) -> Result<Judgement, Failure>;
}

/// Skep's own kernel, by the hook of the program's type.
pub(super) struct UserJudge<'k> {
    kernel: &'k UserKernel,
    program: Arc<Program>,
    hook: PacketHook,
}

impl<'k> UserJudge<'k> {
    pub(super) fn new(kernel: &'k UserKernel, program: &skep::Program, hook: PacketHook) -> Result<Self, Failure> {
        let program =
            kernel.program(program.fd()).map_err(|errno| Failure::because("cannot run the program", &errno))?;
        Ok(UserJudge { kernel, program, hook })
    }
}

impl Judge for UserJudge<'_> {
    fn judge(&mut self, frame: Frame<'_>, ifindex: u32) -> Result<Judgement, Failure> {
        let context = self.hook.enter(PacketEvent { frame, ifindex });
        let options = RunOptions { timed: true, ..RunOptions::default() };
        let outcome = self.kernel.run_with(&self.program, context, &options);
        if let Some(fault) = &outcome.fault {
            return Err(Failure::because("the program faulted", fault));
        }
        let time = Duration::from_nanos(outcome.nanoseconds);
        Ok(Judgement { verdict: self.hook.verdict(&outcome), frame: self.hook.frame(), time })
    }
}

/// Linux. The hook only names verdicts.
pub(super) struct LinuxJudge<'p> {
    program: &'p skep::Program,
    hook: PacketHook,
}

impl<'p> LinuxJudge<'p> {
    pub(super) fn new(program: &'p skep::Program, hook: PacketHook) -> Self {
        LinuxJudge { program, hook }
    }
}

impl Judge for LinuxJudge<'_> {
    fn judge(&mut self, frame: Frame<'_>, _ifindex: u32) -> Result<Judgement, Failure> {
        let run = self.program.test_run(&TestRun::new().data(frame.data));
        let output = run.map_err(|e| Failure::because("Linux does not run it", &e))?;
        let outcome = Outcome { ret: output.return_value.into(), redirect: None, nanoseconds: 0, fault: None };
        let time = Duration::from_nanos(output.nanoseconds.into());
        Ok(Judgement { verdict: self.hook.verdict(&outcome), frame: Some(output.data), time })
    }
}
