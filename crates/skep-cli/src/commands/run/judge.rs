//! One packet, one verdict: by Skep's own kernel, or by Linux through `PROG_TEST_RUN`.

use crate::error::Failure;
use skep::TestRun;
use skep_abi::program_type::ProgramType;
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
        let program_type = self.program.kind().program_type;
        let whole = if program_type == ProgramType::SocketFilter { with_header(frame.data) } else { Vec::new() };
        let data = if whole.is_empty() { frame.data } else { &whole };
        let run = self.program.test_run(&TestRun::new().data(data));
        let output = run.map_err(|e| Failure::because("Linux does not run it", &e))?;
        let frame = match program_type {
            ProgramType::SocketFilter => output.data.get(ETHERNET_BYTES..).map(<[u8]>::to_vec),
            // Linux gives the packet back with an empty header; such programs cannot change it.
            ProgramType::CgroupSkb => {
                let (header, packet) = (frame.data.get(..ETHERNET_BYTES), output.data.get(ETHERNET_BYTES..));
                header.zip(packet).map(|(header, packet)| [header, packet].concat())
            }
            _ => Some(output.data),
        };
        let outcome = Outcome { ret: output.return_value.into(), redirect: None, nanoseconds: 0, fault: None };
        let time = Duration::from_nanos(output.nanoseconds.into());
        Ok(Judgement { verdict: self.hook.verdict(&outcome), frame, time })
    }
}

/// Of an Ethernet header.
const ETHERNET_BYTES: usize = 14;

/// The frame behind a copy of its own Ethernet header. Linux's test run takes a header off for socket filters, which on a
/// packet socket see the whole frame.
fn with_header(frame: &[u8]) -> Vec<u8> {
    let mut header = frame.get(..ETHERNET_BYTES).unwrap_or_default().to_vec();
    header.resize(ETHERNET_BYTES, 0);
    [&header, frame].concat()
}
