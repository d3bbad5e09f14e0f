//! Reading files, with errors that name them.

use crate::error::{self, Failure};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Larger inputs than this are no BPF objects, BTF or assembler texts.
const LIMIT_BYTES: u64 = 256 << 20;

/// The whole file; `-` is standard input.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(LIMIT_BYTES + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(LIMIT_BYTES + 1).read_to_end(&mut bytes))
    };
    read.map_err(|e| Failure::file("read", path, &e))?;
    if bytes.len() as u64 > LIMIT_BYTES {
        return Err(Failure::new(format!("{} is larger than {} MiB", error::name(path), LIMIT_BYTES >> 20)));
    }
    Ok(bytes)
}

/// A file to read from its beginning; `-` is standard input.
pub(crate) fn open(path: &Path) -> Result<File, Failure> {
    let failed = |e: std::io::Error| Failure::file("read", path, &e);
    let file = File::open(if path.as_os_str() == "-" { Path::new("/dev/stdin") } else { path }).map_err(failed)?;
    match file.metadata().map_err(failed)?.is_dir() {
        true => Err(failed(std::io::ErrorKind::IsADirectory.into())),
        false => Ok(file),
    }
}

/// The whole file as text.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read(path)?).map_err(|e| Failure::because(format!("{} is no text", error::name(path)), &e))
}
