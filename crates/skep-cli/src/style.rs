//! Colours. The streams drop them where the output is no terminal.

use crate::error::Failure;
use anstyle::{AnsiColor, Style};
use std::borrow::Cow;
use std::io::Write as _;

pub(crate) const GOOD: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green)));
pub(crate) const BAD: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));
pub(crate) const WARNING: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow)));
pub(crate) const TITLE: Style = Style::new().bold();
pub(crate) const QUIET: Style = Style::new().dimmed();

/// The one form of an error on standard error.
pub(crate) fn print_error(failure: &Failure) {
    // Where standard error is gone, nobody can be told.
    _ = writeln!(anstream::stderr(), "{BAD}error{BAD:#}: {}", printable(&failure.to_string()));
}

/// Text that came from a file, made safe for a terminal: names in a hostile object may hold escape sequences.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let harmless = |c: char| !c.is_control() || c == '\n' || c == '\t';
    if text.chars().all(harmless) {
        return Cow::Borrowed(text);
    }
    let escape = |c: char| if harmless(c) { c.to_string() } else { c.escape_default().to_string() };
    Cow::Owned(text.chars().map(escape).collect())
}
