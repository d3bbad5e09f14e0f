//! Reading files, with errors that name them.

use crate::error::Failure;
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
        std::fs::File::open(path).and_then(|file| file.take(LIMIT_BYTES + 1).read_to_end(&mut bytes))
    };
    read.map_err(|e| Failure::file("read", path, &e))?;
    if bytes.len() as u64 > LIMIT_BYTES {
        return Err(Failure::new(format!("{} is larger than {} MiB", path.display(), LIMIT_BYTES >> 20)));
    }
    Ok(bytes)
}

/// The whole file as text.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read(path)?).map_err(|e| Failure::file("read as UTF-8", path, &e))
}
