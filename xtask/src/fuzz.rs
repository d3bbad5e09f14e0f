//! A thin layer over cargo-fuzz.

use std::fs;

use crate::process::{Error, Step, root};

/// libFuzzer's instrumentation is behind unstable compiler flags. This lets a stable compiler take them.
const UNSTABLE: (&str, &str) = ("RUSTC_BOOTSTRAP", "1");

fn targets() -> Result<Vec<String>, Error> {
    let folder = root().join("fuzz/fuzz_targets");
    let entries = fs::read_dir(&folder).map_err(Error::file(&folder))?;
    let mut names: Vec<_> =
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".rs").map(str::to_owned)).collect();
    names.sort();
    Ok(names)
}

/// Prints the names of the targets.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn list() -> Result<(), Error> {
    for name in targets()? {
        println!("{name}");
    }
    Ok(())
}

/// Checks that every target builds; needs no cargo-fuzz.
///
/// # Errors
/// One does not.
pub(crate) fn check() -> Result<(), Error> {
    Step::new("cargo", ["check", "--manifest-path", "fuzz/Cargo.toml", "--all-targets"]).run()
}

/// Runs one target until it finds something or is stopped.
///
/// # Errors
/// There is no such target, cargo-fuzz is missing, or it found something.
pub(crate) fn run(target: &str, arguments: &[String]) -> Result<(), Error> {
    if !targets()?.iter().any(|name| name == target) {
        return Err(Error::other(format!("no fuzz target `{target}`; `cargo xtask fuzz` lists them")));
    }
    if !Step::new("cargo", ["fuzz", "--version"]).succeeds() {
        return Err(Error::other("fuzzing needs cargo-fuzz: `cargo install cargo-fuzz`"));
    }
    let fuzz = Step::new("cargo", ["fuzz", "run", target, "--"]).args(arguments);
    fuzz.env(UNSTABLE.0, UNSTABLE.1).run()
}
