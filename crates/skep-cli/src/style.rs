//! Colours. The streams drop them where the output is no terminal.

use crate::error::Failure;
use anstyle::{AnsiColor, Style};

pub(crate) const GOOD: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green)));
pub(crate) const BAD: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));
pub(crate) const WARNING: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow)));
pub(crate) const TITLE: Style = Style::new().bold();
pub(crate) const QUIET: Style = Style::new().dimmed();

/// The one form of an error on standard error.
pub(crate) fn print_error(failure: &Failure) {
    anstream::eprintln!("{BAD}error{BAD:#}: {failure}");
}
