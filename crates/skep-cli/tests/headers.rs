//! The headers that `skep build` brings: they compile without a warning with every clang there is, mean the same as
//! libbpf's, and what is made with them loads into Linux.

use skep_object::ObjectSpec;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Says loudly that something was not tested; where everything is required, that is a failure.
fn skip(why: &str) {
    eprintln!("SKIPPED: {why}");
    assert!(std::env::var_os("SKEP_REQUIRE_ALL").is_none_or(|v| v != "1"), "a required test was skipped: {why}");
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cli/programs/every-macro.bpf.c")
}

fn skep(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_skep")).args(arguments).output().expect("skep runs")
}

/// The clangs there are, oldest first.
fn clangs() -> Vec<String> {
    let names = (14..=22).map(|version| format!("clang-{version}")).chain(["clang".to_owned()]);
    names.filter(|name| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success())).collect()
}

/// Our headers with the running kernel's types; `None`, loudly, where something is missing.
fn headers() -> Option<tempfile::TempDir> {
    if clangs().is_empty() || !Path::new("/sys/kernel/btf/vmlinux").exists() {
        skip("headers are compiled with clang, against the running kernel's BTF");
        return None;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let written = skep(&["build", "--headers", directory.path().to_str().expect("a UTF-8 path")]);
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    Some(directory)
}

/// Compiles the test program with warnings as errors.
fn compile(clang: &str, include: &[&Path], further: &[&str]) -> Result<Vec<u8>, String> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let output = directory.path().join("out.o");
    let mut command = Command::new(clang);
    command.args(["--target=bpf", "-g", "-O2", "-mcpu=v3", "-D__TARGET_ARCH_x86", "-Wall", "-Wextra", "-Werror"]);
    // The context that BPF_PROG and its kin declare is often not used; that is so with every header of that name.
    command.args(["-Wno-unused-parameter", "-Wno-missing-declarations"]).args(further);
    command.args(["-fno-caret-diagnostics", "-fmacro-backtrace-limit=1"]);
    include.iter().for_each(|directory| _ = command.arg("-I").arg(directory));
    let run = command.arg("-c").arg(source()).arg("-o").arg(&output).output().expect("clang runs");
    match run.status.success() {
        true => Ok(std::fs::read(output).expect("clang wrote the object")),
        false => Err(String::from_utf8_lossy(&run.stderr).into_owned()),
    }
}

#[test]
fn every_macro_compiles_without_a_warning_with_every_clang() {
    let Some(headers) = headers() else { return };
    for clang in clangs() {
        let object = compile(&clang, &[headers.path()], &[]).unwrap_or_else(|e| panic!("{clang}:\n{e}"));
        let object = ObjectSpec::parse(&object).unwrap_or_else(|e| panic!("{clang}: {e}"));
        assert!(object.programs.len() > 15, "{clang}");
        compile(&clang, &[headers.path()], &["-mcpu=v1"]).unwrap_or_else(|e| panic!("{clang} -mcpu=v1:\n{e}"));
    }
}

/// The relocations of each program, as sets: what is read of which type.
fn relocations(bytes: &[u8]) -> BTreeSet<String> {
    let object = ObjectSpec::parse(bytes).expect("an object");
    let btf = object.btf.as_deref().expect("it has BTF");
    let relocations = object.programs.iter().flat_map(|program| {
        program.core_relocations.iter().map(|relocation| {
            let type_name = btf.name(relocation.type_id);
            format!("{}: {:?} {type_name} {}", program.name, relocation.kind, btf.str(relocation.access))
        })
    });
    relocations.collect()
}

#[test]
fn libbpf_s_headers_ask_for_the_same_relocations() {
    let Some(headers) = headers() else { return };
    if !Path::new("/usr/include/bpf/bpf_helpers.h").exists() {
        return skip("libbpf's headers are not installed (libbpf-dev)");
    }
    let theirs = tempfile::tempdir().expect("a temporary directory");
    std::fs::copy(headers.path().join("vmlinux.h"), theirs.path().join("vmlinux.h")).expect("vmlinux.h is there");
    std::os::unix::fs::symlink("/usr/include/bpf", theirs.path().join("bpf")).expect("a link");
    let clang = clangs().pop().expect("there is a clang");
    // What both have, whichever libbpf is installed.
    let ours = compile(&clang, &[headers.path()], &["-DOLD_HEADERS"]).unwrap_or_else(|e| panic!("{e}"));
    let theirs = compile(&clang, &[theirs.path()], &["-DOLD_HEADERS", "-Wno-error"]).unwrap_or_else(|e| panic!("{e}"));
    let (ours, theirs) = (relocations(&ours), relocations(&theirs));
    assert!(ours.len() > 30, "{ours:#?}");
    let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>();
    assert_eq!((only(&ours, &theirs), only(&theirs, &ours)), (vec![], vec![]), "(only ours, only libbpf's)");
}

#[test]
fn what_is_made_with_them_is_accepted() {
    let Some(headers) = headers() else { return };
    let clang = clangs().pop().expect("there is a clang");
    let object = compile(&clang, &[headers.path()], &[]).expect("it compiles");
    let path = headers.path().join("every-macro.bpf.o");
    std::fs::write(&path, object).expect("a file");
    let path = path.to_str().expect("a UTF-8 path");
    for kernel in ["linux", "user"] {
        let checked = skep(&["check", path, "--kernel", kernel, "--format", "csv"]);
        let (rows, errors) = (String::from_utf8_lossy(&checked.stdout), String::from_utf8_lossy(&checked.stderr));
        if errors.contains("cannot use Linux's BPF") {
            skip(&format!("Linux: {errors}"));
            continue;
        }
        // `twelve` has more arguments than its target; our verifier knows no `.ksyms` addresses yet.
        let expected = [",accept,", ",twelve,", "skep does not verify addresses of kernel variables"];
        let refused: Vec<&str> =
            rows.lines().skip(1).filter(|row| !expected.iter().any(|part| row.contains(part))).collect();
        assert!(refused.is_empty() && rows.lines().count() > 15, "{kernel}: {errors}\n{}", refused.join("\n"));
    }
}
