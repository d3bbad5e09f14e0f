//! `BPF_PROG_TEST_RUN`: runs a program on a client's data.

use crate::hooks::test_run::{TestedProgram, test_run};
use crate::kernel::UserKernel;
use crate::objects::Program;
use crate::run::{PlainContext, RunOptions};
use skep_abi::command::{Failure, ProgTestRun, Reply, TestRunFlags};
use skep_abi::errno::Errno;
use skep_abi::program_type::{ContextInfo, ProgramType};

impl UserKernel {
    pub(super) fn test_run(&self, mut command: ProgTestRun<'_>) -> Result<Reply, Failure> {
        let program = self.descriptors.program(command.prog_fd)?;
        if program.program_type() == ProgramType::Syscall {
            return self.test_syscall(&program, &command);
        }
        let tested = TestedProgram {
            program_type: program.program_type(),
            attach_type: program.attach_type(),
            context_bytes: 0,
            cpus: self.cpus.count() as u32,
        };
        let cpu = command.flags.contains(TestRunFlags::RUN_ON_CPU).then_some(command.cpu);
        test_run(&tested, &mut command, &mut |context, repeat| {
            let options = RunOptions { cpu, repeat, ..RunOptions::default() };
            let outcome = self.run_with(&program, context, &options);
            if outcome.fault.is_some() { Err(Errno::EFAULT) } else { Ok(outcome.ret) }
        })
    }

    fn test_syscall(&self, program: &Program, command: &ProgTestRun<'_>) -> Result<Reply, Failure> {
        let plain = command.data_in.is_empty() && command.data_out.is_empty() && command.ctx_out.is_empty();
        if !plain
            || !command.flags.is_empty()
            || command.cpu != 0
            || command.repeat != 0
            || command.ctx_in.len() > u16::MAX as usize
        {
            return Err(Errno::EINVAL.into());
        }
        let mut context = PlainContext::new(&ContextInfo::Buffer, command.ctx_in).ok_or(Errno::ENOTSUPP)?;
        let outcome = self.run(program, &mut context);
        Ok(Reply::TestRun { retval: outcome.ret as u32, duration_ns: 0, data_size: 0, ctx_size: 0 })
    }
}
