//! Any bytes as an ELF object: read it, then link each of its programs against a kernel that has nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_object::ObjectSpec;

fuzz_target!(|bytes: &[u8]| {
    let Ok(object) = ObjectSpec::parse(bytes) else { return };
    for program in &object.programs {
        for map in program.maps() {
            assert!(object.maps.get(map.0 as usize).is_some(), "a program refers to a map that is not there");
        }
    }
});
