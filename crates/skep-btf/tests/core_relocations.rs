//! CO-RE: relocations that clang emits, resolved against types that another run of clang laid out, with the values
//! that C itself computes for those types.

mod common;

use skep_btf::core_relocation::{Outcome, Resolution, Resolver};
use skep_btf::{Btf, BtfExt, CoreRelocation, RelocationKind};
use std::collections::HashMap;
use std::path::Path;

/// What the program was compiled for.
const LOCAL: &str = "
    enum color { RED = 1, GREEN = 2, BLUE = 3 };
    enum big { BIG = 0x100000000ULL };
    struct inner { int x; long y; } ;
    struct point___old { int x; unsigned int y; };
    struct gone { int x; };
    struct object {
        unsigned int flags : 3;
        int level : 5;
        int plain;
        void *pointer;
        unsigned char small;
        int missing;
        struct inner inner;
        int array[4];
        struct inner many[3];
        union { int a; struct { int b; }; };
        enum color color;
    };
    struct same { int a; struct inner *inner; };
    struct other { int a; long b; };
    typedef struct { int t; } named;
";

/// What the kernel looks like.
const TARGET: &str = "
    enum color { GREEN = 20, RED = -10 };
    enum big { BIG = 0x200000000ULL, MORE = 1 };
    struct inner { char pad[16]; long y; char gap; int x; };
    struct point { char pad[3]; unsigned int y; int x; };
    struct object {
        long pad;
        int array[8];
        struct { int head; struct { unsigned int lead : 30; unsigned int flags : 4; int level : 7; }; };
        unsigned long long small;
        void *pointer;
        short plain;
        struct inner inner;
        struct inner many[5];
        struct { struct { int b; }; int a; };
        enum color color;
    };
    struct same { long more; int a; struct inner *inner; };
    struct other { int a; int b; };
    typedef struct { long z; int t; } named;
";

