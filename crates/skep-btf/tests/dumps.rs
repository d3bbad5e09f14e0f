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

/// Struct members as name, bit offset and bits, those of anonymous structs in their place.
fn layout(btf: &Btf, id: skep_btf::TypeId) -> Vec<(String, u64, Option<u8>)> {
    let mut fields: Vec<_> = btf
        .members(id)
        .map(|f| (btf.member_name(id, &f.path).to_owned(), f.bit_offset, f.bits))
        .filter(|(name, ..)| !name.starts_with("_padding_"))
        .collect();
    fields.sort();
    fields
}

/// Compiles a dump, and compares the layout that clang gave it, bit fields and all, with what was dumped. The number
/// of structs compared.
fn compare_layouts(clang: &str, btf: &Btf, compared: impl Fn(skep_btf::TypeId) -> bool) -> usize {
    let dump = btf.dump_c(&CDumpOptions { preserve_access_index: false, ..CDumpOptions::default() }).unwrap();
    let record = |id: skep_btf::TypeId| btf.ty(id).composite().is_some() && compared(id);
    let records: Vec<_> = dump.spellings.iter().filter(|(id, _)| record(**id)).collect();
    let mut source = format!("#include \"dump.h\"\n{}", assertions(btf, &dump.spellings));
    for (id, spelling) in &records {
        writeln!(source, "{spelling} *v{};", id.0).unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("dump.h"), &dump.text).unwrap();
    let object = common::compile(clang, directory.path(), "layout", &source, &["-Wall", "-Werror"]);
    let compiled = Btf::parse(&common::section(&std::fs::read(object).unwrap(), ".BTF").unwrap()).unwrap();
    for (id, spelling) in &records {
        let name = spelling.split(' ').nth(1).unwrap();
        let found = compiled.find(btf.kind(**id), name).unwrap_or_else(|| panic!("{spelling} is not in clang's BTF"));
        assert_eq!(compiled.size_of(found), btf.size_of(**id), "{spelling}");
        assert_eq!(layout(&compiled, found), layout(btf, **id), "{spelling}");
    }
    records.len()
}

#[test]
fn every_bit_field_of_the_kernel_is_where_it_was() {
    let Some(bytes) = common::vmlinux() else { return };
    let Some(clang) = common::clang() else { return };
    let btf = Btf::parse(&bytes).unwrap();
    // Clang takes long over thousands of structs; offsets of whole fields are asserted above.
    let compared = compare_layouts(clang, &btf, |id| btf.members(id).any(|f| f.bits.is_some()));
    assert!(compared > 100, "only {compared} structs with bit fields");
}

