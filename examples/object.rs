//! From an example's C file to its object, by `skep build`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::Error;

/// The object of `examples/FOLDER/NAME.bpf.c`, built anew if a file in the folder is newer.
///
/// # Errors
/// The `skep` command or clang is missing, or the source does not compile.
pub fn object(folder: &str, name: &str) -> Result<PathBuf, Error> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let source = folder.join(format!("{name}.bpf.c"));
    let output = programs()?.join("bpf");
    let object = output.join(format!("{name}.bpf.o"));
    if modified(&object) > newest(&folder)? {
        return Ok(object);
    }
    fs::create_dir_all(&output).map_err(|source| Error::File { path: output.clone(), source })?;
    // Examples may be built at the same time: each writes its own file, and the last one to finish stays.
    let unfinished = output.join(format!("{name}.{}.o", std::process::id()));
    compile(&source, &unfinished)?;
    fs::rename(&unfinished, &object).map_err(|source| Error::File { path: object.clone(), source })?;
    Ok(object)
}

fn compile(source: &Path, object: &Path) -> Result<(), Error> {
    let skep = programs()?.join("skep");
    let failed = |reason: String| Error::Tool { program: format!("{} build", skep.display()), reason };
    let missing = |error| failed(format!("{error}; `cargo build -p skep-cli` makes it"));
    let output = Command::new(&skep).arg("build").arg(source).arg("-o").arg(object).output().map_err(missing)?;
    if output.status.success() { Ok(()) } else { Err(failed(String::from_utf8_lossy(&output.stderr).into_owned())) }
}

/// Where cargo puts the programs of the workspace: beside this one, or above it if this is a test.
fn programs() -> Result<PathBuf, Error> {
    let this = std::env::current_exe().map_err(|source| Error::File { path: "/proc/self/exe".into(), source })?;
    let folder = this.parent().unwrap_or(Path::new("."));
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    Ok(folder.to_owned())
}

/// When a file was last changed; the beginning of time if there is none.
fn modified(file: &Path) -> SystemTime {
    fs::metadata(file).and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn newest(folder: &Path) -> Result<SystemTime, Error> {
    let entries = fs::read_dir(folder).map_err(|source| Error::File { path: folder.to_owned(), source })?;
    Ok(entries.flatten().map(|entry| modified(&entry.path())).max().unwrap_or(SystemTime::UNIX_EPOCH))
}
