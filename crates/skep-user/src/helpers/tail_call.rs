//! Tail calls.

use crate::maps::Kind;
use crate::run::{Call, HelperResult};
use skep_abi::errno::Errno;

/// `long bpf_tail_call(context, map, index)`: goes on in another program, or returns where there is none or the limit is
/// reached.
pub(super) fn tail_call(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let map = call.map(call.args[1])?;
    let Kind::Programs(programs) = map.implementation.kind() else { return Err(Errno::EINVAL.into()) };
    let program = programs.program(call.args[2] as u32, call.env.run).ok_or(Errno::ENOENT)?;
    if !call.machine.tail_call(program.executable.clone())? {
        return Err(Errno::ELOOP.into());
    }
    call.env.program = program;
    call.lend_values_of(program);
    Ok(0)
}
