//! Helpers that call a function of the program again and again.

use crate::run::{Call, HelperError, HelperResult};
use skep_abi::errno::Errno;
use std::ops::ControlFlow;

/// Most iterations of `bpf_loop` (`BPF_MAX_LOOPS`).
const MOST_ITERATIONS: u64 = 1 << 23;

/// `long bpf_loop(count, callback, context, flags)`
pub(super) fn repeat(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [count, callback, context, flags, _] = call.args;
    let count = u64::from(count as u32);
    if flags != 0 {
        return Err(Errno::EINVAL.into());
    }
    if count > MOST_ITERATIONS {
        return Err(Errno::E2BIG.into());
    }
    for index in 0..count {
        if call.call_back(callback, [index, context, 0, 0, 0])? != 0 {
            return Ok(index + 1);
        }
    }
    Ok(count)
}

/// `long bpf_for_each_map_elem(map, callback, context, flags)`
pub(super) fn for_each_map_elem(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [map_address, callback, context, flags, _] = call.args;
    if flags != 0 {
        return Err(Errno::EINVAL.into());
    }
    let map = call.map(map_address)?;
    let (key_size, value_size) = (map.definition.key_size, map.definition.value.size);
    let mut failure: Option<HelperError> = None;
    let run = call.env.run;
    let visited = map.implementation.for_each(run, &mut |key, value| {
        // An array's key is a number of ours on the stack: it goes away with the visit.
        call.lend(key, key_size);
        call.lend(value, value_size);
        call.note_value(map, value);
        let result = call.call_back(callback, [map_address, key, value, context, 0]);
        call.machine.conceal(key);
        match result {
            Ok(0) => ControlFlow::Continue(()),
            Ok(_) => ControlFlow::Break(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    match failure {
        Some(error) => Err(error),
        None => Ok(visited.cast_unsigned()),
    }
}
