//! What a command can end with.

use std::fmt;
use std::path::Path;

/// Exit status for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All went well; everything was accepted.
    Success = 0,
    /// The question was answered with no: refused, different.
    Negative = 1,
    /// The input or the surroundings are unusable.
    Unusable = 2,
}

/// Why a command could not do its work: what, where, why, and what to do next. Ends with [`Exit::Unusable`].
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    causes: Vec<String>,
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Failure { what: what.into(), causes: Vec::new(), hint: None }
    }

    /// A failure with the chain of causes of `error`.
    pub(crate) fn because(what: impl Into<String>, error: &dyn std::error::Error) -> Self {
        let mut causes: Vec<String> = Vec::new();
        for cause in std::iter::successors(Some(error), |e| e.source()).map(ToString::to_string) {
            // Some errors tell their cause themselves.
            if !causes.last().is_some_and(|last| last.contains(&cause)) {
                causes.push(cause);
            }
        }
        Failure { what: what.into(), causes, hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says which packet it is about.
    pub(crate) fn at_packet(mut self, number: u64) -> Self {
        self.what = format!("packet {number}: {}", self.what);
        self
    }

    /// What was to be done to which file, and what the system said.
    pub(crate) fn file(action: &str, path: &Path, error: &dyn std::error::Error) -> Self {
        Failure::because(format!("cannot {action} {}", name(path)), error)
    }
}

/// A file for people.
pub(crate) fn name(path: &Path) -> std::borrow::Cow<'_, str> {
    if path.as_os_str() == "-" { "standard input".into() } else { path.to_string_lossy() }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        self.causes.iter().try_for_each(|cause| write!(f, ": {cause}"))?;
        self.hint.iter().try_for_each(|hint| write!(f, "\n  hint: {hint}"))
    }
}

impl std::error::Error for Failure {}

/// What every command returns.
pub(crate) type Outcome = Result<Exit, Failure>;
