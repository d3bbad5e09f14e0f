//! `PROG_TEST_RUN`: running a program on given data.

use crate::error::Error;
use crate::program::Program;
use skep_abi::command::ProgTestRun;
use skep_kernel::{Errno, calls};

/// Room for a packet that a program makes larger.
const GROWTH_BYTES: usize = 4096;

/// What to run a program on.
///
/// ```
/// let run = skep::TestRun::new().data(&[0; 64]).repeat(100);
/// ```
#[derive(Clone, Debug, Default)]
pub struct TestRun {
    data: Vec<u8>,
    context: Vec<u8>,
    repeat: u32,
}

/// What a test run gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestOutput {
    /// What the program returned, the last time.
    pub return_value: u32,
    /// Nanoseconds per run, the mean over all repeats.
    pub nanoseconds: u32,
    /// The packet afterwards.
    pub data: Vec<u8>,
    /// The context afterwards (`struct __sk_buff`, `struct xdp_md`), if one was given.
    pub context: Vec<u8>,
}

impl TestRun {
    /// One run on nothing.
    pub fn new() -> TestRun {
        TestRun::default()
    }

    /// The packet.
    pub fn data(mut self, data: &[u8]) -> TestRun {
        self.data = data.to_vec();
        self
    }

    /// The context: bytes of the program type's context struct.
    pub fn context(mut self, context: &[u8]) -> TestRun {
        self.context = context.to_vec();
        self
    }

    /// How many times; 0 is once.
    pub fn repeat(mut self, repeat: u32) -> TestRun {
        self.repeat = repeat;
        self
    }

    pub(crate) fn execute(&self, program: &Program) -> Result<TestOutput, Error> {
        let room = if self.data.is_empty() { 0 } else { self.data.len().saturating_add(GROWTH_BYTES) };
        let mut data = vec![0; room];
        let mut context = vec![0; self.context.len()];
        let command = ProgTestRun {
            prog_fd: program.fd(),
            data_in: &self.data,
            data_out: &mut data,
            repeat: self.repeat,
            ctx_in: &self.context,
            ctx_out: &mut context,
            ..ProgTestRun::default()
        };
        let run = calls::prog_test_run(&**program.kernel(), command)
            .map_err(|failure| program.failed("PROG_TEST_RUN", "test-run", failure.errno))?;
        if run.data_size as usize > data.len() {
            return Err(program.failed("PROG_TEST_RUN", "test-run", Errno::ENOSPC));
        }
        data.truncate(run.data_size as usize);
        context.truncate(run.ctx_size as usize);
        Ok(TestOutput { return_value: run.retval, nanoseconds: run.duration_ns, data, context })
    }
}
