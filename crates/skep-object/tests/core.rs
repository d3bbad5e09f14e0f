//! CO-RE patching against a kernel made up for the purpose; `libbpf.rs` compares with libbpf on the real one.

mod common;

use skep_btf::{Btf, BtfBuilder, IntEncoding};
use skep_object::{ExternSpec, KernelObject, LinkedProgram, MapIndex, ObjectSpec, POISON_CORE, Resolver};
use std::sync::Arc;

/// A kernel that has types and nothing else.
struct Types(Vec<Arc<Btf>>);

impl Resolver for Types {
    fn map_fd(&self, _: MapIndex) -> Option<i32> {
        None
    }

    fn kernel_object(&self, _: &ExternSpec) -> Option<KernelObject> {
        None
    }

    fn kernel_address(&self, _: &str) -> Option<u64> {
        None
    }

    fn kernel_types(&self) -> &[Arc<Btf>] {
        &self.0
    }
}

/// `struct thing { u64 before; u32 narrow; u8 wide; s64 is_signed; }`
fn kernel() -> Types {
    let mut b = BtfBuilder::new();
    let byte = b.int("unsigned char", 1, IntEncoding::UNSIGNED);
    let word = b.int("unsigned int", 4, IntEncoding::UNSIGNED);
    let long = b.int("unsigned long", 8, IntEncoding::UNSIGNED);
    let signed = b.int("long", 8, IntEncoding::SIGNED);
    let members =
        [("before", long, 0, 0), ("narrow", word, 64, 0), ("wide", byte, 96, 0), ("is_signed", signed, 128, 0)];
    b.structure("thing", 24, &members);
    Types(vec![Arc::new(b.build().unwrap())])
}

fn link(object: &ObjectSpec, program: &str, kernel: &Types) -> Result<LinkedProgram, String> {
    object.program(program).unwrap().1.link(object, kernel).map_err(|e| e.to_string())
}

/// Opcode and offset of the instruction at the only CO-RE relocation.
fn relocated(object: &ObjectSpec, program: &str, kernel: &Types) -> (u8, i16) {
    let slot = object.program(program).unwrap().1.core_relocations[0].slot as usize;
    let insn = link(object, program, kernel).unwrap().insns[slot];
    (insn.opcode, insn.offset)
}

const LOAD_WORD: u8 = 0x61;
const LOAD_BYTE: u8 = 0x71;
const CALL: u8 = 0x85;

#[test]
fn loads_follow_the_field() {
    let Some(bytes) = common::compile("core/sizes.bpf.c") else { return };
    let (object, kernel) = (ObjectSpec::parse(&bytes).unwrap(), kernel());
    assert_eq!(relocated(&object, "widened", &kernel), (LOAD_WORD, 8));
    assert_eq!(relocated(&object, "shrunk", &kernel), (LOAD_BYTE, 12));
}

#[test]
fn a_missing_field_poisons_its_instruction() {
    let Some(bytes) = common::compile("core/sizes.bpf.c") else { return };
    let object = ObjectSpec::parse(&bytes).unwrap();
    let linked = link(&object, "missing", &kernel()).unwrap();
    let poisoned = &linked.poisoned[0];
    let insn = linked.insns[poisoned.slot as usize];
    assert_eq!((insn.opcode, insn.src, insn.imm), (CALL, 0, POISON_CORE));
    assert_eq!(poisoned.reason, "the kernel has nothing that matches 'thing', access 0:4 (field byte offset)");
}

#[test]
fn a_signed_field_of_another_size_is_refused() {
    let Some(bytes) = common::compile("core/sizes.bpf.c") else { return };
    let error = link(&ObjectSpec::parse(&bytes).unwrap(), "signed_of_another_size", &kernel()).unwrap_err();
    assert!(error.starts_with("program 'signed_of_another_size', instruction "), "{error}");
    assert!(error.contains("the field has another size in the kernel"), "{error}");
}

#[test]
fn without_kernel_types_the_error_says_so() {
    let Some(bytes) = common::compile("core/sizes.bpf.c") else { return };
    let error = link(&ObjectSpec::parse(&bytes).unwrap(), "widened", &Types(Vec::new())).unwrap_err();
    assert!(error.contains("there is no kernel BTF"), "{error}");
}
