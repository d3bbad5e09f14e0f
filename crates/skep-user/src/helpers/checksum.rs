//! Internet checksums (RFC 1071): sums of 16-bit words in one's complement, in the byte order of the machine throughout.

use super::packet::part;
use crate::kernel::UserKernel;
use crate::maps::direct::bytes_at;
use crate::run::{Call, HelperError, HelperResult};
use skep_abi::errno::Errno;
use skep_engine::{Direct, RunFacts};

/// `flags` of the replacing helpers: bytes of the field that changed.
const FIELD: u64 = 0xf;
const PSEUDO_HEADER: u64 = 0x10;
/// Zero means "no checksum" and stays.
const MARK_MANGLED_0: u64 = 0x20;
const MARK_ENFORCE: u64 = 0x40;
const IPV6: u64 = 0x80;

/// Adds with the carry brought around.
fn add(a: u32, b: u32) -> u32 {
    let (sum, carry) = a.overflowing_add(b);
    sum + u32::from(carry)
}

fn subtract(a: u32, b: u32) -> u32 {
    add(a, !b)
}

/// 32 bits to 16.
fn fold(sum: u32) -> u16 {
    let once = (sum >> 16) + (sum & 0xffff);
    ((once >> 16) + (once & 0xffff)) as u16
}

/// The sum of bytes, as if zeroes followed up to a multiple of four.
fn sum(bytes: &[u8], start: u32) -> u32 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    words.iter().chain([&last]).fold(start, |sum, word| add(sum, u32::from_ne_bytes(*word)))
}

/// `s64 bpf_csum_diff(from, from_size, to, to_size, seed)`
pub(super) fn difference(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [from, from_size, to, to_size, seed] = call.args;
    let (from_size, to_size, seed) = (from_size as u32, to_size as u32, seed as u32);
    let from = call.bytes(from, from_size as usize)?;
    let to = call.bytes(to, to_size as usize)?;
    Ok(difference_of(&from, &to, seed))
}

fn difference_of(from: &[u8], to: &[u8], seed: u32) -> u64 {
    let result = match (from.is_empty(), to.is_empty()) {
        (false, false) => subtract(sum(to, seed), sum(from, 0)),
        (true, false) => sum(to, seed),
        (false, true) => !sum(from, !seed),
        (true, true) => seed,
    };
    u64::from(fold(result))
}

pub(super) fn direct_difference(_kernel: &UserKernel) -> Direct {
    Direct::Function { function: direct_csum_diff, data: None }
}

/// # Safety
/// As [`skep_engine::DirectFunction`] says.
unsafe extern "C" fn direct_csum_diff(
    from: u64,
    from_size: u64,
    to: u64,
    to_size: u64,
    seed: u64,
    _: *mut RunFacts,
) -> u64 {
    // SAFETY: the verifier proved that so many bytes are there; with a size of 0 the pointer may be NULL.
    let (from, to) = unsafe { (bytes_at(from, from_size as u32 as usize), bytes_at(to, to_size as u32 as usize)) };
    difference_of(&from, &to, seed as u32)
}

/// `s64 bpf_csum_update(skb, sum)`: packets here carry no checksum of the device.
pub(super) fn update(_call: &mut Call<'_, '_, '_>) -> HelperResult {
    Err(Errno::ENOTSUPP.into())
}

/// `long bpf_csum_level(skb, level)`: nothing was checked by a device.
pub(super) fn level(call: &mut Call<'_, '_, '_>) -> HelperResult {
    match call.args[1] {
        0 => Err(Errno::EACCES.into()),
        1..=3 => Ok(0),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// The stored (complemented) checksum after a change.
fn replaced(stored: u16, from: u32, to: u32) -> u16 {
    !fold(add(subtract(u32::from(!stored), from), to))
}

/// What the field's size and values say: old and new sums.
fn change(size: u64, from: u64, to: u64) -> Result<(u32, u32), HelperError> {
    match size {
        // `to` is a difference as bpf_csum_diff gives it.
        0 if from == 0 => Ok((0, to as u32)),
        2 => Ok((u32::from(from as u16), u32::from(to as u16))),
        4 => Ok((from as u32, to as u32)),
        _ => Err(Errno::EINVAL.into()),
    }
}

fn checksum_at(call: &mut Call<'_, '_, '_>, offset: u64) -> Result<u16, HelperError> {
    let offset = u64::from(offset as u32);
    if offset > 0xffff || offset % 2 != 0 {
        return Err(Errno::EFAULT.into());
    }
    let mut stored = [0; 2];
    part(call, offset, 2, Errno::EFAULT)?.read(&mut stored);
    Ok(u16::from_ne_bytes(stored))
}

fn store(call: &mut Call<'_, '_, '_>, offset: u64, checksum: u16) -> HelperResult {
    part(call, u64::from(offset as u32), 2, Errno::EFAULT)?.write(&checksum.to_ne_bytes());
    Ok(0)
}

/// `long bpf_l3_csum_replace(skb, offset, from, to, flags)`
pub(super) fn replace_l3(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [_, offset, from, to, flags] = call.args;
    if flags & !FIELD != 0 {
        return Err(Errno::EINVAL.into());
    }
    let stored = checksum_at(call, offset)?;
    let (from, to) = change(flags & FIELD, from, to)?;
    store(call, offset, replaced(stored, from, to))
}

/// `long bpf_l4_csum_replace(skb, offset, from, to, flags)`
pub(super) fn replace_l4(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [_, offset, from, to, flags] = call.args;
    if flags & !(FIELD | PSEUDO_HEADER | MARK_MANGLED_0 | MARK_ENFORCE | IPV6) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let stored = checksum_at(call, offset)?;
    let zero_is_none = flags & MARK_MANGLED_0 != 0;
    if zero_is_none && flags & MARK_ENFORCE == 0 && stored == 0 {
        return Ok(0);
    }
    let (from, to) = change(flags & FIELD, from, to)?;
    let checksum = match replaced(stored, from, to) {
        0 if zero_is_none => 0xffff,
        checksum => checksum,
    };
    store(call, offset, checksum)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1071, section 3: the words 0001 f203 f4f5 f6f7 add up to ddf2.
    #[test]
    fn the_sum_of_the_rfc() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(fold(sum(&bytes, 0)).to_ne_bytes(), [0xdd, 0xf2]);
    }

    #[test]
    fn replacing_gives_the_checksum_of_the_changed_header() {
        let mut header: Vec<u8> = (0..20).map(|i| i * 11 + 3).collect();
        let checksum = |bytes: &[u8]| !fold(sum(bytes, 0));
        let before = checksum(&header);
        let old = [header[12], header[13], header[14], header[15]];
        header[12..16].copy_from_slice(&[10, 0, 0, 1]);
        let after = replaced(before, u32::from_ne_bytes(old), u32::from_ne_bytes([10, 0, 0, 1]));
        assert_eq!(after, checksum(&header));
    }
}
