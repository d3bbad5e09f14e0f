//! Every program in `tests/objects`: what is read from it is what its last comment says.
//! `SKEP_BLESS=1` rewrites the comments.

mod common;
#[path = "common/render.rs"]
mod render;

use skep_object::{ByteOrder, LinkProblem, ObjectSpec, Resolver};
use std::sync::Arc;

const BEGIN: &str = "/* expect:\n";
const END: &str = "*/\n";

fn describe(bytes: &[u8]) -> String {
    match ObjectSpec::parse(bytes) {
        Ok(object) => render::render(&object),
        Err(e) => format!("error {e}\n"),
    }
}

#[test]
fn objects_are_read_as_their_sources_say() {
    let Some(clang) = common::clang() else { return common::skip("there is no clang to compile test programs with") };
    let mut wrong = Vec::new();
    for path in common::sources() {
        let source = std::fs::read_to_string(&path).unwrap();
        let (code, rest) = source.split_once(BEGIN).unwrap_or_else(|| panic!("{path:?} has no {BEGIN:?}"));
        let expected = rest.strip_suffix(END).unwrap_or_else(|| panic!("{path:?} does not end with {END:?}"));
        let bytes = common::compile_with(clang, &path, &[]).unwrap_or_else(|e| panic!("{path:?}: {e}"));
        let found = describe(&bytes);
        if found == expected {
            continue;
        }
        if std::env::var_os("SKEP_BLESS").is_some() {
            // In one step: other tests compile it meanwhile.
            let new = path.with_extension("new");
            std::fs::write(&new, format!("{code}{BEGIN}{found}{END}")).unwrap();
            std::fs::rename(&new, &path).unwrap();
        } else {
            wrong.push(format!("{}:\n--- expected\n{expected}--- found\n{found}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The other byte order says the same, as far as it is about the object and not about bytes of values.
#[test]
fn big_endian_objects_can_be_inspected_and_not_linked() {
    let Some(clang) = common::clang() else { return common::skip("there is no clang to compile test programs with") };
    for name in ["maps.bpf.c", "subprograms.bpf.c", "globals.bpf.c", "core.bpf.c", "externs.bpf.c"] {
        let path = common::directory().join(name);
        let little = ObjectSpec::parse(&common::compile_with(clang, &path, &[]).unwrap()).unwrap();
        let big = common::compile_with(clang, &path, &["--target=bpfeb"]).unwrap();
        let big = ObjectSpec::parse(&big).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(big.byte_order, ByteOrder::Big);
        let facts = |o: &ObjectSpec| {
            let text = render::render(o);
            text.lines().map(|l| l.split(" = ").next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(facts(&big), facts(&little), "{name}");
        for (a, b) in big.programs.iter().zip(&little.programs) {
            let codes = |p: &skep_object::ProgramSpec| p.insns.iter().map(|i| (i.opcode, i.dst)).collect::<Vec<_>>();
            assert_eq!(codes(a), codes(b), "{name}: {}", a.name);
            assert_eq!(a.link(&big, &Nothing).unwrap_err().problem, LinkProblem::BigEndian);
        }
    }
}

/// A kernel without anything.
struct Nothing;

impl Resolver for Nothing {
    fn map_fd(&self, _: skep_object::MapIndex) -> Option<i32> {
        None
    }

    fn kernel_object(&self, _: &skep_object::ExternSpec) -> Option<skep_object::KernelObject> {
        None
    }

    fn kernel_address(&self, _: &str) -> Option<u64> {
        None
    }

    fn kernel_types(&self) -> &[Arc<skep_btf::Btf>] {
        &[]
    }
}

#[test]
fn what_the_kernel_lacks_is_named() {
    let Some(bytes) = common::compile("externs.bpf.c") else { return };
    let object = ObjectSpec::parse(&bytes).unwrap();
    let error = object.programs[0].link(&object, &Nothing).unwrap_err().to_string();
    assert!(error.contains("program 'use_all', instruction "), "{error}");
    assert!(error.contains("the kernel has no function 'bpf_task_from_pid'"), "{error}");
}

#[test]
fn maps_that_were_left_out_make_dead_code_necessary() {
    let Some(bytes) = common::compile("maps.bpf.c") else { return };
    let object = ObjectSpec::parse(&bytes).unwrap();
    let (_, program) = object.program("first").unwrap();
    let linked = program.link(&object, &Nothing).unwrap();
    let slot = linked.poisoned[0].slot as usize;
    assert!(linked.poisoned[0].reason.contains("map 'counters' was not created"));
    let (counters, _) = object.map("counters").unwrap();
    assert_eq!(linked.insns[slot].imm, skep_object::POISON_MAP + counters.0 as i32);
    assert_eq!(linked.insns[slot].opcode, 0x85);
}

#[test]
fn globals_are_set_by_name() {
    let Some(bytes) = common::compile("globals.bpf.c") else { return };
    let mut object = ObjectSpec::parse(&bytes).unwrap();
    assert_eq!(object.global_bytes("name").unwrap(), b"skep\0\0\0\0");
    object.set_global("limit", &77u32.to_le_bytes()).unwrap();
    object.set_global("total", &[1; 8]).unwrap();
    assert_eq!(object.global_bytes("limit").unwrap(), 77u32.to_le_bytes());
    let (_, bss) = object.map(".bss").unwrap();
    assert_eq!(bss.contents.as_ref().unwrap().to_vec()[8..16], [1; 8]);
    assert_eq!(
        object.set_global("limit", &[1]).unwrap_err().to_string(),
        "global variable 'limit' has 4 bytes, 1 were given"
    );
    assert!(object.set_global("nothing", &[]).is_err());
}

#[test]
fn two_definitions_do_not_link() {
    let Some(bytes) = common::compile("linked/library.bpf.c") else { return };
    let error = ObjectSpec::parse_linked(&[("a.o", &bytes), ("b.o", &bytes)]).unwrap_err().to_string();
    assert!(error.contains("is defined in an object before as well (object b.o)"), "{error}");
    assert!(error.contains("make one of them static or __weak"), "{error}");
}

#[test]
fn an_object_linked_alone_is_the_same() {
    let Some(clang) = common::clang() else { return common::skip("there is no clang to compile test programs with") };
    for name in ["maps", "globals", "externs", "subprograms", "core", "struct-ops", "arena", "no-btf"] {
        let bytes = common::compile_with(clang, &common::directory().join(format!("{name}.bpf.c")), &[]).unwrap();
        let alone = ObjectSpec::parse_linked(&[(name, &bytes)]).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(render::render(&alone), describe(&bytes), "{name}");
        alone.btf.iter().for_each(|b| b.validate().unwrap_or_else(|e| panic!("{name}: {e}")));
    }
}

#[test]
fn configuration_is_given_by_name() {
    use skep_object::{KconfigError, KconfigValue};
    let Some(bytes) = common::compile("externs.bpf.c") else { return };
    let mut object = ObjectSpec::parse(&bytes).unwrap();
    assert_eq!(object.set_kconfig(&|_| None), Err(KconfigError::Missing("CONFIG_BPF_JIT".to_owned())));
    let answer = |name: &str| match name {
        "CONFIG_HZ" => KconfigValue::parse("1000"),
        "LINUX_KERNEL_VERSION" => Some(KconfigValue::Number(0x060c00)),
        "CONFIG_CC_VERSION_TEXT" => KconfigValue::parse("\"gcc\""),
        "CONFIG_NOTHING" => None,
        _ => Some(KconfigValue::Yes),
    };
    object.set_kconfig(&answer).unwrap();
    let contents = object.map(".kconfig").unwrap().1.contents.as_ref().unwrap().to_vec();
    assert_eq!(contents[..18], *b"\xe8\x03\0\0\0\0\0\0\x01\0\0\0\x00\x0c\x06\0\0\0");
    assert_eq!(contents[18..22], *b"gcc\0");
    assert_eq!(contents[42..], *b"\x01y");
    let wrong = object.set_kconfig(&|_| Some(KconfigValue::Module)).unwrap_err();
    assert_eq!(wrong.to_string(), "setting 'CONFIG_HZ': the value m does not fit a variable that holds an integer");
}
