//! `BPF_PROG_TEST_RUN` with Linux 6.18's rules: what input it takes, what the program sees, what comes back.

mod finish;
mod raw_tracepoint;
mod skb;
mod xdp;

use crate::run::Context;
use finish::{failure, finish};
use skep_abi::attach_type::AttachType;
use skep_abi::command::{Failure, ProgTestRun, Reply};
use skep_abi::errno::Errno;
use skep_abi::program_type::ProgramType;
use std::time::Instant;

/// Index of the loopback interface, where tests take place. There is no other.
const LOOPBACK: u32 = 1;

/// Bytes of memory that Linux gives a test packet with its surroundings.
const PAGE: usize = 4096;

/// Bytes behind a packet that Linux keeps for itself: `struct skb_shared_info`, aligned to a cache line.
const SHARED_INFO: usize = 320;

/// What a test run must know of the program.
#[derive(Clone, Copy, Debug)]
pub struct TestedProgram {
    /// Its type.
    pub program_type: ProgramType,
    /// Its expected attach type.
    pub attach_type: Option<AttachType>,
    /// Bytes of the context that it reads, from the beginning on (raw tracepoints).
    pub context_bytes: u32,
    /// CPUs that it can run on.
    pub cpus: u32,
}

/// What a test did before it is copied out.
struct Tested {
    retval: u32,
    duration_ns: u32,
    /// The packet afterwards as far as the program saw it, and the rest.
    data: [Vec<u8>; 2],
    /// The context afterwards, if the client gave one or asked for it.
    context: Option<Vec<u8>>,
}

/// Runs a program on a given context so many times, each on what the run before left, and gives the last r0.
pub type Run<'r> = dyn FnMut(&mut dyn Context, u32) -> Result<u64, Errno> + 'r;

/// Does a test run by `run`.
///
/// # Errors
/// `EINVAL` and `E2BIG` for input that the type does not take, `ENODEV` for an interface other than loopback, `ENXIO` for
/// a CPU that is not there, `ENOMEM` for an XDP packet of more than 17 fragments, `ENOSPC` when an output buffer is too
/// short (the reply says how long it should be), `ENOTSUPP` for types that cannot be tested here, and what `run` gives.
pub fn test_run(program: &TestedProgram, command: &mut ProgTestRun<'_>, run: &mut Run<'_>) -> Result<Reply, Failure> {
    let tested = match program.program_type {
        ProgramType::SocketFilter
        | ProgramType::SchedCls
        | ProgramType::SchedAct
        | ProgramType::CgroupSkb
        | ProgramType::LwtIn
        | ProgramType::LwtOut
        | ProgramType::LwtXmit => skb::test(program, command, run),
        ProgramType::Xdp => xdp::test(program, command, run),
        ProgramType::RawTracepoint => {
            return raw_tracepoint::test(program, command, run).map_err(|errno| failure(command, errno));
        }
        _ => Err(Errno::ENOTSUPP),
    };
    match tested {
        Ok(tested) => finish(command, &tested),
        Err(errno) => Err(failure(command, errno)),
    }
}

/// r0 of the last run and the average time.
fn repeat(times: u32, run: impl FnOnce(u32) -> Result<u64, Errno>) -> Result<(u32, u32), Errno> {
    let times = times.max(1);
    let start = Instant::now();
    let retval = run(times)? as u32;
    let average = start.elapsed().as_nanos() / u128::from(times);
    Ok((retval, u32::try_from(average).unwrap_or(u32::MAX)))
}

/// The client's context, `size` bytes of it; `None` if it neither gave nor wants one. What is beyond must be zero.
fn given_context(command: &ProgTestRun<'_>, size: usize) -> Result<Option<Vec<u8>>, Errno> {
    if command.ctx_in.is_empty() && command.ctx_out.is_empty() {
        return Ok(None);
    }
    let (known, rest) = command.ctx_in.split_at(command.ctx_in.len().min(size));
    if rest.iter().any(|byte| *byte != 0) {
        return Err(Errno::E2BIG);
    }
    let mut context = known.to_vec();
    context.resize(size, 0);
    Ok(Some(context))
}
