//! What the integration tests share: probing for tools, building objects, taking sections out.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// BTF of the running kernel.
pub(crate) const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

pub(crate) use skep_testing::skip;

/// The kernel's BTF, or `None` after saying that the test is skipped.
pub(crate) fn vmlinux() -> Option<Vec<u8>> {
    match std::fs::read(VMLINUX) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            skip(&format!("{VMLINUX}: {error}"));
            None
        }
    }
}

/// A tool on the path, or `None` after saying that the test is skipped.
pub(crate) fn tool(names: &[&'static str]) -> Option<&'static str> {
    let runs = |name: &&&str| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success());
    let found = names.iter().find(runs).copied();
    if found.is_none() {
        skip(&format!("none of {names:?} can be run"));
    }
    found
}

/// A clang that knows BPF.
pub(crate) fn clang() -> Option<&'static str> {
    tool(&["clang-19", "clang", "clang-18", "clang-17", "clang-16", "clang-15", "clang-14"])
}

/// Compiles C for BPF with BTF; the object's path.
pub(crate) fn compile(clang: &str, directory: &Path, name: &str, source: &str, flags: &[&str]) -> PathBuf {
    let (input, output) = (directory.join(format!("{name}.c")), directory.join(format!("{name}.o")));
    std::fs::write(&input, source).expect("write the source");
    let run = Command::new(clang)
        .args(["--target=bpf", "-g", "-O2", "-c"])
        .args(flags)
        .arg(&input)
        .arg("-o")
        .arg(&output)
        .output()
        .expect("run clang");
    assert!(run.status.success(), "clang:\n{}", String::from_utf8_lossy(&run.stderr));
    output
}

/// The bytes of a section of a little-endian ELF64 file.
pub(crate) fn section(elf: &[u8], name: &str) -> Option<Vec<u8>> {
    let word = |at: usize, len: usize| {
        let mut bytes = [0; 8];
        bytes[..len].copy_from_slice(&elf[at..at + len]);
        u64::from_le_bytes(bytes) as usize
    };
    let (table, entry, count, names) = (word(0x28, 8), word(0x3a, 2), word(0x3c, 2), word(0x3e, 2));
    let header = |i: usize| table + i * entry;
    let strings = word(header(names) + 0x18, 8);
    let matches = |i: &usize| {
        let at = strings + word(header(*i), 4);
        elf[at..].starts_with(name.as_bytes()) && elf[at + name.len()] == 0
    };
    let found = header((0..count).find(matches)?);
    let (start, len) = (word(found + 0x18, 8), word(found + 0x20, 8));
    Some(elf[start..start + len].to_vec())
}

/// Output of a command that has to succeed.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Vec<u8> {
    let run = Command::new(program).args(arguments).output().expect("run the tool");
    assert!(run.status.success(), "{program} {arguments:?}:\n{}", String::from_utf8_lossy(&run.stderr));
    run.stdout
}
