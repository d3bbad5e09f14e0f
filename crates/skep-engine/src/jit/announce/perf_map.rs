//! The file in which `perf` looks for names of code that is in no file: a line of address, size and name for each function.

use rustix::fs::{Mode, OFlags, fstat, open};
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use super::Function;

/// Where `perf` looks.
pub(super) fn path() -> PathBuf {
    PathBuf::from(format!("/tmp/perf-{}.map", std::process::id()))
}

/// Adds functions.
pub(super) fn add(functions: &[Function]) -> io::Result<()> {
    let mut lines = String::new();
    for Function { name, range } in functions {
        // Writing to a string does not fail.
        let _ = writeln!(lines, "{:x} {:x} {name}", range.start, range.end - range.start);
    }
    // Everyone may write to that folder: a link there, or a file of another user's, was put in our way.
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = open(path(), flags, Mode::RUSR | Mode::WUSR)?;
    if fstat(&file)?.st_uid != rustix::process::geteuid().as_raw() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    // One write: lines of several threads do not mix.
    let written = rustix::io::retry_on_intr(|| rustix::io::write(&file, lines.as_bytes()))?;
    if written == lines.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}
