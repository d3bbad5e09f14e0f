//! Names, numbers and places against the BTF of the running kernel.

use skep_btf::{Btf, Kind, Type, TypeId};
use skep_testing::skip;
use std::collections::BTreeMap;

/// The kernel's own BTF, and that of a Linux 6.18, whose UAPI it describes.
fn both() -> Option<(Btf, Btf)> {
    let own = super::btf().expect("valid BTF");
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let Ok(bytes) = std::fs::read("/sys/kernel/btf/vmlinux") else {
        skip("the kernel shows no BTF");
        return None;
    };
    if !release.starts_with("6.18.") {
        skip("the types are those of Linux 6.18, which this is not");
        return None;
    }
    Some((own, Btf::parse(&bytes).expect("the kernel's BTF")))
}

/// Every value of every enum, by name.
fn values(btf: &Btf) -> BTreeMap<&str, u64> {
    let mut values = BTreeMap::new();
    for (_, ty) in btf.types() {
        match ty {
            Type::Enum(e) if e.signed => {
                values.extend(e.values.iter().map(|v| (btf.str(v.name), v.value as i32 as u64)));
            }
            Type::Enum(e) => values.extend(e.values.iter().map(|v| (btf.str(v.name), v.value.into()))),
            Type::Enum64(e) => values.extend(e.values.iter().map(|v| (btf.str(v.name), v.value))),
            _ => {}
        }
    }
    values
}

#[test]
fn every_value_of_every_enum() {
    let Some((own, linux)) = both() else { return };
    let theirs = values(&linux);
    let ours = values(&own);
    assert!(ours.len() > 500, "{}", ours.len());
    for (name, value) in ours {
        assert_eq!(theirs.get(name), Some(&value), "{name}");
    }
}

#[test]
fn every_typedef() {
    let Some((own, linux)) = both() else { return };
    let mut compared = 0;
    for (id, ty) in own.types() {
        let Type::Typedef(typedef) = ty else { continue };
        let name = own.str(typedef.name);
        // Tracepoints are typedefs too, of pointers.
        if name.starts_with("btf_trace_") {
            continue;
        }
        let theirs = linux.find(Kind::Typedef, name).unwrap_or_else(|| panic!("Linux has no {name}"));
        assert_eq!(own.size_of(id), linux.size_of(theirs), "{name}");
        if let (Type::Int(a), Type::Int(b)) = (own.ty(own.resolve(id).0), linux.ty(linux.resolve(theirs).0)) {
            assert_eq!(a.encoding, b.encoding, "{name}");
        }
        compared += 1;
    }
    assert!(compared > 40);
}

/// Structs of which the kernel has instances: their places are its own.
const OWN_LAYOUT: &[&str] = &[
    "task_struct",
    "cred",
    "mm_struct",
    "ns_common",
    "pid_namespace",
    "mnt_namespace",
    "net",
    "nsproxy",
    "qstr",
    "dentry",
    "super_block",
    "inode",
    "vfsmount",
    "path",
    "file",
    "linux_binprm",
    "sock_common",
    "sock",
    "socket",
    "net_device",
    "sk_buff",
    // Its `sa_data` has no length since Linux 6.9, so that it stands for any.
    "sockaddr",
];

#[test]
fn every_field_that_packets_contexts_and_records_have() {
    let Some((own, linux)) = both() else { return };
    let mut compared = 0;
    for (id, ty) in own.types() {
        let Type::Struct(composite) = ty else { continue };
        let name = own.str(composite.name);
        if name.is_empty() || OWN_LAYOUT.contains(&name) {
            continue;
        }
        // Some are not in the BTF of every configuration.
        let Some(theirs) = linux.find(Kind::Struct, name) else { continue };
        assert_eq!(own.size_of(id), linux.size_of(theirs), "{name}");
        compared += compare((&own, id), (&linux, theirs), id);
    }
    assert!(compared > 300, "{compared}");
}

/// Compares the places in a struct of all members of `part`, the struct itself or an anonymous one in it, by name; gives
/// how many.
fn compare(ours: (&Btf, TypeId), theirs: (&Btf, TypeId), part: TypeId) -> usize {
    let ((own, id), (linux, other)) = (ours, theirs);
    let (Type::Struct(composite) | Type::Union(composite)) = own.ty(part) else { panic!("type {part:?} has members") };
    let mut compared = 0;
    for member in &composite.members {
        match own.str(member.name) {
            "" => compared += compare(ours, theirs, member.ty),
            name => {
                let what = format!("{name} of {:?}", own.str(own.ty(id).name()));
                let here = own.find_member(id, name).unwrap_or_else(|| panic!("{what}"));
                let there = linux.find_member(other, name).unwrap_or_else(|| panic!("Linux has no {what}"));
                assert_eq!(own.size_of(here.ty), linux.size_of(there.ty), "{what}");
                assert_eq!((here.bit_offset, here.bits), (there.bit_offset, there.bits), "{what}");
                compared += 1;
            }
        }
    }
    compared
}
