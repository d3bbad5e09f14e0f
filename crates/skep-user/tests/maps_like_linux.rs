//! Maps answer as Linux's do: the same calls on both kernels, the same results, errno by errno.

mod support;

use skep_abi::command::{
    ElementFlags, MapCreate, MapDeleteBatch, MapFreeze, MapLookupAndDeleteBatch, MapLookupAndDeleteElem,
    MapLookupBatch, MapUpdateBatch, ObjectName, Reply,
};
use skep_abi::map_type::{MapFlags, MapType};
use skep_kernel::{Errno, Handle, Kernel, calls};
use skep_user::{Config, UserKernel};
use std::sync::Arc;
use support::{linux, user_like};

/// Creates a map; sizes are key, value, entries.
fn create(
    kernel: &Arc<dyn Kernel>,
    map_type: u32,
    (key_size, value_size, max_entries): (u32, u32, u32),
    map_flags: MapFlags,
    inner_map_fd: i32,
) -> Result<Handle, Errno> {
    let command = MapCreate {
        map_type,
        key_size,
        value_size,
        max_entries,
        map_flags,
        inner_map_fd,
        map_name: ObjectName::lossy("compare"),
        ..Default::default()
    };
    calls::map_create(kernel, command)
}

/// Types whose creation is compared: those of this kernel.
const TYPES: &[MapType] = &[
    MapType::Hash,
    MapType::Array,
    MapType::ProgArray,
    MapType::PerfEventArray,
    MapType::PerCpuHash,
    MapType::PerCpuArray,
    MapType::StackTrace,
    MapType::LruHash,
    MapType::LruPerCpuHash,
    MapType::LpmTrie,
    MapType::Devmap,
    MapType::Cpumap,
    MapType::Queue,
    MapType::Stack,
    MapType::DevmapHash,
    MapType::Ringbuf,
    MapType::BloomFilter,
];