/// What makes layouts hard.
const AWKWARD: &str = "
    typedef unsigned long long u64;
    struct packed { char a; int b; short c; } __attribute__((packed));
    struct packed_aligned { char a; u64 b; } __attribute__((packed, aligned(4)));
    struct aligned { char a; int b __attribute__((aligned(32))); char c; };
    struct big_end { int a; } __attribute__((aligned(64)));
    struct holds { char c; struct packed p; struct packed_aligned q; struct big_end e; char tail; };
    struct bits { int a : 3; unsigned b : 30; char c; long d : 5; int : 0; u64 e : 60; short f : 9; };
    struct packed_bits { int a : 3; unsigned b : 30; char c; long d : 5; u64 e : 60; short f : 9; } __attribute__((packed));
    struct gaps { int a : 3; int : 7; int b : 5; int : 20; int c : 1; char d; int : 9; _Bool f : 1; };
    union wide { char c; int i; } __attribute__((aligned(32)));
    union odd { char c[5]; short s; } __attribute__((packed));
    struct nested { struct { int x; union { char y; u64 z; }; }; struct { struct { short deep; } in[3]; } out; };
    struct flexible { int n; struct packed tail[]; };
    struct zero { int before; struct {} nothing; int zero[0]; int after; };
    struct self { struct self *next; struct self **(*callback)(struct self *, const char *const *, ...); };
    struct late; struct early { struct late *late; }; struct late { struct early early; int (*table[2][3])[4]; };
    enum small { S1, S2 = 200 } __attribute__((packed));
    enum wide_enum { W = 0x123456789abcULL, W2 = 1 };
    enum negative { N = -0x123456789abcLL, N2 = 1 };
    enum medium { M = -5, M2 = 4000 } __attribute__((mode(HI)));
    enum long_enum { L = 5 } __attribute__((mode(DI)));
    struct enums { enum small s; enum wide_enum w; enum negative n; enum medium m; enum long_enum l; enum small bits : 4; };
    typedef struct { int a; } anonymous_t; typedef enum { AN1, AN2 } anonymous_enum_t;
    struct uses { anonymous_t a; anonymous_enum_t e; const volatile anonymous_t *p; __int128 wide; char odd; };
    struct tagged { int __attribute__((btf_type_tag(\"user\"))) *p; };
    struct class { int new; int this; };
    struct huge { char a; char b[4000] __attribute__((aligned(1024))); };
";

#[test]
fn awkward_layouts_survive_the_dump() {
    let Some(clang) = common::clang() else { return };
    let words: Vec<_> =
        AWKWARD.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '{').filter(|w| !w.is_empty()).collect();
    let named = |w: &&[&str]| matches!(w[0], "struct" | "union" | "enum") && !w[1].starts_with('{');
    let names: std::collections::BTreeSet<_> = words.windows(2).filter(named).map(|w| w.join(" ")).collect();
    let mut source = AWKWARD.to_owned();
    for (index, name) in names.iter().enumerate() {
        writeln!(source, "{name} *v{index};").unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    let object = common::compile(clang, directory.path(), "awkward", &source, &[]);
    let btf = Btf::parse(&common::section(&std::fs::read(object).unwrap(), ".BTF").unwrap()).unwrap();
    assert_eq!(compare_layouts(clang, &btf, |_| true), 21);
}

#[test]
fn kfuncs_are_declared() {
    let mut builder = skep_btf::BtfBuilder::new();
    let int = builder.int("int", 4, skep_btf::IntEncoding::SIGNED);
    let record = builder.structure("thing", 4, &[("x", int, 0, 0)]);
    let pointer = builder.pointer(record);
    let prototype = builder.prototype(pointer, &[("thing", pointer), ("count", int)]);
    let function = builder.function("thing_get", prototype, skep_btf::FunctionLinkage::Static);
    builder.decl_tag("bpf_kfunc", function, None);
    let text = builder.build().unwrap().dump_c(&CDumpOptions::default()).unwrap().text;
    assert!(text.contains("extern struct thing *thing_get(struct thing *thing, int count) __weak __ksym;\n"), "{text}");
}

/// Types of an object for one byte order, dumped as text.
fn types_for(clang: &str, target: &str) -> (skep_btf::Endian, String) {
    let directory = tempfile::tempdir().unwrap();
    let source = format!("{AWKWARD}\nstruct enums v0; struct self v1; struct aligned v2;");
    let object = common::compile(clang, directory.path(), "object", &source, &[target]);
    let bytes = std::fs::read(object).unwrap();
    // Finding the section in a file of the other byte order is an ELF reader's part; its magic number does here.
    let magic: [u8; 8] =
        if target.ends_with("eb") { [0xeb, 0x9f, 1, 0, 0, 0, 0, 24] } else { [0x9f, 0xeb, 1, 0, 24, 0, 0, 0] };
    let start = bytes.windows(8).position(|w| w == magic).expect("a BTF header");
    let btf = Btf::parse(&bytes[start..]).unwrap();
    let mut text = String::new();
    btf.dump_raw(&mut text).unwrap();
    (btf.endian(), text)
}

#[test]
fn big_endian_objects_hold_the_same_types() {
    let Some(clang) = common::clang() else { return };
    let (little, big) = (types_for(clang, "--target=bpfel"), types_for(clang, "--target=bpfeb"));
    assert_eq!((little.0, big.0), (skep_btf::Endian::Little, skep_btf::Endian::Big));
    assert!(little.1.contains("STRUCT 'enums'"), "{}", little.1);
    assert_eq!(little.1, big.1);
}
