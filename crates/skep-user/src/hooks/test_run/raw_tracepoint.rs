//! Test runs of raw tracepoint programs: the client's context is the arguments.

use super::{Run, TestedProgram};
use crate::hooks::raw_tracepoint::MAX_ARGUMENTS;
use crate::run::PlainContext;
use skep_abi::command::{ProgTestRun, Reply, TestRunFlags};
use skep_abi::errno::Errno;
use skep_abi::program_type::ProgramType;

/// Takes no packet, gives back no context, and neither repeats nor measures. Flags that mean nothing here are let through.
pub(super) fn test(program: &TestedProgram, command: &ProgTestRun<'_>, run: &mut Run<'_>) -> Result<Reply, Errno> {
    let nothing_else = command.data_in.is_empty() && command.data_out.is_empty() && command.ctx_out.is_empty();
    if !nothing_else || command.repeat != 0 || command.batch_size != 0 {
        return Err(Errno::EINVAL);
    }
    let arguments = command.ctx_in;
    if arguments.len() < program.context_bytes as usize || arguments.len() > MAX_ARGUMENTS * 8 {
        return Err(Errno::EINVAL);
    }
    if !command.flags.contains(TestRunFlags::RUN_ON_CPU) {
        if command.cpu != 0 {
            return Err(Errno::EINVAL);
        }
    } else if command.cpu >= program.cpus {
        return Err(Errno::ENXIO);
    }
    let retval = run(&mut PlainContext::of(ProgramType::RawTracepoint, arguments), 1)? as u32;
    Ok(Reply::TestRun { retval, duration_ns: 0, data_size: 0, ctx_size: 0 })
}
