//! Any bytes as BTF: what is read can be written, and reads back the same. All that can be done with it ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_btf::{Btf, CDumpOptions, format};

fuzz_target!(|bytes: &[u8]| {
    let Ok(btf) = Btf::parse(bytes) else { return };
    let written = btf.to_bytes(btf.endian()).expect("types that were read can be written");
    let again = Btf::parse(&written).expect("what we write, we read");
    assert!(btf.types().eq(again.types()), "the types changed on their way");
    if btf.validate().is_ok()
        && let Ok(deduped) = btf.dedup()
    {
        deduped.btf.validate().expect("valid types stay valid without their duplicates");
    }
    let _ = btf.dump_c(&CDumpOptions::default());
    btf.dump_raw(&mut String::new()).expect("a string takes everything");
    for (id, _) in btf.types().take(100) {
        let _ = (btf.size_of(id), btf.align_of(id), btf.members(id).take(100).count(), btf.field_at(id, 3));
        let _ = (format::to_json(&btf, id, &bytes[..bytes.len().min(64)]), format::to_text(&btf, id, bytes));
    }
});