/// One relocation each; names say what is asked for.
const PROGRAM: &str = "
    #define CORE(kind, expr) __builtin_preserve_field_info(expr, kind)
    #define TYPE(kind, type) __builtin_preserve_type_info(*(type *)0, kind)
    #define ENUM(type, value, kind) __builtin_preserve_enum_value(*(type *)value, kind)
    #define PUT(x) out = (unsigned long)(x)
    volatile unsigned long out;
    __attribute__((section(\"socket\"))) int program(struct object *o)
    {
        struct point___old *p = (void *)o; struct gone *g = (void *)o; enum color c; enum big b;
        PUT(CORE(0, o->plain)); PUT(CORE(0, o->small)); PUT(CORE(0, o->pointer)); PUT(CORE(0, o->inner.x));
        PUT(CORE(0, o->array[2])); PUT(CORE(0, o->many[1].y)); PUT(CORE(0, o->a)); PUT(CORE(0, o->b));
        PUT(CORE(0, o->missing)); PUT(CORE(0, p->x)); PUT(CORE(0, p->y)); PUT(CORE(0, g->x));
        PUT(CORE(0, o[3].plain));
        PUT(CORE(1, o->plain)); PUT(CORE(1, o->small)); PUT(CORE(1, o->array)); PUT(CORE(1, o->missing));
        PUT(CORE(2, o->plain)); PUT(CORE(2, o->missing)); PUT(CORE(2, g->x)); PUT(CORE(2, o->array[3]));
        PUT(CORE(3, o->plain)); PUT(CORE(3, o->flags)); PUT(CORE(3, o->level)); PUT(CORE(3, o->color));
        PUT(CORE(0, o->flags)); PUT(CORE(1, o->flags)); PUT(CORE(4, o->flags)); PUT(CORE(5, o->flags));
        PUT(CORE(0, o->level)); PUT(CORE(4, o->level)); PUT(CORE(5, o->level));
        PUT(CORE(4, o->plain)); PUT(CORE(5, o->plain));
        PUT(TYPE(0, struct object)); PUT(TYPE(0, struct gone)); PUT(TYPE(0, named)); PUT(TYPE(0, struct point___old));
        PUT(TYPE(1, struct object)); PUT(TYPE(1, struct gone)); PUT(TYPE(1, named)); PUT(TYPE(1, enum color));
        PUT(TYPE(2, struct same)); PUT(TYPE(2, struct other)); PUT(TYPE(2, struct gone));
        PUT(__builtin_btf_type_id(*(struct object *)0, 0)); PUT(__builtin_btf_type_id(*(struct object *)0, 1));
        PUT(ENUM(enum color, RED, 0)); PUT(ENUM(enum color, BLUE, 0));
        PUT(ENUM(enum color, RED, 1)); PUT(ENUM(enum color, GREEN, 1)); PUT(ENUM(enum color, BLUE, 1));
        PUT(ENUM(enum big, BIG, 1));
        return 0;
    }
";

struct World {
    local: Btf,
    target: Btf,
    relocations: Vec<CoreRelocation>,
}

fn read(object: &Path) -> (Btf, Option<BtfExt>) {
    let bytes = std::fs::read(object).unwrap();
    let btf = Btf::parse(&common::section(&bytes, ".BTF").unwrap()).unwrap();
    let ext = common::section(&bytes, ".BTF.ext").map(|raw| BtfExt::parse(&raw, &btf).unwrap());
    (btf, ext)
}

/// Declares a variable of each struct, so that clang emits it.
const USES: &str = "
    struct object u1; struct inner u2; struct point u3; struct same u4; struct other u5; named u6; enum color u7;
    enum big u8;
";

impl World {
    fn new() -> Option<World> {
        let clang = common::clang()?;
        let directory = tempfile::tempdir().unwrap();
        let program = format!(
            "#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)\n{LOCAL}\n\
             #pragma clang attribute pop\n{PROGRAM}"
        );
        let (local, ext) = read(&common::compile(clang, directory.path(), "program", &program, &["-Wno-everything"]));
        let target = format!("{TARGET}\n{USES}");
        let (target, _) = read(&common::compile(clang, directory.path(), "target", &target, &[]));
        let groups = ext.unwrap().relocations;
        let relocations = groups.into_iter().flat_map(|g| g.records).collect();
        Some(World { local, target, relocations })
    }

    fn resolve(&self, kind: RelocationKind, name: &str, path: &str) -> Resolution {
        let wanted = |r: &&CoreRelocation| {
            r.kind == kind && self.local.name(r.type_id) == name && self.local.str(r.access_spec) == path
        };
        let relocation = self.relocations.iter().find(wanted);
        let relocation = relocation.unwrap_or_else(|| panic!("clang emitted no {kind:?} of {name} at {path}"));
        Resolver::new(&self.local, &[&self.target]).resolve(relocation).unwrap()
    }
}

/// Values that C computes from the target's definitions: name and expression.
fn by_c(expressions: &[(&str, &str)]) -> Option<HashMap<String, u64>> {
    let clang = common::clang()?;
    let directory = tempfile::tempdir().unwrap();
    let mut source = format!("{TARGET}\n#define O(t, f) __builtin_offsetof(t, f)\n");
    for (name, expression) in expressions {
        source += &format!("__attribute__((section(\"v.{name}\"))) unsigned long long v_{name} = {expression};\n");
    }
    let object = common::compile(clang, directory.path(), "values", &source, &[]);
    let bytes = std::fs::read(object).unwrap();
    let value = |name: &str| {
        let section = common::section(&bytes, &format!("v.{name}")).unwrap();
        u64::from_le_bytes(section.try_into().unwrap())
    };
    Some(expressions.iter().map(|(name, _)| ((*name).to_owned(), value(name))).collect())
}

#[test]
fn every_kind_is_resolved_to_what_c_says() {
    use RelocationKind as K;
    let Some(world) = World::new() else { return };
    let rows: &[(K, &str, &str, &str)] = &[
        (K::FieldByteOffset, "object", "0:2", "O(struct object, plain)"),
        (K::FieldByteOffset, "object", "0:4", "O(struct object, small)"),
        (K::FieldByteOffset, "object", "0:3", "O(struct object, pointer)"),
        (K::FieldByteOffset, "object", "0:6:0", "O(struct object, inner.x)"),
        (K::FieldByteOffset, "object", "0:7:2", "O(struct object, array[2])"),
        (K::FieldByteOffset, "object", "0:8:1:1", "O(struct object, many[1].y)"),
        (K::FieldByteOffset, "object", "0:9:0", "O(struct object, a)"),
        (K::FieldByteOffset, "object", "0:9:1:0", "O(struct object, b)"),
        (K::FieldByteOffset, "point___old", "0:0", "O(struct point, x)"),
        (K::FieldByteOffset, "point___old", "0:1", "O(struct point, y)"),
        (K::FieldByteOffset, "object", "3:2", "3 * sizeof(struct object) + O(struct object, plain)"),
        (K::FieldByteSize, "object", "0:2", "sizeof(short)"),
        (K::FieldByteSize, "object", "0:4", "8"),
        (K::FieldByteSize, "object", "0:7", "sizeof(int[8])"),
        (K::FieldExists, "object", "0:2", "1"),
        (K::FieldExists, "object", "0:5", "0"),
        (K::FieldExists, "gone", "0:0", "0"),
        (K::FieldExists, "object", "0:7:3", "1"),
        (K::FieldSigned, "object", "0:2", "1"),
        (K::FieldSigned, "object", "0:0", "0"),
        (K::FieldSigned, "object", "0:1", "1"),
        (K::FieldSigned, "object", "0:10", "1"),
        // `flags` and `level` stand in the second word behind `head`: bits 0 to 3 and 4 to 10.
        (K::FieldByteOffset, "object", "0:0", "O(struct object, head) + 8"),
        (K::FieldByteSize, "object", "0:0", "4"),
        (K::FieldLeftShift, "object", "0:0", "64 - 4"),
        (K::FieldRightShift, "object", "0:0", "64 - 4"),
        (K::FieldByteOffset, "object", "0:1", "O(struct object, head) + 8"),
        (K::FieldLeftShift, "object", "0:1", "64 - 11"),
        (K::FieldRightShift, "object", "0:1", "64 - 7"),
        (K::FieldLeftShift, "object", "0:2", "64 - 16"),
        (K::FieldRightShift, "object", "0:2", "64 - 16"),
        (K::TypeExists, "object", "0", "1"),
        (K::TypeExists, "gone", "0", "0"),
        (K::TypeExists, "named", "0", "1"),
        (K::TypeExists, "point___old", "0", "1"),
        (K::TypeSize, "object", "0", "sizeof(struct object)"),
        (K::TypeSize, "gone", "0", "0"),
        (K::TypeSize, "named", "0", "sizeof(named)"),
        (K::TypeSize, "color", "0", "sizeof(enum color)"),
        (K::TypeMatches, "same", "0", "1"),
        (K::TypeMatches, "other", "0", "0"),
        (K::TypeMatches, "gone", "0", "0"),
        (K::EnumeratorExists, "color", "0", "1"),
        (K::EnumeratorExists, "color", "2", "0"),
        (K::EnumeratorValue, "color", "0", "RED"),
        (K::EnumeratorValue, "color", "1", "GREEN"),
        (K::EnumeratorValue, "big", "0", "BIG"),
    ];
    let names: Vec<String> = (0..rows.len()).map(|i| format!("n{i}")).collect();
    let expressions: Vec<_> = names.iter().zip(rows).map(|(n, row)| (n.as_str(), row.3)).collect();
    let Some(values) = by_c(&expressions) else { return };
    for (name, (kind, ty, path, expression)) in names.iter().zip(rows) {
        let found = world.resolve(*kind, ty, path);
        assert_eq!(found.outcome, Outcome::Value(values[name]), "{kind:?} of {ty} at {path}: {expression}");
    }
    for (kind, ty, path) in [
        (K::FieldByteOffset, "object", "0:5"),
        (K::FieldByteSize, "object", "0:5"),
        (K::FieldByteOffset, "gone", "0:0"),
        (K::EnumeratorValue, "color", "2"),
    ] {
        assert_eq!(world.resolve(kind, ty, path).outcome, Outcome::Poison, "{kind:?} of {ty} at {path}");
    }
    let local_id = world.resolve(K::TypeIdLocal, "object", "0");
    assert_eq!(local_id.value(), world.local.find(skep_btf::Kind::Struct, "object").map(|id| id.0.into()));
    let target_id = world.resolve(K::TypeIdTarget, "object", "0");
    assert_eq!(target_id.value(), world.target.find(skep_btf::Kind::Struct, "object").map(|id| id.0.into()));
}

#[test]
fn a_changed_size_of_access_is_told() {
    let Some(world) = World::new() else { return };
    let sizes = |path| {
        let r = world.resolve(RelocationKind::FieldByteOffset, "object", path);
        (r.original_access.map(|a| a.size), r.access.map(|a| a.size), r.unsafe_size_change, r.validate)
    };
    assert_eq!(sizes("0:2"), (Some(4), Some(2), true, true), "signed integers need their sign extended");
    assert_eq!(sizes("0:4"), (Some(1), Some(8), false, true), "unsigned integers may grow");
    assert_eq!(sizes("0:3"), (Some(8), Some(8), false, true));
    assert_eq!(sizes("0:0"), (None, None, false, false), "bit fields are loaded as the compiler likes");
    let original = world.resolve(RelocationKind::FieldByteOffset, "object", "0:4").original;
    let object = world.local.find(skep_btf::Kind::Struct, "object").unwrap();
    assert_eq!(Some(original), world.local.find_member(object, "small").map(|f| f.byte_offset()));
}

#[test]
fn hundreds_of_relocations_against_the_kernel_take_milliseconds() {
    let Some(bytes) = common::vmlinux() else { return };
    let target = Btf::parse(&bytes).unwrap();
    let mut local = skep_btf::BtfBuilder::new();
    let int = local.int("int", 4, skep_btf::IntEncoding::SIGNED);
    let task = local.structure("task_struct___mine", 8, &[("tgid", int, 0, 0), ("pid", int, 32, 0)]);
    let access_spec = local.string("0:1");
    let local = local.build().unwrap();
    let kernel = target.find(skep_btf::Kind::Struct, "task_struct").unwrap();
    let expected = target.find_member(kernel, "pid").unwrap().byte_offset();
    let relocation =
        CoreRelocation { insn_offset: 0, type_id: task, access_spec, kind: RelocationKind::FieldByteOffset };
    let resolver_targets = [&target];
    let resolver = Resolver::new(&local, &resolver_targets);
    resolver.resolve(&relocation).unwrap();
    let start = std::time::Instant::now();
    for _ in 0..500 {
        assert_eq!(resolver.resolve(&relocation).unwrap().value(), Some(expected));
    }
    let taken = start.elapsed();
    assert!(taken.as_millis() < 500, "500 relocations took {taken:?}");
}

#[test]
fn candidates_that_disagree_are_an_error() {
    let mut target = skep_btf::BtfBuilder::new();
    let int = target.int("int", 4, skep_btf::IntEncoding::SIGNED);
    let first = target.structure("s", 8, &[("x", int, 0, 0)]);
    let second = target.structure("s", 8, &[("x", int, 32, 0)]);
    let target = target.build().unwrap();
    let mut local = skep_btf::BtfBuilder::new();
    let int = local.int("int", 4, skep_btf::IntEncoding::SIGNED);
    let type_id = local.structure("s___mine", 4, &[("x", int, 0, 0)]);
    let access_spec = local.string("0:0");
    let local = local.build().unwrap();
    let relocation = CoreRelocation { insn_offset: 0, type_id, access_spec, kind: RelocationKind::FieldByteOffset };
    match skep_btf::core_relocation::resolve(&local, &relocation, &[&target]) {
        Err(skep_btf::core_relocation::CoreError::Ambiguous { first: a, second: b, .. }) => {
            assert_eq!((a, b), (first, second));
        }
        other => panic!("{other:?}"),
    }
}

/// A program with every kind of relocation against types of the kernel.
const AGAINST_KERNEL: &str = "
    #define SEC(n) __attribute__((section(n), used))
    #pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
    struct task_struct___mine { int pid; int nope; unsigned sched_migrated : 1; char comm[16]; struct mm_struct *mm; };
    struct nosuch { int x; };
    struct file { unsigned f_flags; };
    enum pid_type { PIDTYPE_PID, PIDTYPE_TGID, PIDTYPE_ZZZ };
    struct list_head { struct list_head *next, *prev; };
    struct hlist_head { int wrong; };
    #pragma clang attribute pop
    #define CORE(kind, expr) __builtin_preserve_field_info(expr, kind)
    #define TYPE(kind, type) __builtin_preserve_type_info(*(type *)0, kind)
    #define ENUM(type, value, kind) __builtin_preserve_enum_value(*(type *)value, kind)
    #define PUT(x) out = (unsigned long)(x)
    volatile unsigned long out;
    SEC(\"tracepoint/syscalls/sys_enter_getpid\") int program(void *context)
    {
        struct task_struct___mine *t = context; struct file *f = context;
        PUT(CORE(0, t->pid)); PUT(CORE(1, t->pid)); PUT(CORE(2, t->nope)); PUT(CORE(3, t->pid));
        PUT(CORE(0, t->sched_migrated)); PUT(CORE(1, t->sched_migrated)); PUT(CORE(3, t->sched_migrated));
        PUT(CORE(4, t->sched_migrated)); PUT(CORE(5, t->sched_migrated));
        PUT(CORE(0, t->comm[3])); PUT(CORE(1, t->comm)); PUT(CORE(0, t->mm)); PUT(CORE(0, f->f_flags));
        PUT(TYPE(0, struct list_head)); PUT(TYPE(1, struct list_head)); PUT(TYPE(2, struct list_head));
        PUT(TYPE(0, struct nosuch)); PUT(TYPE(1, struct nosuch)); PUT(TYPE(2, struct hlist_head));
        PUT(__builtin_btf_type_id(*(struct list_head *)0, 0)); PUT(__builtin_btf_type_id(*(struct list_head *)0, 1));
        PUT(ENUM(enum pid_type, PIDTYPE_TGID, 0)); PUT(ENUM(enum pid_type, PIDTYPE_ZZZ, 0));
        PUT(ENUM(enum pid_type, PIDTYPE_TGID, 1));
        return 0;
    }
    char LICENSE[] SEC(\"license\") = \"GPL\";
";

/// Number of the relocation, value before and after, from a line of libbpf's log such as
/// `libbpf: prog 'program': relo #6: patched insn #14 (ALU/ALU64) imm 63 -> 61`.
fn patched(line: &str) -> Option<(usize, u64, u64)> {
    let (_, rest) = line.split_once("relo #")?;
    let (number, rest) = rest.split_once(": patched insn")?;
    let (_, values) = rest.split_once(") imm")?;
    let (old, new) = values.trim_start_matches("64").trim().split_once(" -> ")?;
    Some((number.parse().ok()?, old.parse().ok()?, new.parse().ok()?))
}

#[test]
fn libbpf_resolves_the_same() {
    let Some(bytes) = common::vmlinux() else { return };
    let (Some(clang), Some(bpftool)) = (common::clang(), common::tool(&["bpftool"])) else { return };
    let directory = tempfile::tempdir().unwrap();
    let object = common::compile(clang, directory.path(), "kernel", AGAINST_KERNEL, &["-Wno-everything"]);
    let (local, ext) = read(&object);
    let target = Btf::parse(&bytes).unwrap();
    // The place to pin does not exist, so that nothing is left behind.
    let arguments = ["-d", "prog", "load", object.to_str().unwrap(), "/nonexistent/program"];
    let run = std::process::Command::new(bpftool).args(arguments).output().unwrap();
    let log = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    let theirs: Vec<_> = log.lines().filter_map(patched).collect();
    if theirs.is_empty() {
        return common::skip("bpftool shows no relocations: it needs root and a kernel with BPF");
    }
    let relocations = ext.unwrap().relocations.remove(0).records;
    assert_eq!(theirs.len(), relocations.len());
    let targets = [&target];
    let resolver = Resolver::new(&local, &targets);
    for (number, old, new) in theirs {
        let ours = resolver.resolve(&relocations[number]).unwrap();
        assert_eq!(ours.value(), Some(new), "relocation {number}: {:?}", relocations[number]);
        assert!(!ours.validate || ours.original == old, "relocation {number}: {ours:?} where clang wrote {old}");
    }
}
