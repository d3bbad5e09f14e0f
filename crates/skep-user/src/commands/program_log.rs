//! The log buffers of `PROG_LOAD` and `BTF_LOAD`.

use skep_abi::errno::Errno;

/// Levels that exist: instructions, states, statistics, and "keep the beginning".
const KNOWN_LEVELS: u32 = 0xf;
/// Keep the beginning of a log that is too long, not its end.
const FIXED: u32 = 8;

/// Checks level and buffer as Linux does.
///
/// # Errors
/// EINVAL for a buffer without a level, an unknown level, or a buffer beyond 1 GiB.
pub(super) fn check(buffer: &[u8], level: u32) -> Result<(), Errno> {
    if level & !KNOWN_LEVELS != 0 || (!buffer.is_empty() && level == 0) || buffer.len() > (u32::MAX >> 2) as usize {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

/// Writes the log with its NUL; gives the bytes that the whole log takes with it. Without a level there is no log.
///
/// # Errors
/// ENOSPC if it had to be cut: its beginning is cut away, or with the fixed level its end.
pub(super) fn fill(buffer: &mut [u8], level: u32, log: &str) -> Result<u32, Errno> {
    if level == 0 {
        return Ok(0);
    }
    let whole = log.len() as u32 + 1;
    if buffer.is_empty() {
        return Ok(whole);
    }
    let kept = log.len().min(buffer.len() - 1);
    let text = log.as_bytes();
    let part = if level & FIXED != 0 { &text[..kept] } else { &text[text.len() - kept..] };
    buffer[..kept].copy_from_slice(part);
    buffer[kept] = 0;
    if kept < log.len() { Err(Errno::ENOSPC) } else { Ok(whole) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_keeps_its_end_unless_it_is_fixed() {
        let mut buffer = [9; 5];
        assert_eq!(fill(&mut buffer, 1, "abc"), Ok(4));
        assert_eq!(&buffer[..4], b"abc\0");
        assert_eq!(fill(&mut buffer, 1, "abcdefgh"), Err(Errno::ENOSPC));
        assert_eq!(&buffer, b"efgh\0");
        assert_eq!(fill(&mut buffer, 1 | FIXED, "abcdefgh"), Err(Errno::ENOSPC));
        assert_eq!(&buffer, b"abcd\0");
        assert_eq!(fill(&mut [], 1, "abc"), Ok(4));
        assert_eq!(fill(&mut buffer, 0, "abc"), Ok(0));
    }
}
