//! Dynptrs: memory whose size only the run knows.
//!
//! A dynptr is 16 bytes on the program's stack that the verifier keeps it from touching: the address, the size with the
//! kind in its top bits, the offset. A null dynptr is all zero.

use super::ring;
use crate::run::{Call, HelperError, HelperResult};
use skep_abi::errno::Errno;

const RINGBUF: u32 = 1 << 28;
const LOCAL: u32 = 2 << 28;
const SIZE: u32 = (1 << 24) - 1;

#[derive(Clone, Copy, Debug)]
struct Dynptr {
    data: u64,
    size: u32,
    offset: u32,
}

impl Dynptr {
    const NULL: Dynptr = Dynptr { data: 0, size: 0, offset: 0 };

    fn load(call: &Call<'_, '_, '_>, at: u64) -> Result<Dynptr, HelperError> {
        let bytes: [u8; 16] = call.machine.read_array(at)?;
        let number = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let data = u64::from(number(0)) | u64::from(number(4)) << 32;
        Ok(Dynptr { data, size: number(8), offset: number(12) })
    }

    fn store(self, call: &mut Call<'_, '_, '_>, at: u64) -> Result<(), HelperError> {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.data.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.size.to_ne_bytes());
        bytes[12..].copy_from_slice(&self.offset.to_ne_bytes());
        Ok(call.machine.write(at, &bytes)?)
    }

    /// The address of `len` bytes at `offset`.
    fn part(self, offset: u64, len: u64) -> Result<u64, Errno> {
        if self.data == 0 {
            return Err(Errno::EINVAL);
        }
        let size = u64::from(self.size & SIZE);
        let inside = offset.checked_add(len).is_some_and(|end| end <= size);
        if inside { Ok(self.data + u64::from(self.offset) + offset) } else { Err(Errno::E2BIG) }
    }
}

/// `long bpf_ringbuf_reserve_dynptr(map, size, flags, dynptr)`
pub(super) fn ringbuf_reserve(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [_, size, flags, to, _] = call.args;
    let refused = if flags != 0 {
        Some(Errno::EINVAL)
    } else if size > u64::from(SIZE) {
        Some(Errno::E2BIG)
    } else {
        None
    };
    if let Some(errno) = refused {
        Dynptr::NULL.store(call, to)?;
        return Err(errno.into());
    }
    let data = ring::reserve(call)?;
    if data == 0 {
        Dynptr::NULL.store(call, to)?;
        return Err(Errno::EINVAL.into());
    }
    Dynptr { data, size: size as u32 | RINGBUF, offset: 0 }.store(call, to)?;
    Ok(0)
}

fn finish(call: &mut Call<'_, '_, '_>, discard: bool) -> HelperResult {
    let [at, flags, ..] = call.args;
    let dynptr = Dynptr::load(call, at)?;
    if dynptr.data != 0 {
        call.finish_record(dynptr.data, discard, flags);
        Dynptr::NULL.store(call, at)?;
    }
    Ok(0)
}

/// `void bpf_ringbuf_submit_dynptr(dynptr, flags)`
pub(super) fn ringbuf_submit(call: &mut Call<'_, '_, '_>) -> HelperResult {
    finish(call, false)
}

/// `void bpf_ringbuf_discard_dynptr(dynptr, flags)`
pub(super) fn ringbuf_discard(call: &mut Call<'_, '_, '_>) -> HelperResult {
    finish(call, true)
}

/// `long bpf_dynptr_from_mem(data, size, flags, dynptr)`
pub(super) fn from_memory(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [data, size, flags, to, _] = call.args;
    let size = u64::from(size as u32);
    let refused = if size > u64::from(SIZE) {
        Some(Errno::E2BIG)
    } else if flags != 0 {
        Some(Errno::EINVAL)
    } else {
        None
    };
    if let Some(errno) = refused {
        Dynptr::NULL.store(call, to)?;
        return Err(errno.into());
    }
    Dynptr { data, size: size as u32 | LOCAL, offset: 0 }.store(call, to)?;
    Ok(0)
}

/// `long bpf_dynptr_read(to, len, dynptr, offset, flags)`
pub(super) fn read(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [to, len, dynptr, offset, flags] = call.args;
    let dynptr = Dynptr::load(call, dynptr)?;
    if dynptr.data == 0 || flags != 0 {
        return Err(Errno::EINVAL.into());
    }
    let len = u64::from(len as u32);
    let bytes = call.bytes(dynptr.part(u64::from(offset as u32), len)?, len as usize)?;
    call.machine.write(to, &bytes)?;
    Ok(0)
}

/// `long bpf_dynptr_write(dynptr, offset, from, len, flags)`
pub(super) fn write(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [dynptr, offset, from, len, flags] = call.args;
    let dynptr = Dynptr::load(call, dynptr)?;
    if dynptr.data == 0 || flags != 0 {
        return Err(Errno::EINVAL.into());
    }
    let len = u64::from(len as u32);
    let to = dynptr.part(u64::from(offset as u32), len)?;
    let bytes = call.bytes(from, len as usize)?;
    call.machine.write(to, &bytes)?;
    Ok(0)
}

/// `void *bpf_dynptr_data(dynptr, offset, len)`
pub(super) fn data(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [dynptr, offset, len, ..] = call.args;
    let dynptr = Dynptr::load(call, dynptr)?;
    Ok(dynptr.part(u64::from(offset as u32), u64::from(len as u32)).unwrap_or(0))
}
