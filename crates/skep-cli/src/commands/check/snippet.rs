//! A source line with a caret below the expression it is about.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

/// Largest source file that is read.
const LARGEST_FILE: u64 = 16 << 20;

/// Source files, read once.
#[derive(Debug, Default)]
pub(super) struct Sources {
    files: HashMap<String, Option<Vec<String>>>,
}

impl Sources {
    /// A line as [`Sources::line`] has it, if anything is known of it.
    pub(super) fn known_line(&mut self, file: &str, line: u32, known: &str) -> Option<String> {
        let lines = self.files.entry(file.to_owned()).or_insert_with(|| read(file));
        let exists = lines.as_ref().is_some_and(|lines| (1..=lines.len()).contains(&(line as usize)));
        (exists || !known.is_empty()).then(|| self.line(file, line, known).to_owned())
    }

    /// A line, by its number from 1: as the file has it if it is still there, else as the object has it.
    pub(super) fn line<'a>(&'a mut self, file: &str, line: u32, known: &'a str) -> &'a str {
        let lines = self.files.entry(file.to_owned()).or_insert_with(|| read(file));
        let found = lines.as_ref().and_then(|lines| lines.get((line as usize).checked_sub(1)?));
        match found {
            // Another version of the file would be misleading.
            Some(text) if known.is_empty() || text.trim() == known.trim() => text,
            _ => known,
        }
    }
}

fn read(file: &str) -> Option<Vec<String>> {
    let path = Path::new(file);
    let about = std::fs::metadata(path).ok()?;
    if !about.is_file() || about.len() > LARGEST_FILE {
        return None;
    }
    let text = std::fs::read(path).ok()?;
    Some(String::from_utf8_lossy(&text).lines().map(ToOwned::to_owned).collect())
}

/// The bytes of the expression around a column (from 1). Compilers give the column of an operator or of where the
/// expression begins.
pub(super) fn expression(text: &str, column: u32) -> Range<usize> {
    let bytes = text.as_bytes();
    let Some(at) = (column as usize).checked_sub(1).filter(|at| *at < bytes.len() && text.is_char_boundary(*at)) else {
        let start = text.len() - text.trim_start().len();
        return start..text.trim_end().len().max(start);
    };
    let before = text[..at].trim_end();
    let is_operator = b"=+-*/%<>!&|^".contains(&bytes[at]);
    let binary = is_operator && before.ends_with(|c: char| is_word(c as u8) || c == ')' || c == ']');
    if binary {
        let operator_end = at + bytes[at..].iter().take_while(|b| b"=+-*/%<>!&|^".contains(b)).count();
        let start = operand_start(bytes, before.len());
        return start..operand_end(bytes, operator_end);
    }
    at..operand_end(bytes, at).max(at + 1)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The end of the operand that begins at `at`: `*a->b[i].c(d)`.
fn operand_end(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(|b| b" *&!~-".contains(b)) {
        at += 1;
    }
    loop {
        match bytes.get(at) {
            Some(b) if is_word(*b) || *b == b'.' => at += 1,
            Some(b'-') if bytes.get(at + 1) == Some(&b'>') => at += 2,
            Some(b'[' | b'(') => match matching(bytes, at) {
                Some(end) => at = end + 1,
                None => return at,
            },
            _ => return at,
        }
    }
}

/// The bracket that closes the one at `at`.
fn matching(bytes: &[u8], at: usize) -> Option<usize> {
    let mut depth = 0;
    for (index, byte) in bytes.iter().enumerate().skip(at) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(index);
        }
    }
    None
}

/// The start of the operand that ends before `end`.
fn operand_start(bytes: &[u8], end: usize) -> usize {
    let mut at = end;
    let mut depth = 0;
    while at > 0 {
        match bytes[at - 1] {
            b')' | b']' => depth += 1,
            b'(' | b'[' if depth > 0 => depth -= 1,
            b if depth > 0 || is_word(b) || b == b'.' => {}
            b'>' if at > 1 && bytes[at - 2] == b'-' => at -= 1,
            b'*' | b'&' if at > 1 && !is_word(bytes[at - 2]) => {}
            _ => break,
        }
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, column: u32) -> &str {
        &text[expression(text, column)]
    }

    #[test]
    fn expressions() {
        assert_eq!(at("\t*count += 1;", 9), "*count += 1");
        assert_eq!(at("\treturn data[0];", 9), "data[0]");
        assert_eq!(at("\tx = eth->proto;", 6), "eth->proto");
        assert_eq!(at("\tif (data + 14 > end)", 16), "14 > end");
        assert_eq!(at("\tfoo(a, b(c));", 2), "foo(a, b(c))");
        assert_eq!(at("  whole line", 0), "whole line");
        assert_eq!(at("short", 99), "short");
        assert_eq!(at("", 1), "");
        assert_eq!(at("f((", 1), "f");
    }
}
