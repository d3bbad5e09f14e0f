//! Looking for expected texts.

use regex::{Regex, RegexBuilder};
use skep_object::Pattern;

/// What became of one expected text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is as expected.
    Right,
    /// It is missing.
    Missing,
    /// It is there, but not on the line after the one before.
    OtherLine,
    /// It is there and must not be.
    Unwanted,
}

impl Found {
    /// In a list of texts.
    pub(super) fn word(self) -> &'static str {
        match self {
            Found::Right => "found",
            Found::Missing => "MISSING",
            Found::OtherLine => "NOT ON THE NEXT LINE",
            Found::Unwanted => "UNWANTED",
        }
    }
}

/// A text that is no pattern.
#[derive(Debug, thiserror::Error)]
#[error("unusable pattern '{pattern}': {problem}")]
pub(super) struct BadPattern {
    pattern: String,
    problem: String,
}

/// Where a text is.
#[derive(Clone, Copy)]
struct Place {
    start: usize,
    end: usize,
}

/// Looks for texts one after the other, each behind the one before it. Gives what became of each, up to the first that is
/// not as expected.
pub(super) fn compare<'p>(text: &str, patterns: &'p [Pattern]) -> Result<Vec<(&'p Pattern, Found)>, BadPattern> {
    let mut seen = Vec::new();
    let mut from = 0;
    let mut previous_line = None;
    let mut unwanted: Vec<&Pattern> = Vec::new();
    for pattern in patterns {
        if pattern.absent {
            unwanted.push(pattern);
            continue;
        }
        let Some(place) = find(pattern, text, from)? else {
            seen.push((pattern, Found::Missing));
            return Ok(seen);
        };
        if !check_absent(&text[from..place.start], &mut unwanted, &mut seen)? {
            return Ok(seen);
        }
        let line = text[..place.start].matches('\n').count();
        if pattern.next_line && previous_line.is_some_and(|previous: usize| previous + 1 != line) {
            seen.push((pattern, Found::OtherLine));
            return Ok(seen);
        }
        seen.push((pattern, Found::Right));
        (from, previous_line) = (place.end, Some(line));
    }
    check_absent(&text[from..], &mut unwanted, &mut seen)?;
    Ok(seen)
}

/// Whether none of the unwanted texts is there.
fn check_absent<'p>(
    text: &str,
    unwanted: &mut Vec<&'p Pattern>,
    seen: &mut Vec<(&'p Pattern, Found)>,
) -> Result<bool, BadPattern> {
    for pattern in unwanted.drain(..) {
        let found = if find(pattern, text, 0)?.is_some() { Found::Unwanted } else { Found::Right };
        seen.push((pattern, found));
        if found == Found::Unwanted {
            return Ok(false);
        }
    }
    Ok(true)
}

fn find(pattern: &Pattern, text: &str, from: usize) -> Result<Option<Place>, BadPattern> {
    if !pattern.text.contains("{{") {
        let start = text[from..].find(&pattern.text).map(|at| from + at);
        return Ok(start.map(|start| Place { start, end: start + pattern.text.len() }));
    }
    let regex = regex(&pattern.text)?;
    Ok(regex.find_at(text, from).map(|found| Place { start: found.start(), end: found.end() }))
}

/// Plain text with regular expressions between `{{` and `}}`.
fn regex(pattern: &str) -> Result<Regex, BadPattern> {
    let bad = |problem: String| BadPattern { pattern: pattern.to_owned(), problem };
    let mut expression = String::new();
    let mut rest = pattern;
    while let Some((plain, behind)) = rest.split_once("{{") {
        let (inner, behind) = behind.split_once("}}").ok_or_else(|| bad("'{{' without '}}'".to_owned()))?;
        expression.push_str(&regex::escape(plain));
        expression.push_str(&format!("(?:{inner})"));
        rest = behind;
    }
    expression.push_str(&regex::escape(rest));
    RegexBuilder::new(&expression).multi_line(true).build().map_err(|e| bad(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        let (absent, text) = text.strip_prefix('!').map_or((false, text), |text| (true, text));
        let (next_line, text) = text.strip_prefix('>').map_or((false, text), |text| (true, text));
        Pattern { text: text.to_owned(), absent, next_line }
    }

    fn words(text: &str, patterns: &[&str]) -> Vec<Found> {
        let patterns: Vec<Pattern> = patterns.iter().map(|text| pattern(text)).collect();
        compare(text, &patterns).unwrap().into_iter().map(|(_, found)| found).collect()
    }

    #[test]
    fn texts_are_found_one_behind_the_other() {
        assert_eq!(words("a b c", &["a", "b", "c"]), [Found::Right; 3]);
        assert_eq!(words("a b c", &["b", "a", "c"]), [Found::Right, Found::Missing]);
        assert_eq!(words("aa", &["a", "a", "a"]), [Found::Right, Found::Right, Found::Missing]);
    }

    #[test]
    fn brackets_hold_regular_expressions_and_the_rest_is_plain() {
        assert_eq!(words("R0=0xff (id=12)", &["R0=0x{{[0-9a-f]+}} (id={{1|12}})"]), [Found::Right]);
        assert_eq!(words("fooo", &["fo*o"]), [Found::Missing]);
        assert_eq!(words("1\n2", &["1{{.}}2"]), [Found::Missing]);
        assert_eq!(words("x\nabc\n", &["{{^abc$}}"]), [Found::Right]);
        assert!(compare("", &[pattern("{{a")]).is_err());
        assert!(compare("", &[pattern("{{(}}")]).is_err());
    }

    #[test]
    fn unwanted_texts_must_not_stand_between_their_neighbours() {
        assert_eq!(words("a x b", &["a", "!x", "b"]), [Found::Right, Found::Unwanted]);
        assert_eq!(words("x a b x", &["a", "!x", "b"]), [Found::Right; 3]);
        assert_eq!(words("a b x", &["a", "b", "!x"]), [Found::Right, Found::Right, Found::Unwanted]);
        assert_eq!(words("a", &["!x"]), [Found::Right]);
    }

    #[test]
    fn a_line_may_have_to_be_the_next() {
        assert_eq!(words("a\nb\nc", &["a", ">b", ">c"]), [Found::Right; 3]);
        assert_eq!(words("a\n\nb", &["a", ">b"]), [Found::Right, Found::OtherLine]);
    }
}