#[test]
fn creation() {
    let Some(linux) = linux("creation") else { return };
    let user = user_like(&linux);
    let sizes = [0, 1, 4, 5, 8, 16, 260, 261, 32768, 32769, 1 << 22, u32::MAX];
    let entries = [0, 1, 3, 4096, 12288];
    let flags: Vec<MapFlags> = std::iter::once(MapFlags::empty()).chain(MapFlags::all().iter()).collect();
    let mut differences = Vec::new();
    let mut compare = |map_type: MapType, sizes: (u32, u32, u32), flags: MapFlags| {
        // Descriptors and numbers of other things are not what is compared.
        let other = MapFlags::VTYPE_BTF_OBJ_FD | MapFlags::TOKEN_FD | MapFlags::PATH_FD | MapFlags::NUMA_NODE;
        if flags.intersects(other) {
            return;
        }
        // How much memory there is differs from machine to machine.
        let bytes = (u64::from(sizes.0) + u64::from(sizes.1)) * u64::from(sizes.2);
        if sizes.1 < 1 << 31 && bytes > 1 << 24 {
            return;
        }
        let result = |kernel| create(kernel, map_type.number(), sizes, flags, 0).map(drop);
        let (ours, theirs) = (result(&user), result(&linux));
        if ours != theirs && differences.len() < 40 {
            differences.push(format!("{map_type:?} {sizes:?} {flags:?}: {ours:?}, Linux {theirs:?}"));
        }
    };
    for map_type in TYPES {
        for key in sizes {
            for value in sizes {
                for entries in entries {
                    compare(*map_type, (key, value, entries), required(*map_type));
                }
            }
        }
        for flags in &flags {
            compare(*map_type, usual_sizes(*map_type), *flags | required(*map_type));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn required(map_type: MapType) -> MapFlags {
    if map_type == MapType::LpmTrie { MapFlags::NO_PREALLOC } else { MapFlags::empty() }
}

fn usual_sizes(map_type: MapType) -> (u32, u32, u32) {
    match map_type {
        MapType::Ringbuf => (0, 0, 4096),
        MapType::Queue | MapType::Stack | MapType::BloomFilter => (0, 8, 8),
        MapType::LpmTrie => (8, 8, 8),
        MapType::ProgArray | MapType::PerfEventArray | MapType::Devmap | MapType::Cpumap | MapType::DevmapHash => {
            (4, 4, 8)
        }
        _ => (4, 8, 8),
    }
}

/// Reproducible numbers.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % limit
    }
}

/// One step on a map.
#[derive(Clone, Debug)]
enum Step {
    Lookup(Vec<u8>, u64),
    Update(Vec<u8>, Vec<u8>, u64),
    Delete(Vec<u8>),
    Take(Vec<u8>, u64),
    /// All keys by `next_key`, sorted: the order is each kernel's own.
    Keys,
    NextOf(Vec<u8>),
}

fn key_of(map_type: MapType, number: u64) -> Vec<u8> {
    match map_type {
        MapType::Queue | MapType::Stack | MapType::BloomFilter => Vec::new(),
        MapType::LpmTrie => {
            let bits = [0u32, 7, 8, 16, 24, 32, 33][number as usize % 7];
            let mut key = bits.to_ne_bytes().to_vec();
            key.extend_from_slice(&[10, (number / 7) as u8 & 1, (number / 14) as u8 & 3, (number % 5) as u8]);
            key
        }
        _ => (number as u32).to_ne_bytes().to_vec(),
    }
}

fn random_step(map_type: MapType, value_size: usize, numbers: &mut Numbers) -> Step {
    let key = key_of(map_type, numbers.below(12));
    let flags = [0, 0, 0, 1, 2, 3, 4, 8, u64::MAX][numbers.below(9) as usize];
    let fill = numbers.below(4) as u8;
    match numbers.below(10) {
        0..=2 => Step::Lookup(key, if numbers.below(4) == 0 { flags } else { 0 }),
        3..=6 => Step::Update(key, vec![fill; value_size], flags),
        7 => Step::Delete(key),
        8 => Step::Take(key, if numbers.below(4) == 0 { flags } else { 0 }),
        _ if numbers.below(2) == 0 => Step::NextOf(key),
        _ => Step::Keys,
    }
}

fn carry_out(kernel: &dyn Kernel, map: i32, step: &Step, value_size: usize, by_index: bool) -> String {
    let mut value = vec![0xee; value_size];
    let flags = ElementFlags::from_bits_retain;
    match step {
        Step::Lookup(key, bits) => {
            // A bloom filter is asked with the value.
            if key.is_empty() {
                value.fill(1);
            }
            let result = calls::map_lookup_elem(kernel, map, key, &mut value, flags(*bits));
            format!("{result:?} {:?}", result.is_ok().then_some(value))
        }
        Step::Update(key, value, bits) => {
            format!("{:?}", calls::map_update_elem(kernel, map, key, value, flags(*bits)))
        }
        Step::Delete(key) => format!("{:?}", calls::map_delete_elem(kernel, map, key)),
        Step::Take(key, bits) => {
            let command = MapLookupAndDeleteElem { map_fd: map, key, value: &mut value, flags: flags(*bits) };
            let result = kernel.bpf(command.into()).map_err(Errno::from);
            format!("{result:?} {:?}", result.is_ok().then_some(value))
        }
        Step::NextOf(key) => {
            let mut next = vec![0; key.len()];
            let result = calls::map_next_key(kernel, map, Some(key), &mut next);
            if by_index { format!("{result:?} {next:?}") } else { format!("{:?}", result.is_err()) }
        }
        Step::Keys => {
            let mut keys: Vec<Vec<u8>> = Vec::new();
            let mut next = vec![0; 8];
            let end = loop {
                let result = calls::map_next_key(kernel, map, keys.last().map(Vec::as_slice), &mut next);
                match result {
                    Ok(true) if keys.len() < 100 => keys.push(next.clone()),
                    other => break other,
                }
            };
            keys.sort();
            format!("{end:?} {keys:?}")
        }
    }
}

#[test]
fn random_operations() {
    let Some(linux) = linux("random operations") else { return };
    let user = user_like(&linux);
    let cpus = linux.possible_cpus() as usize;
    for map_type in [
        MapType::Hash,
        MapType::Array,
        MapType::PerCpuHash,
        MapType::PerCpuArray,
        MapType::LpmTrie,
        MapType::Queue,
        MapType::Stack,
        MapType::BloomFilter,
        MapType::ProgArray,
        MapType::PerfEventArray,
        MapType::StackTrace,
        MapType::Ringbuf,
        MapType::Devmap,
    ] {
        for seed in 0..8 {
            let sizes = usual_sizes(map_type);
            let per_cpu = matches!(map_type, MapType::PerCpuHash | MapType::PerCpuArray);
            let value_size = if per_cpu { 8 * cpus } else { sizes.1 as usize };
            let by_index = matches!(map_type, MapType::Array | MapType::PerCpuArray | MapType::ProgArray);
            let ours = create(&user, map_type.number(), sizes, required(map_type), 0).expect("map");
            let theirs = create(&linux, map_type.number(), sizes, required(map_type), 0).expect("map");
            let mut numbers = Numbers(seed);
            let mut history = Vec::new();
            for _ in 0..400 {
                let mut step = random_step(map_type, value_size, &mut numbers);
                if let (Step::Update(_, value, _), true) = (&mut step, is_of_descriptors(map_type)) {
                    // No such descriptor, and no such device but "none".
                    value[..4].copy_from_slice(&if map_type == MapType::Devmap { 0 } else { 999i32 }.to_ne_bytes());
                }
                history.push(step.clone());
                let a = carry_out(&*user, ours.fd(), &step, value_size, by_index);
                let b = carry_out(&*linux, theirs.fd(), &step, value_size, by_index);
                // A bloom filter may take a value for another.
                let unsure = map_type == MapType::BloomFilter && matches!(step, Step::Lookup(..));
                if unsure && (a.starts_with("Ok") || b.starts_with("Ok")) {
                    continue;
                }
                let recent = &history[history.len().saturating_sub(6)..];
                assert_eq!(a, b, "{map_type:?}, seed {seed}: ours, Linux's; after {recent:#?}");
            }
        }
    }
}

fn is_of_descriptors(map_type: MapType) -> bool {
    matches!(map_type, MapType::ProgArray | MapType::PerfEventArray | MapType::Devmap)
}

/// Runs a check on our kernel, and on Linux where that can be used.
fn on_both(test: &str, check: impl Fn(&Arc<dyn Kernel>)) {
    let user: Arc<dyn Kernel> = UserKernel::new(Config { cpus: Some(4), ..Config::default() });
    check(&user);
    if let Some(linux) = linux(test) {
        check(&linux);
    }
}

const ANY: ElementFlags = ElementFlags::empty();

#[test]
fn frozen_maps_take_no_writes_from_user_space() {
    on_both("frozen maps", |kernel| {
        let map = create(kernel, 2, (4, 8, 2), MapFlags::RDONLY_PROG, 0).expect("map");
        calls::map_update_elem(&**kernel, map.fd(), &0u32.to_ne_bytes(), &[1; 8], ANY).expect("before");
        kernel.bpf(MapFreeze { map_fd: map.fd() }.into()).expect("freeze");
        let again = kernel.bpf(MapFreeze { map_fd: map.fd() }.into()).map_err(Errno::from);
        assert_eq!(again, Err(Errno::EPERM));
        let after = calls::map_update_elem(&**kernel, map.fd(), &0u32.to_ne_bytes(), &[2; 8], ANY);
        assert_eq!(after, Err(Errno::EPERM));
        let mut value = [0; 8];
        calls::map_lookup_elem(&**kernel, map.fd(), &0u32.to_ne_bytes(), &mut value, ANY).expect("reading goes on");
        assert_eq!(value, [1; 8]);
    });
}

#[test]
fn descriptors_may_be_read_only_or_write_only() {
    on_both("access of descriptors", |kernel| {
        let mut value = [0; 8];
        let key = 0u32.to_ne_bytes();
        let map = create(kernel, 2, (4, 8, 2), MapFlags::RDONLY, 0).expect("map");
        assert_eq!(calls::map_update_elem(&**kernel, map.fd(), &key, &value, ANY), Err(Errno::EPERM));
        let map = create(kernel, 2, (4, 8, 2), MapFlags::WRONLY, 0).expect("map");
        assert_eq!(calls::map_lookup_elem(&**kernel, map.fd(), &key, &mut value, ANY), Err(Errno::EPERM));
    });
}

#[test]
fn maps_of_maps_take_maps_like_their_pattern() {
    on_both("maps of maps", |kernel| {
        let array = |entries| create(kernel, 2, (4, 8, entries), MapFlags::empty(), 0).expect("map");
        let (pattern, same, longer) = (array(2), array(2), array(3));
        let hash = create(kernel, 1, (4, 8, 2), MapFlags::empty(), 0).expect("map");
        for outer in [12, 13] {
            let maps = create(kernel, outer, (4, 4, 2), MapFlags::empty(), pattern.fd()).expect("outer map");
            let put =
                |fd: i32| calls::map_update_elem(&**kernel, maps.fd(), &1u32.to_ne_bytes(), &fd.to_ne_bytes(), ANY);
            assert_eq!(put(same.fd()), Ok(()));
            assert_eq!(put(longer.fd()), Err(Errno::EINVAL));
            assert_eq!(put(hash.fd()), Err(Errno::EINVAL));
            assert_eq!(put(12345), Err(Errno::EBADF));
            let mut value = [0; 4];
            calls::map_lookup_elem(&**kernel, maps.fd(), &1u32.to_ne_bytes(), &mut value, ANY).expect("there");
            let id = calls::map_info(&**kernel, same.fd()).expect("info").id;
            assert_eq!(u32::from_ne_bytes(value), id);
            calls::map_delete_elem(&**kernel, maps.fd(), &1u32.to_ne_bytes()).expect("delete");
            let gone = calls::map_lookup_elem(&**kernel, maps.fd(), &1u32.to_ne_bytes(), &mut value, ANY);
            assert_eq!(gone, Err(Errno::ENOENT));
            assert_eq!(create(kernel, outer, (4, 4, 2), MapFlags::empty(), maps.fd()).map(drop), Err(Errno::EINVAL));
            assert_eq!(create(kernel, outer, (4, 4, 2), MapFlags::empty(), 12345).map(drop), Err(Errno::EBADF));
        }
    });
}

#[test]
fn batches() {
    on_both("batches", |kernel| {
        let map = create(kernel, 1, (4, 8, 100), MapFlags::empty(), 0).expect("map");
        let keys: Vec<u8> = (0..50u32).flat_map(u32::to_ne_bytes).collect();
        let values: Vec<u8> = (100..150u64).flat_map(u64::to_ne_bytes).collect();
        let (map_fd, count) = (map.fd(), 50);
        let update = MapUpdateBatch { keys: &keys, values: &values, count, map_fd, ..Default::default() };
        assert_eq!(kernel.bpf(update.into()), Ok(Reply::Count(50)));

        let (mut out_keys, mut out_values, mut position) = (vec![0; 400], vec![0; 800], vec![0; 4]);
        let all = MapLookupBatch {
            out_batch: &mut position,
            keys: &mut out_keys,
            values: &mut out_values,
            count: 100,
            map_fd,
            ..Default::default()
        };
        let end = kernel.bpf(all.into()).expect_err("the end is told by an errno");
        assert_eq!((end.errno, end.reply), (Errno::ENOENT, Reply::Count(50)));
        let mut pairs: Vec<(u32, u64)> = out_keys
            .chunks(4)
            .zip(out_values.chunks(8))
            .take(50)
            .map(|(k, v)| (u32::from_ne_bytes(k.try_into().expect("4")), u64::from_ne_bytes(v.try_into().expect("8"))))
            .collect();
        pairs.sort_unstable();
        assert!(pairs.iter().enumerate().all(|(i, (k, v))| (*k, *v) == (i as u32, i as u64 + 100)));

        let delete = MapDeleteBatch { keys: &keys[..40], count: 10, map_fd, ..Default::default() };
        assert_eq!(kernel.bpf(delete.into()), Ok(Reply::Count(10)));
        let again = MapDeleteBatch { keys: &keys[..40], count: 10, map_fd, ..Default::default() };
        let missing = kernel.bpf(again.into()).expect_err("gone");
        assert_eq!((missing.errno, missing.reply), (Errno::ENOENT, Reply::Count(0)));

        let take = MapLookupAndDeleteBatch {
            out_batch: &mut position,
            keys: &mut out_keys,
            values: &mut out_values,
            count: 100,
            map_fd,
            ..Default::default()
        };
        let end = kernel.bpf(take.into()).expect_err("the end is told by an errno");
        assert_eq!((end.errno, end.reply), (Errno::ENOENT, Reply::Count(40)));
        let mut next = [0; 4];
        assert_eq!(calls::map_next_key(&**kernel, map_fd, None, &mut next), Ok(false));
    });
}

#[test]
fn an_evicting_map_never_refuses_and_keeps_its_size() {
    on_both("LRU", |kernel| {
        let entries = 1024;
        let map = create(kernel, 9, (4, 8, entries), MapFlags::empty(), 0).expect("map");
        for key in 0..5 * entries {
            calls::map_update_elem(&**kernel, map.fd(), &key.to_ne_bytes(), &[1; 8], ANY).expect("room is made");
        }
        let mut count = 0;
        let (mut key, mut next) = (None::<[u8; 4]>, [0; 4]);
        while calls::map_next_key(&**kernel, map.fd(), key.as_ref().map(|k| &k[..]), &mut next) == Ok(true) {
            key = Some(next);
            count += 1;
        }
        assert!(count > entries / 2 && count <= entries, "{count} of {entries}");
        let newest = calls::map_lookup_elem(&**kernel, map.fd(), &(5 * entries - 1).to_ne_bytes(), &mut [0; 8], ANY);
        assert_eq!(newest, Ok(()));
    });
}
