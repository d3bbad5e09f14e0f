//! The `probe_read` family: reads that may fail.
//!
//! *Kernel* addresses are those of this process. *User* addresses are those of the current task: another process, where
//! the task says so.

use super::signed;
use crate::memory::{read_checked, read_of_process};
use crate::run::{Call, HelperResult};
use skep_abi::errno::Errno;

/// Whose memory.
#[derive(Clone, Copy)]
enum Space {
    Kernel,
    User,
}

impl Space {
    fn read(self, call: &Call<'_, '_, '_>, address: u64, to: &mut [u8]) -> bool {
        match (self, call.env.task.spec().address_space) {
            (Space::User, Some(process)) => read_of_process(process, address, to),
            _ => read_checked(address, to),
        }
    }
}

fn read(call: &mut Call<'_, '_, '_>, space: Space) -> HelperResult {
    let [to, size, from, ..] = call.args;
    let mut bytes = vec![0; call.size(size)?];
    let good = space.read(call, from, &mut bytes);
    if !good {
        bytes.fill(0);
    }
    call.machine.write(to, &bytes)?;
    if good { Ok(0) } else { Err(Errno::EFAULT.into()) }
}

/// Bytes up to the end of a page can be read in one go; the next page may be missing.
fn read_string(call: &Call<'_, '_, '_>, space: Space, from: u64, size: usize) -> Option<Vec<u8>> {
    const PAGE: u64 = 4096;
    let mut string = Vec::new();
    while string.len() < size {
        let at = from.checked_add(string.len() as u64)?;
        let step = ((PAGE - at % PAGE) as usize).min(size - string.len()).min(256);
        let start = string.len();
        string.resize(start + step, 0);
        if !space.read(call, at, &mut string[start..]) {
            return None;
        }
        if let Some(end) = string[start..].iter().position(|byte| *byte == 0) {
            string.truncate(start + end + 1);
            return Some(string);
        }
    }
    // Cut: the last byte becomes the NUL.
    if let Some(last) = string.last_mut() {
        *last = 0;
    }
    Some(string)
}

fn read_str(call: &mut Call<'_, '_, '_>, space: Space) -> HelperResult {
    let [to, size, from, ..] = call.args;
    let size = call.size(size)?;
    match read_string(call, space, from, size) {
        Some(string) => {
            call.machine.write(to, &string)?;
            Ok(signed(string.len() as i64))
        }
        None => {
            call.machine.write(to, &vec![0; size])?;
            Err(Errno::EFAULT.into())
        }
    }
}

/// `long bpf_probe_read_kernel(to, size, address)`
pub(super) fn probe_read_kernel(call: &mut Call<'_, '_, '_>) -> HelperResult {
    read(call, Space::Kernel)
}

/// `long bpf_probe_read_user(to, size, address)`
pub(super) fn probe_read_user(call: &mut Call<'_, '_, '_>) -> HelperResult {
    read(call, Space::User)
}

/// `long bpf_probe_read_kernel_str(to, size, address)`
pub(super) fn probe_read_kernel_str(call: &mut Call<'_, '_, '_>) -> HelperResult {
    read_str(call, Space::Kernel)
}

/// `long bpf_probe_read_user_str(to, size, address)`
pub(super) fn probe_read_user_str(call: &mut Call<'_, '_, '_>) -> HelperResult {
    read_str(call, Space::User)
}

/// `long bpf_probe_write_user(to, from, size)`: never allowed, since "user" may be this very process.
pub(super) fn probe_write_user(_call: &mut Call<'_, '_, '_>) -> HelperResult {
    Err(Errno::EPERM.into())
}
