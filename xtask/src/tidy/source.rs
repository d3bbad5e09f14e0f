//! The files that the rules look at.

use std::fs;
use std::path::{Path, PathBuf};

use crate::process::{Error, Step, root};

/// One text file of the repository.
pub(crate) struct SourceFile {
    /// Relative to the root.
    pub(crate) path: PathBuf,
    /// Its content.
    pub(crate) text: String,
}

impl SourceFile {
    /// Whether it is of that kind (`rs`, `c`).
    pub(crate) fn has_extension(&self, extension: &str) -> bool {
        self.path.extension().is_some_and(|own| own == extension)
    }

    /// Whether it lies in that folder.
    pub(crate) fn is_in(&self, folder: impl AsRef<Path>) -> bool {
        self.path.starts_with(folder)
    }

    /// Lines of Rust code with their numbers: no comments, nothing from the first `#[cfg(test)]` on.
    pub(crate) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        lines
            .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
            .map(|(number, line)| (number, line.split("//").next().unwrap_or_default()))
    }
}

/// Every text file that git knows of, and new ones it does not ignore.
///
/// # Errors
/// git does not run or a file cannot be read.
pub(crate) fn tracked() -> Result<Vec<SourceFile>, Error> {
    let listing = Step::new("git", ["ls-files", "--cached", "--others", "--exclude-standard"]).output()?;
    let mut files = Vec::new();
    for line in listing.lines() {
        let path = root().join(line);
        if !path.is_file() {
            continue; // deleted, and not yet committed
        }
        let bytes = fs::read(&path).map_err(Error::file(&path))?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(SourceFile { path: line.into(), text });
        }
    }
    Ok(files)
}
