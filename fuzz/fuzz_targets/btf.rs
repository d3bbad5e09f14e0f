//! Any bytes as BTF: what is read can be written, and reads back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_btf::Btf;

fuzz_target!(|bytes: &[u8]| {
    let Ok(btf) = Btf::parse(bytes) else { return };
    let _ = btf.validate();
    let written = btf.to_bytes(btf.endian()).expect("types that were read can be written");
    let again = Btf::parse(&written).expect("what we write, we read");
    assert!(btf.types().eq(again.types()), "the types changed on their way");
});
