//! Typed and untyped maps in both kernels.

mod common;

use common::{PACKET, with_object};
use skep::{ElementFlags, Errno, Error, TestRun};
use std::collections::BTreeMap;
use zerocopy::{FromBytes, Immutable, IntoBytes};

fn errno<T: std::fmt::Debug>(result: Result<T, Error>) -> Errno {
    match result {
        Err(Error::Kernel(error)) => error.errno,
        other => panic!("expected a kernel's error, not {other:?}"),
    }
}

#[test]
fn typed_maps_hold_what_is_put_in() {
    with_object("library.bpf.c", |kernel, object| {
        let loaded = object.load(kernel).unwrap();
        let map = loaded.map("by_length").unwrap().typed::<u32, u64>().unwrap();
        assert_eq!(map.get(&1).unwrap(), None);
        map.insert(&1, &10).unwrap();
        map.insert(&1, &11).unwrap();
        assert_eq!(map.get(&1).unwrap(), Some(11));
        assert_eq!(errno(map.insert_with(&1, &12, ElementFlags::NOEXIST)), Errno::EEXIST);
        assert_eq!(errno(map.insert_with(&2, &12, ElementFlags::EXIST)), Errno::ENOENT);
        assert!(map.remove(&1).unwrap());
        assert!(!map.remove(&1).unwrap());

        for key in 0..64u32 {
            map.insert(&key, &u64::from(key * key)).unwrap();
        }
        assert_eq!(errno(map.insert(&64, &0)), Errno::E2BIG);
        let all: BTreeMap<u32, u64> = map.iter().collect::<Result<_, _>>().unwrap();
        assert_eq!(all, (0..64u32).map(|key| (key, u64::from(key * key))).collect());
    });
}

#[test]
fn deletion_during_iteration_ends_and_empties() {
    with_object("library.bpf.c", |kernel, object| {
        let loaded = object.load(kernel).unwrap();
        let map = loaded.map("by_length").unwrap().typed::<u32, u64>().unwrap();
        for key in 0..64u32 {
            map.insert(&(key * 7919), &1).unwrap();
        }
        let mut removed = 0;
        for key in map.keys() {
            removed += usize::from(map.remove(&key.unwrap()).unwrap());
        }
        assert_eq!(removed, 64);
        assert_eq!(map.iter().count(), 0);
    });
}

#[test]
fn wrong_types_are_refused_before_the_kernel_sees_them() {
    with_object("library.bpf.c", |kernel, object| {
        let loaded = object.load(kernel).unwrap();
        let map = loaded.map("by_length").unwrap();
        let text = map.typed::<u16, u64>().unwrap_err().to_string();
        assert_eq!(text, "map 'by_length' has keys of 4 bytes, not 2");
        assert!(map.typed::<u32, u32>().is_err());
        assert!(map.typed_per_cpu::<u32, u64>().unwrap_err().to_string().contains("no value per CPU"));
        assert!(matches!(map.lookup(&[1]), Err(Error::Size { what: "key", actual: 4, given: 1, .. })));
        assert!(matches!(map.update(&[0; 4], &[0; 9]), Err(Error::Size { what: "value", actual: 8, given: 9, .. })));
        let per_cpu = loaded.map("per_cpu").unwrap();
        assert!(per_cpu.typed::<u32, u32>().unwrap_err().to_string().contains("a value per CPU"));
        let too_few = per_cpu.typed_per_cpu::<u32, u32>().unwrap().insert(&0, &[]).unwrap_err();
        assert!(matches!(too_few, Error::Size { what: "value", given: 0, .. }), "{too_few}");
        // An array's elements are always there.
        assert_eq!(errno(loaded.map("inner_a").unwrap().delete(&[0; 4])), Errno::EINVAL);
    });
}

#[test]
fn per_cpu_values_are_one_per_possible_cpu() {
    #[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable)]
    #[repr(C)]
    struct Record {
        sequence: u64,
        square: u32,
        tail: u32,
    }

    with_object("library.bpf.c", |kernel, object| {
        let loaded = object.load(kernel).unwrap();
        let cpus = kernel.possible_cpus() as usize;
        let array = loaded.map("per_cpu").unwrap().typed_per_cpu::<u32, u32>().unwrap();
        let values: Vec<u32> = (0..cpus as u32).map(|cpu| 100 + cpu).collect();
        array.insert(&0, &values).unwrap();
        assert_eq!(array.get(&0).unwrap(), Some(values.clone()));
        loaded.program("count").unwrap().test_run(&TestRun::new().data(PACKET).repeat(10)).unwrap();
        let after = array.get(&0).unwrap().unwrap();
        assert_eq!(after.iter().sum::<u32>(), values.iter().sum::<u32>() + 10, "{after:?}");
        assert_eq!(array.get(&1).unwrap(), Some(vec![0; cpus]));
        assert_eq!(array.get(&2).unwrap(), None);

        let hash = loaded.map("per_cpu_hash").unwrap().typed_per_cpu::<u16, Record>().unwrap();
        let record = |cpu: usize| Record { sequence: cpu as u64, square: 4, tail: 5 };
        let records: Vec<Record> = (0..cpus).map(record).collect();
        hash.insert(&9, &records).unwrap();
        let entries: Vec<(u16, Vec<Record>)> = hash.iter().collect::<Result<_, _>>().unwrap();
        assert_eq!(entries, [(9, records)]);
        assert!(hash.remove(&9).unwrap());
        assert_eq!(hash.iter().count(), 0);
    });
}

#[test]
fn programs_and_user_space_see_the_same_elements() {
    with_object("library.bpf.c", |kernel, object| {
        let loaded = object.load(kernel).unwrap();
        let count = loaded.program("count").unwrap();
        for _ in 0..5 {
            count.test_run(&TestRun::new().data(PACKET)).unwrap();
        }
        let map = loaded.map("by_length").unwrap().typed::<u32, u64>().unwrap();
        let entries: Vec<(u32, u64)> = map.iter().collect::<Result<_, _>>().unwrap();
        let [(len, 5)] = entries[..] else { panic!("{entries:?}") };
        map.insert(&len, &40).unwrap();
        count.test_run(&TestRun::new().data(PACKET)).unwrap();
        assert_eq!(map.get(&len).unwrap(), Some(41));
    });
}

#[test]
fn constants_cannot_be_written() {
    with_object("library.bpf.c", |kernel, object| {
        let loaded = object.load(kernel).unwrap();
        let constants = loaded.map(".rodata").unwrap();
        let bytes = constants.lookup(&[0; 4]).unwrap().unwrap();
        assert_eq!(errno(constants.update(&[0; 4], &bytes)), Errno::EPERM);
    });
}

#[test]
fn sizes_can_be_changed_before_loading() {
    with_object("library.bpf.c", |kernel, mut object| {
        object.map_mut("by_length").unwrap().max_entries = 2;
        let loaded = object.load(kernel).unwrap();
        assert_eq!(loaded.map("by_length").unwrap().info().max_entries, 2);
        object.map_mut("by_length").unwrap().max_entries = 0;
        let error = object.load(kernel).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("create map 'by_length' (hash, 0 entries"), "{text}");
        assert!(text.contains("hash maps need at least 1"), "the reason is told: {text}");
        assert_eq!(errno::<()>(Err(error)), Errno::EINVAL);
    });
}
