//! Dedup and merging, on built types, on what clang emits and on the running kernel's BTF.

mod common;

use skep_btf::{Btf, BtfBuilder, BtfExt, IntEncoding, Kind, TypeId};

fn count(btf: &Btf, kind: Kind, name: &str) -> usize {
    btf.find_all(kind, name).count()
}

/// `struct name { struct other *next; int value; }` where the other is whole or declared.
fn node(b: &mut BtfBuilder, name: &str, other: TypeId) -> TypeId {
    let int = b.int("int", 4, IntEncoding::SIGNED);
    let pointer = b.pointer(other);
    b.structure(name, 16, &[("next", pointer, 0, 0), ("value", int, 64, 0)])
}

#[test]
fn cycles_and_forward_declarations_fall_together() {
    let mut b = BtfBuilder::new();
    // First unit: a -> b -> a, second unit: b -> a declared only, third unit: a -> b declared only.
    let a = TypeId(b.next_id().0 + 5);
    let whole_b = node(&mut b, "b", a);
    assert_eq!(node(&mut b, "a", whole_b), a);
    let declared_a = b.forward("a", false);
    node(&mut b, "b", declared_a);
    let declared_b = b.forward("b", false);
    node(&mut b, "a", declared_b);
    let btf = b.build().unwrap();
    let dedup = btf.dedup().unwrap();
    for name in ["a", "b"] {
        assert_eq!((count(&dedup.btf, Kind::Struct, name), count(&dedup.btf, Kind::Forward, name)), (1, 0), "{name}");
    }
    assert_eq!(count(&dedup.btf, Kind::Int, "int"), 1);
    assert_eq!(dedup.btf.type_count(), 6, "int, two pointers, two structs and void");
    for (old, ty) in btf.types() {
        let (new, name) = (dedup.type_id(old), btf.str(ty.name()));
        assert_eq!(dedup.btf.name(new), name, "{old} became {new}");
    }
    assert_eq!(dedup.btf.dedup().unwrap().btf, dedup.btf, "nothing is left to do");
}

#[test]
fn an_ambiguous_forward_declaration_stays() {
    let mut b = BtfBuilder::new();
    let int = b.int("int", 4, IntEncoding::SIGNED);
    b.structure("s", 4, &[("x", int, 0, 0)]);
    b.structure("s", 4, &[("y", int, 0, 0)]);
    let declared = b.forward("s", false);
    b.pointer(declared);
    let other = b.forward("t", false);
    b.structure("t", 0, &[]);
    b.pointer(other);
    let dedup = b.build().unwrap().dedup().unwrap().btf;
    assert_eq!((count(&dedup, Kind::Struct, "s"), count(&dedup, Kind::Forward, "s")), (2, 1));
    assert_eq!((count(&dedup, Kind::Struct, "t"), count(&dedup, Kind::Forward, "t")), (1, 0));
}

#[test]
fn types_that_differ_deep_inside_stay_apart() {
    let mut b = BtfBuilder::new();
    for size in [4, 8] {
        let int = b.int("int", size, IntEncoding::SIGNED);
        let inner = b.structure("inner", size, &[("x", int, 0, 0)]);
        let pointer = b.pointer(inner);
        b.structure("outer", 8, &[("p", pointer, 0, 0)]);
    }
    let dedup = b.build().unwrap().dedup().unwrap().btf;
    assert_eq!((count(&dedup, Kind::Struct, "inner"), count(&dedup, Kind::Struct, "outer")), (2, 2));
}

#[test]
fn split_types_become_those_of_the_base() {
    let mut b = BtfBuilder::new();
    let base_int = b.int("int", 4, IntEncoding::SIGNED);
    let base_struct = b.structure("s", 4, &[("x", base_int, 0, 0)]);
    let base = std::sync::Arc::new(b.build().unwrap());
    let mut b = BtfBuilder::split(base.clone());
    let int = b.int("int", 4, IntEncoding::SIGNED);
    let same = b.structure("s", 4, &[("x", int, 0, 0)]);
    let pointer = b.pointer(same);
    let split = b.build().unwrap();
    let dedup = split.dedup().unwrap();
    assert_eq!((dedup.type_id(int), dedup.type_id(same)), (base_int, base_struct));
    assert_eq!(dedup.btf.get(dedup.type_id(pointer)), Some(&skep_btf::Type::Pointer(base_struct)));
    assert_eq!(dedup.btf.own_types().count(), 1);
    let bytes = dedup.btf.to_bytes(dedup.btf.endian()).unwrap();
    assert_eq!(Btf::parse_split(&bytes, base).unwrap(), dedup.btf);
}

