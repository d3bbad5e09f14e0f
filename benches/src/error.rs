//! Why something cannot be measured.

use std::path::{Path, PathBuf};

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no clang.
    #[error(
        "clang is missing: it compiles the programs, natively and to BPF; install it (Debian, Ubuntu: apt-get install \
         clang), or name one with CLANG=/path/to/clang"
    )]
    NoClang,
    /// clang refuses a source.
    #[error("clang does not compile {}:\n{message}", source_file.display())]
    Compile {
        /// Which.
        source_file: PathBuf,
        /// What it says.
        message: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An object cannot be read, linked or loaded.
    #[error(transparent)]
    Skep(#[from] skep::Error),
    /// An object cannot be linked.
    #[error(transparent)]
    Link(#[from] skep_object::LinkError),
    /// A call of a kernel fails.
    #[error("{0}")]
    Errno(#[from] skep_kernel::Errno),
    /// An engine cannot take a program; in words.
    #[error("{0}")]
    Unfit(String),
    /// Engines do not agree.
    #[error("{program}: {engine} answers {answer}, native code {native}")]
    Disagreement {
        /// Program.
        program: &'static str,
        /// Engine.
        engine: String,
        /// Its answer.
        answer: String,
        /// The answer of native code.
        native: String,
    },
}

impl Error {
    /// For `map_err` after an operation on a file.
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::File { path, source }
    }

    /// Anything that an engine says.
    pub(crate) fn unfit(reason: impl std::fmt::Display) -> Error {
        Error::Unfit(reason.to_string())
    }
}
