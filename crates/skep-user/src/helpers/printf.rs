//! Formats as the kernel's printing helpers take them: `%[flags][width][l|ll]d|i|u|x|X|c|s` and some kinds of `%p`.
//!
//! A format that Linux refuses is refused (EINVAL), so that a program behaves the same on both kernels.

use crate::memory::read_checked;
use skep_abi::errno::Errno;

/// Longest text of one `%s`.
const LONGEST_STRING: usize = 512;

/// The values of a format, taken in order.
pub(super) struct Arguments<'a> {
    values: std::slice::Iter<'a, u64>,
}

impl<'a> Arguments<'a> {
    /// Those values.
    pub(super) fn new(values: &'a [u64]) -> Self {
        Arguments { values: values.iter() }
    }

    fn next(&mut self) -> Result<u64, Errno> {
        self.values.next().copied().ok_or(Errno::EINVAL)
    }
}

/// What stands between `%` and the conversion.
#[derive(Clone, Copy, Debug, Default)]
struct Field {
    zero: bool,
    left: bool,
    plus: bool,
    space: bool,
    width: usize,
}

impl Field {
    /// Pads to the width; zeroes go behind the sign.
    fn pad(self, out: &mut Vec<u8>, sign: &str, digits: &[u8], numeric: bool) {
        let padding = self.width.saturating_sub(sign.len() + digits.len());
        let zero = self.zero && numeric && !self.left;
        if !zero && !self.left {
            out.extend(std::iter::repeat_n(b' ', padding));
        }
        out.extend_from_slice(sign.as_bytes());
        if zero {
            out.extend(std::iter::repeat_n(b'0', padding));
        }
        out.extend_from_slice(digits);
        if self.left {
            out.extend(std::iter::repeat_n(b' ', padding));
        }
    }
}

/// A widest field, so that a format cannot ask for gigabytes; Linux cuts lines far earlier.
const WIDEST: usize = 4096;

/// Formats a line.
///
/// # Errors
/// EINVAL for what Linux does not take and for missing values.
pub(super) fn format(text: &[u8], arguments: &mut Arguments<'_>) -> Result<Vec<u8>, Errno> {
    if text.iter().any(|byte| !byte.is_ascii_graphic() && !byte.is_ascii_whitespace() && *byte != 0x0b) {
        return Err(Errno::EINVAL);
    }
    let mut out = Vec::with_capacity(text.len() + 32);
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            out.push(byte);
        } else if let Some(after) = rest.strip_prefix(b"%") {
            out.push(b'%');
            rest = after;
        } else {
            rest = conversion(rest, arguments, &mut out)?;
        }
    }
    Ok(out)
}

fn conversion<'t>(text: &'t [u8], arguments: &mut Arguments<'_>, out: &mut Vec<u8>) -> Result<&'t [u8], Errno> {
    let (field, rest) = field(text);
    let longs = rest.iter().take_while(|byte| **byte == b'l').count();
    if longs > 2 {
        return Err(Errno::EINVAL);
    }
    let (&kind, after) = rest[longs..].split_first().ok_or(Errno::EINVAL)?;
    match kind {
        b'p' if longs == 0 => return pointer(after, field, arguments, out),
        b's' if longs == 0 => string(field, arguments.next()?, out),
        b'c' if longs == 0 => field.pad(out, "", &[arguments.next()? as u8], false),
        b'd' | b'i' | b'u' | b'x' | b'X' => number(kind, longs > 0, field, arguments.next()?, out),
        _ => return Err(Errno::EINVAL),
    }
    Ok(after)
}

fn field(text: &[u8]) -> (Field, &[u8]) {
    let mut field = Field::default();
    let mut at = 0;
    while let Some(flag) = text.get(at) {
        match flag {
            b'0' => field.zero = true,
            b'-' => field.left = true,
            b'+' => field.plus = true,
            b' ' => field.space = true,
            _ => break,
        }
        at += 1;
    }
    while let Some(digit) = text.get(at).filter(|byte| byte.is_ascii_digit()) {
        field.width = (field.width * 10 + usize::from(digit - b'0')).min(WIDEST);
        at += 1;
    }
    (field, &text[at..])
}

fn number(kind: u8, long: bool, field: Field, value: u64, out: &mut Vec<u8>) {
    let unsigned = if long { value } else { u64::from(value as u32) };
    let signed = if long { value.cast_signed() } else { i64::from(value as i32) };
    let (sign, digits) = match kind {
        b'x' => ("", format!("{unsigned:x}")),
        b'X' => ("", format!("{unsigned:X}")),
        b'u' => ("", unsigned.to_string()),
        _ if signed < 0 => ("-", signed.unsigned_abs().to_string()),
        _ if field.plus => ("+", signed.to_string()),
        _ if field.space => (" ", signed.to_string()),
        _ => ("", signed.to_string()),
    };
    field.pad(out, sign, digits.as_bytes(), true);
}

