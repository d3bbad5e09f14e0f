//! Copying the results of a test run out.

use super::Tested;
use skep_abi::command::{Failure, ProgTestRun, Reply};
use skep_abi::errno::Errno;

/// A failure that left the sizes as the client gave them.
pub(super) fn failure(command: &ProgTestRun<'_>, errno: Errno) -> Failure {
    let (data_size, ctx_size) = (command.data_out.len() as u32, command.ctx_out.len() as u32);
    Failure { errno, reply: Reply::TestRun { retval: 0, duration_ns: 0, data_size, ctx_size } }
}

/// Copies the packet and the context into the client's buffers, as much as fits.
pub(super) fn finish(command: &mut ProgTestRun<'_>, tested: &Tested) -> Result<Reply, Failure> {
    let [linear, fragments] = &tested.data;
    let size = linear.len() + fragments.len();
    let room = command.data_out.len();
    let too_short = room != 0 && size > room;
    if room != 0 {
        // Linux counts the fragments from the end, and gives up where they alone do not fit.
        let copied = size.min(room);
        let Some(of_linear) = copied.checked_sub(fragments.len()) else { return Err(failure(command, Errno::ENOSPC)) };
        command.data_out[..of_linear].copy_from_slice(&linear[..of_linear]);
        command.data_out[of_linear..copied].copy_from_slice(&fragments[..copied - of_linear]);
    }
    let reply = |ctx_size| Reply::TestRun {
        retval: tested.retval,
        duration_ns: tested.duration_ns,
        data_size: size as u32,
        ctx_size,
    };
    let ctx_room = command.ctx_out.len();
    if too_short {
        return Err(Failure { errno: Errno::ENOSPC, reply: reply(ctx_room as u32) });
    }
    let Some(context) = tested.context.as_ref().filter(|_| ctx_room != 0) else { return Ok(reply(ctx_room as u32)) };
    let copied = context.len().min(ctx_room);
    command.ctx_out[..copied].copy_from_slice(&context[..copied]);
    let reply = reply(context.len() as u32);
    if copied < context.len() { Err(Failure { errno: Errno::ENOSPC, reply }) } else { Ok(reply) }
}
