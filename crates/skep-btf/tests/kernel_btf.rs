//! The BTF of the running kernel.

mod common;

use skep_btf::{Btf, Kind};

#[test]
fn kernel_btf_round_trips_and_obeys_the_rules() {
    let Some(bytes) = common::vmlinux() else { return };
    let start = std::time::Instant::now();
    let btf = Btf::parse(&bytes).unwrap();
    eprintln!("parsed {} types in {:?}", btf.type_count(), start.elapsed());
    btf.validate().unwrap();
    assert!(btf.to_bytes(btf.endian()).unwrap() == bytes, "written bytes differ from those read");
    let task = btf.find(Kind::Struct, "task_struct").unwrap();
    assert_eq!(btf.find_member(task, "pid").and_then(|f| btf.size_of(f.ty)), Some(4));
    eprintln!("all in {:?}", start.elapsed());
}

#[test]
fn kernel_btf_survives_the_other_byte_order() {
    let Some(bytes) = common::vmlinux() else { return };
    let btf = Btf::parse(&bytes).unwrap();
    let other = match btf.endian() {
        skep_btf::Endian::Little => skep_btf::Endian::Big,
        skep_btf::Endian::Big => skep_btf::Endian::Little,
    };
    let swapped = Btf::parse(&btf.to_bytes(other).unwrap()).unwrap();
    assert_eq!(swapped.endian(), other);
    assert!(swapped.to_bytes(btf.endian()).unwrap() == bytes);
}
