//! Printing.

use super::printf::{Arguments, format};
use super::signed;
use crate::run::{Call, HelperResult};
use crate::trace::TraceLine;
use crate::world::ClockKind;
use skep_abi::errno::Errno;

/// Most values of one format (`MAX_BPRINTF_VARARGS`).
const MOST_VALUES: usize = 12;

fn values(call: &Call<'_, '_, '_>, data: u64, len: u64) -> Result<Vec<u64>, crate::run::HelperError> {
    let len = len as u32 as usize;
    if !len.is_multiple_of(8) || len > 8 * MOST_VALUES {
        return Err(Errno::EINVAL.into());
    }
    let bytes = call.machine.read_vec(data, len)?;
    Ok(bytes.as_chunks::<8>().0.iter().map(|value| u64::from_ne_bytes(*value)).collect())
}

fn print(call: &mut Call<'_, '_, '_>, values: &[u64]) -> HelperResult {
    let [at, size, ..] = call.args;
    let text = call.machine.read_vec(at, size as u32 as usize)?;
    let Some((0, text)) = text.split_last().map(|(last, text)| (*last, text)) else {
        return Err(Errno::EINVAL.into());
    };
    let line = format(text, &mut Arguments::new(values))?;
    let task = call.env.task;
    call.env.kernel.trace.push(TraceLine {
        comm: task.spec().comm.clone(),
        pid: task.spec().pid,
        cpu: call.cpu(),
        time: call.env.kernel.config.clock.now(ClockKind::Monotonic),
        text: String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned(),
    });
    Ok(signed(line.len() as i64))
}

/// `long bpf_trace_printk(format, size, a, b, c)`
pub(super) fn trace_printk(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [.., a, b, c] = call.args;
    print(call, &[a, b, c])
}

/// `long bpf_trace_vprintk(format, size, values, len)`
pub(super) fn trace_vprintk(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let values = values(call, call.args[2], call.args[3])?;
    print(call, &values)
}

/// `long bpf_snprintf(to, size, format, values, len)`: gives the length of the whole text with its NUL.
pub(super) fn snprintf(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [to, size, text, data, len] = call.args;
    let values = values(call, data, len)?;
    let text = call.machine.read_c_string(text, 1 << 16)?;
    let mut line = format(&text, &mut Arguments::new(&values))?;
    let whole = line.len() as u64 + 1;
    let size = call.size(size)?;
    if size > 0 {
        line.truncate(size - 1);
        line.push(0);
        call.machine.write(to, &line)?;
    }
    Ok(whole)
}