/// The text at an address; nothing where it cannot be read.
fn string(field: Field, address: u64, out: &mut Vec<u8>) {
    let mut text = Vec::new();
    while text.len() < LONGEST_STRING - 1 {
        let mut byte = [0];
        if !read_checked(address.wrapping_add(text.len() as u64), &mut byte) {
            text.clear();
            break;
        }
        if byte[0] == 0 {
            break;
        }
        text.push(byte[0]);
    }
    field.pad(out, "", &text, false);
}

/// `%p`, `%px`, `%pK`, `%ps`, `%pS`, `%pB`, `%pks`, `%pus`, `%pi4`, `%pI4`, `%pi6`, `%pI6`. There are no secrets to hide and
/// no symbols to show: addresses are printed as they are.
fn pointer<'t>(
    text: &'t [u8],
    field: Field,
    arguments: &mut Arguments<'_>,
    out: &mut Vec<u8>,
) -> Result<&'t [u8], Errno> {
    let value = arguments.next()?;
    let full = || format!("{value:016x}");
    let after = match text {
        [b'k' | b'u', b's', after @ ..] => {
            string(field, value, out);
            after
        }
        [b'i' | b'I', b'4' | b'6', after @ ..] => {
            address(text[0], text[1], value, out);
            after
        }
        [b'x' | b'K', after @ ..] => {
            field.pad(out, "", full().as_bytes(), true);
            after
        }
        [b's' | b'S' | b'B', after @ ..] => {
            field.pad(out, "", format!("0x{value:x}").as_bytes(), false);
            after
        }
        // A plain pointer ends at a space, a punctuation mark or the end.
        [next, ..] if next.is_ascii_alphanumeric() => return Err(Errno::EINVAL),
        after => {
            field.pad(out, "", full().as_bytes(), true);
            after
        }
    };
    Ok(after)
}

/// An IP address in memory: `I` with separators, `i` without (and with leading zeroes).
fn address(kind: u8, version: u8, at: u64, out: &mut Vec<u8>) {
    let mut bytes = [0; 16];
    let len = if version == b'4' { 4 } else { 16 };
    // What cannot be read is printed as zeroes.
    let _ = read_checked(at, &mut bytes[..len]);
    let text = match (kind, version) {
        (b'I', b'4') => bytes[..4].iter().map(u8::to_string).collect::<Vec<_>>().join("."),
        (_, b'4') => bytes[..4].iter().map(|byte| format!("{byte:03}")).collect::<Vec<_>>().join("."),
        (b'I', _) => {
            bytes.chunks(2).map(|pair| format!("{:02x}{:02x}", pair[0], pair[1])).collect::<Vec<_>>().join(":")
        }
        _ => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(text: &str, values: &[u64]) -> Result<String, Errno> {
        format(text.as_bytes(), &mut Arguments::new(values)).map(|line| String::from_utf8_lossy(&line).into_owned())
    }

    #[test]
    fn numbers() {
        let cases: &[(&str, u64, &str)] = &[
            ("%d", u64::MAX, "-1"),
            ("%u", u64::MAX, "4294967295"),
            ("%ld", u64::MAX, "-1"),
            ("%llu", u64::MAX, "18446744073709551615"),
            ("%x", 0xabcd, "abcd"),
            ("%lX", 0xabcd_0000_0000, "ABCD00000000"),
            ("%08x|", 0xbeef, "0000beef|"),
            ("%-6d|", 42, "42    |"),
            ("%6d|", 42, "    42|"),
            ("%06d", (-42i64).cast_unsigned(), "-00042"),
            ("%+d", 7, "+7"),
            ("100%% %c", u64::from(b'z'), "100% z"),
        ];
        for (text, value, expected) in cases {
            assert_eq!(formatted(text, &[*value]).as_deref(), Ok(*expected), "{text}");
        }
    }

    #[test]
    fn strings_and_addresses() {
        let name = c"bash";
        let ip = [127u8, 0, 0, 1];
        let ipv6 = [0x20u8, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        let at = |pointer: *const u8| pointer as u64;
        assert_eq!(formatted("<%s>", &[name.as_ptr() as u64]).as_deref(), Ok("<bash>"));
        assert_eq!(formatted("<%6s>", &[name.as_ptr() as u64]).as_deref(), Ok("<  bash>"));
        assert_eq!(formatted("<%s>", &[1]).as_deref(), Ok("<>"));
        assert_eq!(formatted("%pI4 %pi4", &[at(ip.as_ptr()); 2]).as_deref(), Ok("127.0.0.1 127.000.000.001"));
        assert_eq!(formatted("%pI6", &[at(ipv6.as_ptr())]).as_deref(), Ok("2001:0db8:0000:0000:0000:0000:0000:0001"));
        assert_eq!(formatted("%px.", &[0x1234]).as_deref(), Ok("0000000000001234."));
    }

    #[test]
    fn what_linux_refuses() {
        for text in ["%", "%d%d", "%f", "%.3d", "%n", "%lld%", "%llld", "\u{1}", "%pz", "é"] {
            assert_eq!(formatted(text, &[1]), Err(Errno::EINVAL), "{text}");
        }
    }
}
