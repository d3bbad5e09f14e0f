//! Compiles the test programs.
#![allow(dead_code, reason = "each test file uses a part")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// `tests/objects` of the repository.
pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/objects")
}

/// All test programs, sorted.
pub(crate) fn sources() -> Vec<PathBuf> {
    let mut out: Vec<PathBuf> = std::fs::read_dir(directory())
        .expect("tests/objects exists")
        .map(|e| e.expect("directory entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "c" || e == "s"))
        .collect();
    out.sort();
    out
}

pub(crate) use skep_testing::skip;

/// A clang that compiles for BPF.
pub(crate) fn clang() -> Option<&'static str> {
    let works = |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success());
    ["clang-19", "clang"].into_iter().find(works)
}

/// Compiles a test program with further flags after its own.
pub(crate) fn compile_with(clang: &str, source: &Path, further: &[&str]) -> Result<Vec<u8>, String> {
    let text = std::fs::read_to_string(source).map_err(|e| e.to_string())?;
    let own = text.lines().find_map(|l| l.strip_prefix("// flags: ")).unwrap_or("");
    let temporary = tempfile::tempdir().map_err(|e| e.to_string())?;
    let output = temporary.path().join("test.bpf.o");
    let run = Command::new(clang)
        .args(["--target=bpf", "-mcpu=v3", "-O2", "-g", "-c"])
        .args(own.split_whitespace())
        .args(further)
        .arg("-I")
        .arg(directory().join("include"))
        .arg(source)
        .arg("-o")
        .arg(&output)
        .output()
        .map_err(|e| e.to_string())?;
    if !run.status.success() {
        return Err(String::from_utf8_lossy(&run.stderr).into_owned());
    }
    std::fs::read(&output).map_err(|e| e.to_string())
}

/// Compiles a test program, for the test to go on with; without clang the test is skipped.
pub(crate) fn compile(name: &str) -> Option<Vec<u8>> {
    let Some(clang) = clang() else {
        skip("there is no clang to compile test programs with");
        return None;
    };
    Some(compile_with(clang, &directory().join(name), &[]).unwrap_or_else(|e| panic!("{name}: {e}")))
}
