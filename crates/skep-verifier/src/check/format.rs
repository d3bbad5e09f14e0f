//! Formats of the kernel's printing functions, where they are known at load: `%[flags][width][l|ll]d|i|u|x|X`, `%c`, `%s`
//! and some kinds of `%p`. Source: `bpf_bprintf_prepare` in `kernel/bpf/helpers.c` of Linux 6.18.

use crate::domain::register::Register;
use crate::domain::state::State;
use crate::refusal::{Check, EINVAL, Refusal};
use crate::verifier::Verifier;
use skep_abi::helper::{ArgKind, HelperFlags, HelperProto};
use skep_isa::Reg;

impl Verifier<'_> {
    /// Whether the constant format of a helper is one that it takes, for as many values as it is given.
    pub(crate) fn check_format(&self, state: &State, helper: &HelperProto) -> Check {
        if !helper.flags.contains(HelperFlags::CHECKS_FORMAT) {
            return Ok(());
        }
        let place = helper.args.iter().position(|arg| *arg == ArgKind::ConstString);
        let Some(text) = place.and_then(|index| Reg::new(index as u8 + 1)) else { return Ok(()) };
        // The size of the values, eight bytes each, is the last argument.
        let Some(size) = Reg::new(helper.args.len() as u8) else { return Ok(()) };
        let bytes = state.register(size).value.bits.value;
        if !bytes.is_multiple_of(8) {
            return Err(Refusal::new(EINVAL, "the values of a format are eight bytes each"));
        }
        let fits = self.constant_string(state.register(text)).is_some_and(|text| takes(text, bytes / 8));
        if fits { Ok(()) } else { Err(Refusal::new(EINVAL, "Invalid format string")) }
    }

    /// The string that a pointer into a frozen map points to, without its end.
    fn constant_string(&self, register: &Register) -> Option<&[u8]> {
        let facts = self.maps.facts(register.map()?);
        let start = (register.value.as_constant()? as i64).checked_add(register.offset.into())?;
        let text = facts.frozen.as_deref()?.get(usize::try_from(start).ok()?..)?;
        text.split(|byte| *byte == 0).next()
    }
}

/// Whether a format is well-formed and asks for at most so many values.
fn takes(format: &[u8], values: u64) -> bool {
    let printable = |byte: &u8| byte.is_ascii_graphic() || is_space(*byte);
    if !format.iter().all(printable) {
        return false;
    }
    let mut rest = format;
    let mut used = 0;
    while let Some(percent) = rest.iter().position(|byte| *byte == b'%') {
        rest = &rest[percent + 1..];
        if let [b'%', after @ ..] = rest {
            rest = after;
            continue;
        }
        used += 1;
        if used > values {
            return false;
        }
        match conversion(rest) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    true
}

/// What follows a conversion whose `%` was read; `None` if there is no such conversion.
fn conversion(text: &[u8]) -> Option<&[u8]> {
    let text = skip(text, |byte| matches!(byte, b'0' | b'+' | b'-' | b' '));
    let text = skip(text, |byte| byte.is_ascii_digit());
    match text {
        [b'p', b'k' | b'u', b's', after @ ..] => ends(after).then_some(after),
        [b'p', b'K' | b'x' | b's' | b'S' | b'B', after @ ..] | [b'p', b'i' | b'I', b'4' | b'6', after @ ..] => {
            Some(after)
        }
        [b'p', after @ ..] | [b's', after @ ..] => ends(after).then_some(after),
        [b'c', after @ ..]
        | [b'l', b'l', b'd' | b'i' | b'u' | b'x' | b'X', after @ ..]
        | [b'l', b'd' | b'i' | b'u' | b'x' | b'X', after @ ..]
        | [b'd' | b'i' | b'u' | b'x' | b'X', after @ ..] => Some(after),
        _ => None,
    }
}

fn skip(text: &[u8], wanted: impl Fn(u8) -> bool) -> &[u8] {
    let count = text.iter().take_while(|byte| wanted(**byte)).count();
    &text[count..]
}

/// Strings and plain addresses are followed by no letter or digit: it could be one of the kernel's own conversions.
fn ends(after: &[u8]) -> bool {
    after.first().is_none_or(|byte| is_space(*byte) || byte.is_ascii_punctuation())
}

/// C's `isspace`.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

#[cfg(test)]
mod tests {
    use super::takes;

    #[test]
    fn conversions_that_linux_takes() {
        for (format, values) in [
            ("plain text\n", 0),
            ("100%%", 0),
            ("%d %i %u %x %X", 5),
            ("%ld %llx %c", 3),
            ("%08x %-5d %+d % d", 4),
            ("%s, %pks %pus", 3),
            ("%p %px %pK %pB %ps %pS", 6),
            ("%pI4 %pi6", 2),
            ("one", 2),
        ] {
            assert!(takes(format.as_bytes(), values), "{format}");
        }
    }

    #[test]
    fn formats_that_linux_refuses() {
        for (format, values) in [
            ("%d", 0),
            ("%d %d", 1),
            ("%", 1),
            ("%f", 1),
            ("%lc", 1),
            ("%llld", 1),
            ("%sx", 1),
            ("%pz", 1),
            ("%pI5", 1),
            ("%5.2d", 1),
            ("caf\u{e9}", 0),
            ("\u{7}", 0),
        ] {
            assert!(!takes(format.as_bytes(), values), "{format}");
        }
    }
}
