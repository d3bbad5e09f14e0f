//! Which structs of a program's BTF make sense as objects, with the error numbers that Linux 6.18 gives for the others.

use skep_btf::{Btf, BtfBuilder, IntEncoding, TypeId};
use skep_verifier::check_object_types;

const EINVAL: i32 = 22;
const E2BIG: i32 = 7;
const ELOOP: i32 = 40;
const ENOENT: i32 = 2;

/// Special structs with their sizes, as members of a struct one after another, each of a size that is a multiple of 8.
struct Types {
    builder: BtfBuilder,
    byte: TypeId,
}

impl Types {
    fn new() -> Types {
        let mut builder = BtfBuilder::new();
        let byte = builder.int("char", 1, IntEncoding(0));
        Types { builder, byte }
    }

    fn special(&mut self, name: &str, size: u32) -> TypeId {
        let bytes = self.builder.array(self.byte, self.byte, size);
        self.builder.structure(name, size, &[("opaque", bytes, 0, 0)])
    }

    /// A struct whose members are 32 bytes apart.
    fn structure(&mut self, name: &str, members: &[(&str, TypeId)]) -> TypeId {
        let members: Vec<(&str, TypeId, u32, u8)> =
            (0_u32..).zip(members).map(|(index, (name, ty))| (*name, *ty, index * 256, 0)).collect();
        self.builder.structure(name, 32 * members.len() as u32, &members)
    }

    fn pointer(&mut self, tag: &str, target: TypeId) -> TypeId {
        let tagged = self.builder.type_tag(tag, target);
        self.builder.pointer(tagged)
    }

    fn errno(self) -> Option<i32> {
        let btf = self.builder.build().expect("types that fit together");
        check_object_types(&btf, None).err().map(|problem| problem.errno)
    }
}

#[test]
fn no_types() {
    let btf = Btf::parse(&BtfBuilder::new().build().unwrap().to_bytes(skep_btf::Endian::Little).unwrap()).unwrap();
    assert_eq!(check_object_types(&btf, None), Ok(()));
}

#[test]
fn one_lock() {
    let mut types = Types::new();
    let lock = types.special("bpf_spin_lock", 4);
    types.structure("guarded", &[("lock", lock)]);
    assert_eq!(types.errno(), None);
}

#[test]
fn two_locks() {
    let mut types = Types::new();
    let lock = types.special("bpf_spin_lock", 4);
    types.structure("guarded", &[("lock", lock), ("other", lock)]);
    assert_eq!(types.errno(), Some(E2BIG));

    let mut types = Types::new();
    let (lock, resilient) = (types.special("bpf_spin_lock", 4), types.special("bpf_res_spin_lock", 4));
    types.structure("guarded", &[("lock", lock), ("other", resilient)]);
    assert_eq!(types.errno(), Some(EINVAL));
}

/// Only a struct's own members make its objects special: what is in structs within it is data then.
#[test]
fn locks_within_structs() {
    let mut types = Types::new();
    let lock = types.special("bpf_spin_lock", 4);
    let inner = types.structure("inner", &[("lock", lock)]);
    types.structure("outer", &[("a", inner), ("b", inner)]);
    assert_eq!(types.errno(), None);

    let mut types = Types::new();
    let lock = types.special("bpf_spin_lock", 4);
    let inner = types.structure("inner", &[("lock", lock)]);
    types.structure("outer", &[("a", inner), ("b", lock)]);
    assert_eq!(types.errno(), Some(E2BIG));
}

#[test]
fn list_and_its_members() {
    for (tag, expected) in [
        (Some("contains:member:node"), None),
        (Some("contains:member:value"), Some(EINVAL)),
        (Some("contains:member:nothing"), Some(ENOENT)),
        (Some("contains:nothing:node"), Some(ENOENT)),
        (Some("contains:member"), Some(EINVAL)),
        (None, Some(EINVAL)),
    ] {
        let mut types = Types::new();
        let (lock, head, node) =
            (types.special("bpf_spin_lock", 4), types.special("bpf_list_head", 16), types.special("bpf_list_node", 24));
        let byte = types.byte;
        types.structure("member", &[("node", node), ("value", byte)]);
        let list = types.structure("list", &[("lock", lock), ("head", head)]);
        if let Some(tag) = tag {
            types.builder.decl_tag(tag, list, Some(1));
        }
        assert_eq!(types.errno(), expected, "{tag:?}");
    }
}

#[test]
fn list_without_a_lock() {
    let mut types = Types::new();
    let (head, node) = (types.special("bpf_list_head", 16), types.special("bpf_list_node", 24));
    types.structure("member", &[("node", node)]);
    let list = types.structure("list", &[("head", head)]);
    types.builder.decl_tag("contains:member:node", list, Some(0));
    assert_eq!(types.errno(), Some(EINVAL));
}

#[test]
fn object_that_could_own_itself() {
    let mut types = Types::new();
    let (lock, head, node) =
        (types.special("bpf_spin_lock", 4), types.special("bpf_list_head", 16), types.special("bpf_list_node", 24));
    let own = types.structure("own", &[("lock", lock), ("node", node), ("head", head)]);
    types.builder.decl_tag("contains:own:node", own, Some(2));
    assert_eq!(types.errno(), Some(ELOOP));
}

/// Both at once are two owners: only an object that counts them knows when it is free.
#[test]
fn in_a_list_and_in_a_tree() {
    for counted in [false, true] {
        let mut types = Types::new();
        let (in_list, in_tree) = (types.special("bpf_list_node", 24), types.special("bpf_rb_node", 32));
        let count = types.special("bpf_refcount", 4);
        let mut members = vec![("a", in_list), ("b", in_tree)];
        if counted {
            members.push(("count", count));
        }
        types.structure("shared", &members);
        assert_eq!(types.errno(), (!counted).then_some(EINVAL));
    }
}

#[test]
fn tagged_pointers() {
    let mut types = Types::new();
    let byte = types.byte;
    let point = types.structure("point", &[("x", byte)]);
    let (kept, strange) = (types.pointer("kptr", point), types.pointer("strange", point));
    types.structure("keeps", &[("pointer", kept)]);
    types.structure("does_not_count", &[("pointer", strange)]);
    assert_eq!(types.errno(), None);

    let mut types = Types::new();
    let byte = types.byte;
    let point = types.structure("point", &[("x", byte)]);
    let strange = types.pointer("strange", point);
    let lock = types.special("bpf_spin_lock", 4);
    types.structure("guarded", &[("lock", lock), ("pointer", strange)]);
    assert_eq!(types.errno(), Some(EINVAL));
}

/// Structs that hold the next one twice, twenty deep: an answer, and soon.
#[test]
fn structs_that_multiply() {
    let mut types = Types::new();
    let lock = types.special("bpf_spin_lock", 4);
    let byte = types.byte;
    let mut inner = types.structure("s", &[("x", byte)]);
    for _ in 0..20 {
        inner = types.structure("s", &[("a", inner), ("b", inner)]);
    }
    types.structure("guarded", &[("lock", lock), ("rest", inner)]);
    assert_eq!(types.errno(), Some(E2BIG));
}
