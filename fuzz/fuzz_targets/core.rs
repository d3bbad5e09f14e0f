//! Two BTFs and a BTF.ext of any bytes: CO-RE relocations with hostile access strings are resolved or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_btf::core_relocation::Resolver;
use skep_btf::{Btf, BtfExt, CoreRelocation, RelocationKind};

fuzz_target!(|input: (&[u8], &[u8], Vec<(u32, u32)>, &[u8])| {
    let (target, ext, relocations, local) = input;
    let Ok(local) = Btf::parse(local) else { return };
    let target = Btf::parse(target).unwrap_or_else(|_| local.clone());
    if let Ok(ext) = BtfExt::parse(ext, &local) {
        let written = ext.to_bytes(local.endian()).expect("what was read can be written");
        assert!(BtfExt::parse(&written, &local).is_ok_and(|again| again == ext), "BTF.ext changed on its way");
    }
    let targets = [&target, &local];
    let resolver = Resolver::new(&local, &targets);
    for (type_id, string) in relocations.iter().take(50) {
        for kind in RelocationKind::ALL {
            let type_id = skep_btf::TypeId(type_id % local.type_count().max(1));
            let access_spec = skep_btf::StringOffset(string % 4096);
            let _ = resolver.resolve(&CoreRelocation { insn_offset: 0, type_id, access_spec, kind });
        }
    }
});
