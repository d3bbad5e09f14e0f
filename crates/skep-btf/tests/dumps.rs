//! The dumps of the running kernel's BTF, against bpftool and clang.

mod common;

use skep_btf::{Btf, CDumpOptions, Type};
use std::fmt::Write;

#[test]
fn raw_dump_equals_bpftools() {
    let Some(bytes) = common::vmlinux() else { return };
    let Some(bpftool) = common::tool(&["bpftool"]) else { return };
    let expected = common::output(bpftool, &["btf", "dump", "file", common::VMLINUX]);
    let mut text = String::new();
    Btf::parse(&bytes).unwrap().dump_raw(&mut text).unwrap();
    let expected = String::from_utf8(expected).unwrap();
    for (ours, theirs) in text.lines().zip(expected.lines()) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(text.len(), expected.len());
}

/// Asserts in C that the structs of a dump have the size and offsets that BTF says.
fn assertions(btf: &Btf, spellings: &std::collections::BTreeMap<skep_btf::TypeId, String>) -> String {
    let mut text = String::new();
    for (id, spelling) in spellings {
        let size = match btf.ty(*id) {
            Type::Struct(c) | Type::Union(c) => c.size,
            Type::Enum(e) if !e.values.is_empty() => e.size,
            Type::Enum64(e) => e.size,
            _ => continue,
        };
        writeln!(text, "_Static_assert(sizeof({spelling}) == {size}, \"{spelling}\");").unwrap();
        for field in btf.members(*id).filter(|f| f.bits.is_none()) {
            let (name, offset) = (btf.member_name(*id, &field.path), field.byte_offset());
            let what = format!("__builtin_offsetof({spelling}, {name}) == {offset}");
            writeln!(text, "_Static_assert({what}, \"{spelling}.{name}\");").unwrap();
        }
    }
    text
}

#[test]
fn c_dump_of_the_kernel_compiles_and_has_its_layout() {
    let Some(bytes) = common::vmlinux() else { return };
    let Some(clang) = common::clang() else { return };
    let btf = Btf::parse(&bytes).unwrap();
    let start = std::time::Instant::now();
    let dump = btf.dump_c(&CDumpOptions::default()).unwrap();
    eprintln!("{} bytes of C in {:?}", dump.text.len(), start.elapsed());
    let checks = assertions(&btf, &dump.spellings);
    assert!(checks.lines().count() > 10_000, "too few assertions to mean anything");
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("vmlinux.h"), &dump.text).unwrap();
    let source = format!("#include \"vmlinux.h\"\n{checks}");
    common::compile(clang, directory.path(), "layout", &source, &["-Wall", "-Werror"]);
}
