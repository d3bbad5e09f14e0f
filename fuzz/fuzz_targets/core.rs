//! A BTF.ext and a BTF of any bytes: CO-RE relocations with hostile access strings are resolved or refused.
//!
//! The input is the length of the BTF.ext (two bytes, little-endian), the BTF.ext, the BTF.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_btf::core_relocation::Resolver;
use skep_btf::{Btf, BtfExt, CoreRelocation, RelocationKind, StringOffset};

fuzz_target!(|bytes: &[u8]| {
    let Some((len, rest)) = bytes.split_first_chunk() else { return };
    let (ext, btf) = rest.split_at(rest.len().min(u16::from_le_bytes(*len).into()));
    let Ok(btf) = Btf::parse(btf) else { return };
    let targets = [&btf];
    let resolver = Resolver::new(&btf, &targets);
    if let Ok(ext) = BtfExt::parse(ext, &btf) {
        let written = ext.to_bytes(btf.endian()).expect("what was read can be written");
        assert!(BtfExt::parse(&written, &btf).is_ok_and(|again| again == ext), "BTF.ext changed on its way");
        for relocation in ext.relocations.iter().flat_map(|group| &group.records) {
            let _ = resolver.resolve(relocation);
        }
    }
    // Strings that were not meant as paths, into types that were not meant to have any.
    for (number, (type_id, _)) in btf.types().take(40).enumerate() {
        let access_spec = StringOffset(u32::from(bytes[number % bytes.len()]));
        for kind in RelocationKind::ALL {
            let _ = resolver.resolve(&CoreRelocation { insn_offset: 0, type_id, access_spec, kind });
        }
    }
});
