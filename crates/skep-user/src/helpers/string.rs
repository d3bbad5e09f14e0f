//! Strings and numbers in text.

use super::signed;
use crate::run::{Call, HelperError, HelperResult};
use skep_abi::errno::Errno;

/// `long bpf_strncmp(a, a_size, b)`: `b` is a constant string.
pub(super) fn compare(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [a, size, b, ..] = call.args;
    for at in 0..u64::from(size as u32) {
        let [x] = call.machine.read_array(a.wrapping_add(at))?;
        let [y] = call.machine.read_array(b.wrapping_add(at))?;
        if x != y {
            return Ok(signed(if x < y { -1 } else { 1 }));
        }
        if x == 0 {
            break;
        }
    }
    Ok(0)
}

/// A number at the start of a text.
#[derive(Debug, PartialEq, Eq)]
struct Parsed {
    magnitude: u64,
    negative: bool,
    /// Bytes it took, space before it included.
    consumed: usize,
}

/// Reads a number as `strtoull` does. `flags` is the base: 0 finds it out from the prefix.
fn parse(text: &[u8], flags: u64) -> Result<Parsed, Errno> {
    if flags & !0x1f != 0 || !matches!(flags, 0 | 8 | 10 | 16) || text.is_empty() {
        return Err(Errno::EINVAL);
    }
    let mut at = text.iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == 0x0b).count();
    let negative = text.get(at) == Some(&b'-');
    at += usize::from(negative);
    let hexadecimal =
        |at: usize| matches!(text.get(at..at + 3), Some([b'0', b'x' | b'X', digit]) if digit.is_ascii_hexdigit());
    let base: u64 = match flags {
        0 if hexadecimal(at) => 16,
        0 if text.get(at) == Some(&b'0') => 8,
        0 => 10,
        base => base,
    };
    if base == 16 && hexadecimal(at) {
        at += 2;
    }
    let mut magnitude = 0u64;
    let first = at;
    while let Some(digit) = text.get(at).and_then(|byte| (*byte as char).to_digit(base as u32)) {
        magnitude = magnitude.checked_mul(base).and_then(|n| n.checked_add(u64::from(digit))).ok_or(Errno::ERANGE)?;
        at += 1;
    }
    if at == first { Err(Errno::EINVAL) } else { Ok(Parsed { magnitude, negative, consumed: at }) }
}

fn text(call: &Call<'_, '_, '_>) -> Result<Vec<u8>, HelperError> {
    let [from, len, ..] = call.args;
    let text = call.machine.read_vec(from, len as u32 as usize)?;
    Ok(text.split(|byte| *byte == 0).next().unwrap_or_default().to_vec())
}

/// `long bpf_strtol(text, len, base, long *to)`
pub(super) fn to_signed(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let Parsed { magnitude, negative, consumed } = parse(&text(call)?, call.args[2])?;
    let value = i128::from(magnitude) * if negative { -1 } else { 1 };
    let value = i64::try_from(value).map_err(|_| Errno::ERANGE)?;
    call.machine.write(call.args[3], &value.to_ne_bytes())?;
    Ok(consumed as u64)
}

/// `long bpf_strtoul(text, len, base, unsigned long *to)`
pub(super) fn to_unsigned(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let Parsed { magnitude, negative, consumed } = parse(&text(call)?, call.args[2])?;
    if negative {
        return Err(Errno::EINVAL.into());
    }
    call.machine.write(call.args[3], &magnitude.to_ne_bytes())?;
    Ok(consumed as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_text() {
        let parsed = |text: &str, base| parse(text.as_bytes(), base).map(|p| (p.magnitude, p.negative, p.consumed));
        assert_eq!(parsed("42", 0), Ok((42, false, 2)));
        assert_eq!(parsed(" -0x1fz", 0), Ok((31, true, 6)));
        assert_eq!(parsed("0755", 0), Ok((0o755, false, 4)));
        assert_eq!(parsed("ff", 16), Ok((255, false, 2)));
        assert_eq!(parsed("0", 0), Ok((0, false, 1)));
        assert_eq!(parsed("x", 0), Err(Errno::EINVAL));
        assert_eq!(parsed("", 10), Err(Errno::EINVAL));
        assert_eq!(parsed("1", 7), Err(Errno::EINVAL));
        assert_eq!(parsed("18446744073709551616", 10), Err(Errno::ERANGE));
    }
}
