//! Why an example cannot go on.

use std::io;
use std::path::PathBuf;

/// An error with its cause in words.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// From the library.
    #[error(transparent)]
    Skep(#[from] skep::Error),
    /// A file.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program that the example runs.
    #[error("cannot run `{program}`: {reason}")]
    Tool {
        /// Which.
        program: String,
        /// Why.
        reason: String,
    },
    /// The network.
    #[error("{what}: {source}")]
    Network {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// Anything else.
    #[error("{0}")]
    Other(String),
}
