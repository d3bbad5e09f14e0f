//! Words, numbers and signs of a line, and the holes of a template.

/// One token and the byte at which it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Letters, digits, `_`, `.`, `$`; begins with no digit.
    Word,
    /// Begins with a digit.
    Number,
    /// An operator or bracket.
    Sign,
    /// `{name}` in a template.
    Hole,
    /// Anything else: one character.
    Unknown,
}

/// Signs of more than one character, longest first.
const LONG_SIGNS: [&str; 14] = ["<<=", ">>=", "+=", "-=", "*=", "/=", "%=", "|=", "&=", "^=", "==", "!=", "<=", ">="];

/// The tokens of a line without its comment.
pub(super) fn tokens(line: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_start();
        let at = line.len() - rest.len();
        let Some((kind, len)) = first(rest) else { return found };
        let (text, after) = rest.split_at(len);
        found.push(Token { kind, text, at });
        rest = after;
    }
}

/// Kind and length in bytes of the token at the start of `rest`; `None` at the end and before a comment.
fn first(rest: &str) -> Option<(Kind, usize)> {
    let start = rest.chars().next()?;
    if matches!(start, ';' | '#') || rest.starts_with("//") {
        return None;
    }
    if is_word(start) {
        let len = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        return Some((if start.is_ascii_digit() { Kind::Number } else { Kind::Word }, len));
    }
    if start == '{'
        && let Some(end) = rest.find('}')
    {
        return Some((Kind::Hole, end + 1));
    }
    if let Some(sign) = LONG_SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
        return Some((Kind::Sign, sign.len()));
    }
    let kind = if start.is_ascii_punctuation() { Kind::Sign } else { Kind::Unknown };
    Some((kind, start.len_utf8()))
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$')
}

/// Reads decimal and `0x` numbers; `None` for what is no number or exceeds 64 bits.
pub(super) fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if !digits.starts_with('+') => u64::from_str_radix(digits, 16).ok(),
        Some(_) => None,
        None => text.parse().ok(),
    }
}
