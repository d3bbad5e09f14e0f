//! Fuzzing with libFuzzer and the stable compiler.

use std::fs;

use crate::process::{Error, Step, root};

/// What the crate `skep-fuzzing` runs: random programs whose verdicts are compared with those of the running Linux, whose
/// runs are held against what the verifier claims, and whose results are compared between the engines.
const PROGRAMS: &[&str] = &["verdicts", "claims", "engines", "sequences", PLANTED];

/// Plants faults in the verifier and says after how many programs `claims` finds them.
const PLANTED: &str = "planted";

/// What makes the compiler count which code an input reaches; libFuzzer steers by it.
const INSTRUMENTATION: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    --cfg fuzzing -Cdebug-assertions -Copt-level=2";

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
    for name in PROGRAMS {
        println!("{name}");
    }
    Ok(())
}

/// Checks that every target builds.
///
/// # Errors
/// One does not.
pub(crate) fn check() -> Result<(), Error> {
    Step::new("cargo", ["check", "--manifest-path", "fuzz/Cargo.toml", "--bins"]).run()
}

/// Runs one target until it finds something or is stopped. Inputs that reach new code are kept in `fuzz/corpus`, those
/// that break something in `fuzz/artifacts`.
///
/// # Errors
/// There is no such target, it does not build, or it found something.
pub(crate) fn run(target: &str, arguments: &[String]) -> Result<(), Error> {
    if PROGRAMS.contains(&target) {
        let features: &[&str] = if target == PLANTED { &["--features", "planted-bugs"] } else { &[] };
        let run = Step::new("cargo", ["run", "--release", "--quiet", "-p", "skep-fuzzing"]);
        return run.args(features).args(["--", target]).args(arguments).run();
    }
    if !targets()?.iter().any(|name| name == target) {
        return Err(Error::other(format!("no fuzz target `{target}`; `cargo xtask fuzz` lists them")));
    }
    let corpus = root().join("fuzz/corpus").join(target);
    let artifacts = root().join("fuzz/artifacts").join(target);
    for folder in [&corpus, &artifacts] {
        fs::create_dir_all(folder).map_err(Error::file(folder))?;
    }
    // With an explicit target, cargo leaves the flags off build scripts and procedural macros.
    let triple = host_triple()?;
    let build = Step::new("cargo", ["run", "--manifest-path", "fuzz/Cargo.toml", "--bin", target, "--target", &triple]);
    build
        .env("RUSTFLAGS", INSTRUMENTATION)
        .env("CARGO_TARGET_DIR", crate::process::target_folder().join("fuzz"))
        .args(["--"])
        .args([format!("-artifact_prefix={}/", artifacts.display())])
        .args([&corpus])
        .args(arguments)
        .run()
}

fn host_triple() -> Result<String, Error> {
    let version = Step::new("rustc", ["-vV"]).output()?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Error::other("`rustc -vV` does not name the host"))
}
