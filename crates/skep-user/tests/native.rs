//! Maps for native code: it sees what the commands see, and the other way round.

use skep_abi::command::{ElementFlags, MapCreate};
use skep_abi::errno::Errno;
use skep_abi::map_type::MapType;
use skep_kernel::{Kernel, calls};
use skep_user::{Config, UserKernel};
use std::sync::Arc;

#[test]
fn native_code_and_commands_see_the_same_elements() {
    let user = UserKernel::new(Config::default());
    let kernel: Arc<dyn Kernel> = user.clone();
    let map_type = MapType::Hash.number();
    let create = MapCreate { map_type, key_size: 4, value_size: 8, max_entries: 4, ..Default::default() };
    let handle = calls::map_create(&kernel, create).expect("map");
    let map = user.native_map(handle.fd()).expect("a map");
    let any = ElementFlags::empty();
    calls::map_update_elem(&*kernel, handle.fd(), &[1, 0, 0, 0], &[7; 8], any).expect("room");

    let run = user.enter(None);
    let value = run.lookup(&map, &[1, 0, 0, 0]).expect("the element");
    // SAFETY: the address of a value of eight bytes, good until the run ends.
    assert_eq!(unsafe { value.cast::<[u8; 8]>().read() }, [7; 8]);
    assert!(run.lookup(&map, &[2, 0, 0, 0]).is_none());
    run.update(&map, &[2, 0, 0, 0], &[9; 8], 0).expect("room");
    run.delete(&map, &[1, 0, 0, 0]).expect("it is there");
    // SAFETY: as above: deleting did not end the run.
    assert_eq!(unsafe { value.cast::<[u8; 8]>().read() }, [7; 8]);
    drop(run);

    let mut found = [0; 8];
    calls::map_lookup_elem(&*kernel, handle.fd(), &[2, 0, 0, 0], &mut found, any).expect("the element");
    assert_eq!(found, [9; 8]);
    let gone = calls::map_lookup_elem(&*kernel, handle.fd(), &[1, 0, 0, 0], &mut found, any);
    assert_eq!(gone.map(|_| ()), Err(Errno::ENOENT));
}

#[test]
fn wrong_sizes_and_foreign_maps_are_errors() {
    let user = UserKernel::new(Config::default());
    let kernel: Arc<dyn Kernel> = user.clone();
    let map_type = MapType::Array.number();
    let create = MapCreate { map_type, key_size: 4, value_size: 8, max_entries: 4, ..Default::default() };
    let handle = calls::map_create(&kernel, create).expect("map");
    let map = user.native_map(handle.fd()).expect("a map");
    assert!(user.enter(None).lookup(&map, &[0; 3]).is_none());
    assert_eq!(user.enter(None).update(&map, &[0; 4], &[0; 7], 0), Err(Errno::EINVAL));
    let other = UserKernel::new(Config::default());
    assert!(other.enter(None).lookup(&map, &[0; 4]).is_none());
    assert_eq!(other.enter(None).delete(&map, &[0; 4]), Err(Errno::EINVAL));
    assert_eq!(user.native_map(-1).map(|_| ()), Err(Errno::EBADF));
}
