//! Any bytes as an ELF object: read it, then link each of its programs against a kernel that has everything it asks for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_btf::{Btf, TypeId};
use skep_object::{ExternSpec, KernelObject, MapIndex, ObjectSpec, Resolver};
use std::sync::Arc;

/// A kernel whose types are the object's own.
struct Anything(Vec<Arc<Btf>>);

impl Resolver for Anything {
    fn map_fd(&self, map: MapIndex) -> Option<i32> {
        i32::try_from(map.0).ok()
    }

    fn kernel_object(&self, _: &ExternSpec) -> Option<KernelObject> {
        Some(KernelObject { id: TypeId(1), btf_fd: 0, fd_array_index: 0 })
    }

    fn kernel_address(&self, _: &str) -> Option<u64> {
        Some(0xffff_ffff_8000_0000)
    }

    fn kernel_types(&self) -> &[Arc<Btf>] {
        &self.0
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(object) = ObjectSpec::parse(bytes) else { return };
    let kernel = Anything(object.btf.iter().cloned().collect());
    for program in &object.programs {
        for map in program.maps() {
            assert!(object.maps.get(map.0 as usize).is_some(), "a program refers to a map that is not there");
        }
        if let Ok(linked) = program.link(&object, &kernel) {
            assert_eq!(linked.insns.len(), program.insns.len(), "linking only patches");
        }
    }
});