#[test]
fn the_kernels_types_hold_nothing_to_dedup_but_twice_them_does() {
    let Some(bytes) = common::vmlinux() else { return };
    let btf = Btf::parse(&bytes).unwrap();
    let once = btf.dedup().unwrap();
    let mut builder = BtfBuilder::from_btf(&btf);
    builder.append(&btf);
    let twice = builder.build().unwrap();
    assert_eq!(twice.type_count(), 2 * btf.type_count() - 1);
    let start = std::time::Instant::now();
    let dedup = twice.dedup().unwrap();
    eprintln!("{} types to {} in {:?}", twice.type_count(), dedup.btf.type_count(), start.elapsed());
    let kinds = |btf: &Btf| {
        let mut kinds = std::collections::BTreeMap::new();
        btf.types().for_each(|(_, t)| *kinds.entry(t.kind()).or_insert(0) += 1);
        // Variables and sections stay apart.
        kinds.retain(|k, _| !matches!(k, Kind::Variable | Kind::DataSection));
        kinds
    };
    assert_eq!(kinds(&dedup.btf), kinds(&once.btf));
    eprintln!("the kernel's own {} types become {}", btf.type_count(), once.btf.type_count());
    // pahole has done the work already: hardly anything may be left.
    assert!(once.btf.type_count() > btf.type_count() / 100 * 99);
}

#[test]
fn objects_merge_with_their_extra_information() {
    let Some(clang) = common::clang() else { return };
    let directory = tempfile::tempdir().unwrap();
    let source = |name: &str, body: &str| {
        format!(
            "struct shared {{ int a; struct other *o; }};\n\
             {body}\n\
             __attribute__((section(\"socket\"))) int {name}(struct shared *s) {{ return s->a; }}\n"
        )
    };
    let first = source("first", "struct other { long x; }; struct other global;");
    let second = source("second", "");
    let mut builder = BtfBuilder::new();
    let mut exts = Vec::new();
    for (name, text) in [("first", first), ("second", second)] {
        let object = std::fs::read(common::compile(clang, directory.path(), name, &text, &[])).unwrap();
        let btf = Btf::parse(&common::section(&object, ".BTF").unwrap()).unwrap();
        let raw = common::section(&object, ".BTF.ext").unwrap();
        let ext = BtfExt::parse(&raw, &btf).unwrap();
        assert_eq!(BtfExt::parse(&ext.to_bytes(btf.endian()).unwrap(), &btf).unwrap(), ext);
        let map = builder.append(&btf);
        exts.push(ext.renumbered(|id| map.get(id), |s| Some(builder.string(btf.str(s)))).unwrap());
    }
    let merged = builder.build().unwrap();
    assert_eq!(count(&merged, Kind::Struct, "shared"), 2);
    let dedup = merged.dedup().unwrap();
    assert_eq!(count(&dedup.btf, Kind::Struct, "shared"), 1);
    assert_eq!(count(&dedup.btf, Kind::Forward, "other"), 0);
    for (ext, name) in exts.iter().zip(["first", "second"]) {
        let ext = ext.renumbered(|id| dedup.type_id(id), |s| dedup.string(s)).unwrap();
        let function = ext.functions[0].records[0].type_id;
        assert_eq!((dedup.btf.kind(function), dedup.btf.name(function)), (Kind::Function, name));
        assert_eq!(dedup.btf.str(ext.functions[0].section), "socket");
        assert!(dedup.btf.str(ext.lines[0].records[0].line).contains("return s->a"));
    }
}
