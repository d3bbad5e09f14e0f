//! What other compilers make of the test programs is read as the same programs and maps.

mod common;
#[path = "common/render.rs"]
mod render;

use skep_object::ObjectSpec;
use std::path::Path;
use std::process::Command;

/// The facts that do not depend on the compiler: definitions of maps, and programs with the functions they reach, in
/// no order.
fn facts(bytes: &[u8], name: &str) -> Vec<String> {
    let object = ObjectSpec::parse(bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
    let mut maps: Vec<String> =
        object.maps.iter().filter(|m| !m.origin.is_data()).map(|m| format!("{:?}", (&m.name, definition(m)))).collect();
    maps.sort();
    let mut programs: Vec<String> = object
        .programs
        .iter()
        .map(|p| {
            // gcc names clones of a function after it.
            let mut functions: Vec<_> =
                p.functions.iter().map(|f| f.name.split('.').next().unwrap_or(&f.name)).collect();
            functions.sort_unstable();
            functions.dedup();
            format!("{} in {} {:?} {functions:?}", p.name, p.section, p.kind)
        })
        .collect();
    programs.sort();
    let mut references: Vec<String> = render::render(&object)
        .lines()
        .filter(|l| l.starts_with("  refers to") && !l.contains("+"))
        .map(str::to_owned)
        .collect();
    references.sort();
    [maps, programs, references].concat()
}

fn definition(m: &skep_object::MapSpec) -> impl std::fmt::Debug + use<> {
    let initial = m.initial_values.len();
    (
        m.type_number,
        m.key_size,
        m.value_size,
        m.max_entries,
        m.flags,
        m.map_extra,
        m.pinning,
        initial,
        m.inner.is_some(),
    )
}

/// All test programs that are not for a particular compiler.
const COMMON: &[&str] = &["maps", "globals", "subprograms", "legacy-maps", "no-btf", "sections", "struct-ops", "core"];

#[test]
fn every_clang_gives_the_same_facts() {
    let Some(reference) = common::clang() else { return common::skip("there is no clang") };
    let works = |c: &String| Command::new(c).arg("--version").output().is_ok_and(|o| o.status.success());
    let others: Vec<String> = (14..=22).map(|v| format!("clang-{v}")).filter(|c| c != reference && works(c)).collect();
    if others.is_empty() {
        eprintln!("SKIPPED: {reference} is the only clang here");
    }
    for clang in &others {
        for name in COMMON {
            let path = common::directory().join(format!("{name}.bpf.c"));
            let ours = facts(&common::compile_with(reference, &path, &[]).unwrap(), name);
            let theirs = facts(&common::compile_with(clang, &path, &[]).unwrap(), name);
            assert_eq!(theirs, ours, "{name} by {clang}");
        }
    }
}

/// The Linux packages of gcc for BPF are version 12: no CO-RE, no externs, and relocations of its own kind.
#[test]
fn gcc_gives_the_same_facts() {
    let Some(clang) = common::clang() else { return common::skip("there is no clang") };
    if !Command::new("bpf-gcc").arg("--version").output().is_ok_and(|o| o.status.success()) {
        eprintln!("SKIPPED: there is no bpf-gcc (package gcc-bpf)");
        return;
    }
    for name in ["maps", "globals", "legacy-maps", "subprograms"] {
        let path = common::directory().join(format!("{name}.bpf.c"));
        let ours = facts(&common::compile_with(clang, &path, &[]).unwrap(), name);
        let theirs = facts(&gcc(&path), name);
        assert_eq!(theirs, ours, "{name} by gcc");
    }
}

fn gcc(path: &Path) -> Vec<u8> {
    let temporary = tempfile::tempdir().unwrap();
    let output = temporary.path().join("test.o");
    let run = Command::new("bpf-gcc")
        .args(["-O2", "-gbtf", "-mcpu=v3", "-fno-ipa-cp", "-fno-ipa-sra", "-c", "-o"])
        .arg(&output)
        .arg("-I")
        .arg(common::directory().join("include"))
        .arg(path)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    std::fs::read(&output).unwrap()
}
