//! Call stacks, which the hook gives with the run.

use crate::maps::Kind;
use crate::run::{Call, HelperResult};
use skep_abi::errno::Errno;

const SKIP: u64 = 0xff;
const USER_STACK: u64 = 1 << 8;
const FAST_STACK_CMP: u64 = 1 << 9;
const REUSE_STACKID: u64 = 1 << 10;

fn frames<'a>(call: &Call<'_, 'a, '_>, flags: u64) -> &'a [u64] {
    let options = call.env.options;
    if flags & USER_STACK != 0 { options.user_stack } else { options.kernel_stack }
}

/// `long bpf_get_stackid(context, map, flags)`
pub(super) fn stack_id(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [_, map, flags, ..] = call.args;
    if flags & !(SKIP | USER_STACK | FAST_STACK_CMP | REUSE_STACKID) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let map = call.map(map)?;
    let Kind::StackTraces(stacks) = map.implementation.kind() else { return Err(Errno::EINVAL.into()) };
    Ok(u64::from(stacks.store(frames(call, flags), flags)?))
}

fn copy(call: &mut Call<'_, '_, '_>, to: u64, size: u64, flags: u64) -> HelperResult {
    let size = call.size(size)?;
    if flags & !(SKIP | USER_STACK) != 0 || !size.is_multiple_of(8) {
        return Err(Errno::EINVAL.into());
    }
    let frames = frames(call, flags).get((flags & SKIP) as usize..).unwrap_or_default();
    let mut bytes: Vec<u8> = frames.iter().take(size / 8).flat_map(|frame| frame.to_ne_bytes()).collect();
    let copied = bytes.len();
    bytes.resize(size, 0);
    call.machine.write(to, &bytes)?;
    if copied == 0 { Err(Errno::EFAULT.into()) } else { Ok(copied as u64) }
}

/// `long bpf_get_stack(context, to, size, flags)`
pub(super) fn stack(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [_, to, size, flags, _] = call.args;
    copy(call, to, size, flags)
}

/// `long bpf_get_task_stack(task, to, size, flags)`: of the current task.
pub(super) fn task_stack(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [task, to, size, flags, _] = call.args;
    let current = std::ptr::from_ref(call.env.task.memory()) as u64;
    if task == current { copy(call, to, size, flags) } else { Err(Errno::EOPNOTSUPP.into()) }
}
