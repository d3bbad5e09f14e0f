//! Random maps and random commands on them: both kernels answer the same, errno by errno.
//!
//! `SKEP_RANDOM_MAPS=10000` asks for that many maps, `SKEP_RANDOM_SEED=7` for others than the usual ones.
//!
//! What Linux leaves open is not compared: the order of a hash, and which element an LRU map gives up.

mod support;

use skep_abi::command::{
    ElementFlags, MapCreate, MapDeleteBatch, MapFreeze, MapLookupAndDeleteBatch, MapLookupAndDeleteElem,
    MapLookupBatch, MapUpdateBatch,
};
use skep_abi::map_type::{MapFlags, MapType};
use skep_kernel::{Errno, Failure, Handle, Kernel, Reply, calls};
use std::collections::BTreeMap;
use std::sync::Arc;
use support::{linux, user_like};

/// Reproducible numbers (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 33) as usize % limit
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

use MapType::{
    Array, BloomFilter, Cpumap, Devmap, DevmapHash, Hash, LpmTrie, LruHash, LruPerCpuHash, PerCpuArray, PerCpuHash,
    PerfEventArray, ProgArray, Queue, Ringbuf, Stack, StackTrace,
};

const TYPES: &[MapType] = &[
    Hash,
    Hash,
    Array,
    Array,
    PerCpuHash,
    PerCpuArray,
    LruHash,
    LruPerCpuHash,
    LpmTrie,
    LpmTrie,
    Queue,
    Stack,
    BloomFilter,
    StackTrace,
    Ringbuf,
    ProgArray,
    PerfEventArray,
    Devmap,
    DevmapHash,
    Cpumap,
];

/// The shape of a map.
#[derive(Clone, Copy, Debug)]
struct Shape {
    map_type: MapType,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: MapFlags,
    extra: u64,
}

impl Shape {
    fn random(numbers: &mut Numbers) -> Shape {
        let map_type = numbers.one_of(TYPES);
        let (key_size, value_size, max_entries) = match map_type {
            Ringbuf => (0, 0, 4096),
            Queue | Stack | BloomFilter => (0, numbers.one_of(&[1, 4, 8, 13]), 4),
            LpmTrie => (numbers.one_of(&[5, 6, 8, 12]), numbers.one_of(&[1, 8, 11]), 6),
            Array | PerCpuArray => (4, numbers.one_of(&[1, 4, 8, 13, 40]), numbers.one_of(&[1, 3, 8])),
            StackTrace => (4, numbers.one_of(&[8, 16]), 8),
            ProgArray | PerfEventArray | Devmap | Cpumap | DevmapHash => (4, numbers.one_of(&[4, 4, 8]), 3),
            // So many entries that no list of free ones runs dry.
            LruHash | LruPerCpuHash => (numbers.one_of(&[1, 4, 7]), numbers.one_of(&[1, 8, 13]), 4096),
            _ => (numbers.one_of(&[1, 4, 7, 16]), numbers.one_of(&[1, 4, 8, 13, 40]), numbers.one_of(&[1, 5, 8])),
        };
        let mut shape = Shape { map_type, key_size, value_size, max_entries, map_flags: MapFlags::empty(), extra: 0 };
        if map_type == LpmTrie || numbers.below(4) == 0 && matches!(map_type, Hash | PerCpuHash) {
            shape.map_flags |= MapFlags::NO_PREALLOC;
        }
        match numbers.below(12) {
            0 => shape.key_size = numbers.one_of(&[0, 1, 3, 4, 8, 512, 65536]),
            1 => shape.value_size = numbers.one_of(&[0, 1, 7, 8, 40, 4096]),
            2 if !matches!(map_type, LruHash | LruPerCpuHash) => {
                shape.max_entries = numbers.one_of(&[0, 1, 2, 7, 4096]);
            }
            3 => shape.extra = numbers.one_of(&[1, 3, 5, 15, 16, u64::MAX]),
            4..=6 => shape.map_flags ^= Shape::flag(numbers),
            _ => {}
        }
        shape
    }

    /// Any flag but those that name things outside of the map.
    fn flag(numbers: &mut Numbers) -> MapFlags {
        let other = MapFlags::VTYPE_BTF_OBJ_FD | MapFlags::TOKEN_FD | MapFlags::PATH_FD | MapFlags::NUMA_NODE;
        let flags: Vec<MapFlags> = MapFlags::all().difference(other).iter().collect();
        numbers.one_of(&flags)
    }

    fn create(&self, kernel: &Arc<dyn Kernel>) -> Result<Handle, Errno> {
        let Shape { key_size, value_size, max_entries, map_flags, extra: map_extra, .. } = *self;
        let map_type = self.map_type.number();
        let command =
            MapCreate { map_type, key_size, value_size, max_entries, map_flags, map_extra, ..Default::default() };
        calls::map_create(kernel, command)
    }

    /// Bytes of a value as user space sees it.
    fn user_value(&self, cpus: usize) -> usize {
        let size = self.value_size as usize;
        let per_cpu = matches!(self.map_type, PerCpuHash | PerCpuArray | LruPerCpuHash);
        if per_cpu { size.next_multiple_of(8) * cpus } else { size }
    }

    /// Its order is each kernel's own.
    fn is_hash(&self) -> bool {
        matches!(self.map_type, Hash | PerCpuHash | LruHash | LruPerCpuHash | DevmapHash)
    }

    fn is_of_descriptors(&self) -> bool {
        matches!(self.map_type, ProgArray | PerfEventArray | Devmap | DevmapHash | Cpumap)
    }

    fn key(&self, numbers: &mut Numbers) -> Vec<u8> {
        let size = self.key_size as usize;
        let number = numbers.below(10) as u32;
        let mut key = match self.map_type {
            LpmTrie => {
                let bits = numbers.one_of(&[0, 1, 7, 8, 9, 16, 24, 32, 33, 64, 65, u32::MAX]);
                [bits.to_ne_bytes(), [number as u8 & 3, 0xff, number as u8, 0]].concat()
            }
            Array | PerCpuArray | ProgArray if numbers.below(20) == 0 => u32::MAX.to_ne_bytes().to_vec(),
            _ => number.to_ne_bytes().to_vec(),
        };
        key.resize(size, 0);
        key
    }

    fn value(&self, numbers: &mut Numbers, cpus: usize) -> Vec<u8> {
        let mut value: Vec<u8> = (0..self.user_value(cpus)).map(|_| numbers.below(3) as u8).collect();
        if self.is_of_descriptors() {
            // No such descriptor, no such device but "none".
            let nothing = if matches!(self.map_type, Devmap | DevmapHash | Cpumap) { 0 } else { 999i32 };
            value.fill(0);
            value.iter_mut().zip(nothing.to_ne_bytes()).for_each(|(to, from)| *to = from);
        }
        value
    }
}

/// One command.
#[derive(Clone, Debug)]
enum Step {
    Lookup { key: Vec<u8>, value: Vec<u8>, flags: u64 },
    Update { key: Vec<u8>, value: Vec<u8>, flags: u64 },
    Delete { key: Vec<u8> },
    Take { key: Vec<u8>, flags: u64 },
    Next { key: Option<Vec<u8>> },
    UpdateBatch { keys: Vec<u8>, values: Vec<u8>, count: u32, element_flags: u64, flags: u64 },
    LookupBatch { start: Option<u32>, count: u32, element_flags: u64, flags: u64, take: bool },
    DeleteBatch { keys: Vec<u8>, count: u32, element_flags: u64, flags: u64 },
    Freeze,
    Info,
}

impl Step {
    fn random(shape: &Shape, numbers: &mut Numbers, cpus: usize) -> Step {
        let key = shape.key(numbers);
        let flags = numbers.one_of(&[0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 8, 1 << 32, 1 << 32 | 8, u64::MAX]);
        let element_flags = numbers.one_of(&[0, 0, 0, 0, 1, 2, 4, 8, u64::MAX]);
        let batch_flags = if numbers.below(15) == 0 { 1 } else { 0 };
        let count = numbers.below(7) as u32;
        match numbers.below(40) {
            0..=7 => {
                let value = shape.value(numbers, cpus);
                Step::Lookup { key, value, flags: if numbers.below(3) == 0 { flags } else { 0 } }
            }
            8..=19 => Step::Update { key, value: shape.value(numbers, cpus), flags },
            20..=22 => Step::Delete { key },
            23..=24 => Step::Take { key, flags: if numbers.below(3) == 0 { flags } else { 0 } },
            25..=28 => Step::Next { key: (numbers.below(4) != 0).then_some(key) },
            29..=31 => {
                let (mut keys, mut values) = (Vec::new(), Vec::new());
                for _ in 0..count {
                    keys.extend(shape.key(numbers));
                    values.extend(shape.value(numbers, cpus));
                }
                Step::UpdateBatch { keys, values, count, element_flags, flags: batch_flags }
            }
            32..=35 => {
                // How a hash is cut into batches is each kernel's own.
                let (start, count) = match shape.is_hash() {
                    true => (None, numbers.one_of(&[0, 4096])),
                    false => ((numbers.below(3) == 0).then(|| numbers.below(9) as u32), numbers.below(12) as u32),
                };
                Step::LookupBatch { start, count, element_flags, flags: batch_flags, take: numbers.below(3) == 0 }
            }
            36..=37 => {
                let keys = (0..count).flat_map(|_| shape.key(numbers)).collect();
                Step::DeleteBatch { keys, count, element_flags, flags: batch_flags }
            }
            38 if numbers.below(6) == 0 => Step::Freeze,
            _ => Step::Info,
        }
    }

    fn name(&self) -> String {
        let text = format!("{self:?}");
        text.split([' ', '{']).next().unwrap_or_default().to_owned()
    }

    /// What the kernel answers.
    fn carry_out(&self, kernel: &dyn Kernel, map_fd: i32, shape: &Shape, cpus: usize) -> String {
        let bits = ElementFlags::from_bits_retain;
        let value_size = shape.user_value(cpus);
        let plain = |result: Result<Reply, Failure>| format!("{:?}", result.map_err(|failure| failure.errno));
        let counted = |result: Result<Reply, Failure>| match result {
            Ok(reply) => (format!("{reply:?}"), counted(&reply)),
            Err(failure) => (format!("{:?} {:?}", failure.errno, failure.reply), counted(&failure.reply)),
        };
        match self {
            Step::Lookup { key, value, flags } => {
                // A bloom filter is asked with the value.
                let mut value = value.clone();
                let result = calls::map_lookup_elem(kernel, map_fd, key, &mut value, bits(*flags));
                // A bloom filter may take a value for another.
                let unsure = shape.map_type == BloomFilter && matches!(result, Ok(()) | Err(Errno::ENOENT));
                if unsure { String::new() } else { format!("{result:?} {value:?}") }
            }
            Step::Update { key, value, flags } => {
                format!("{:?}", calls::map_update_elem(kernel, map_fd, key, value, bits(*flags)))
            }
            Step::Delete { key } => format!("{:?}", calls::map_delete_elem(kernel, map_fd, key)),
            Step::Take { key, flags } => {
                let mut value = vec![0xee; value_size];
                let command = MapLookupAndDeleteElem { map_fd, key, value: &mut value, flags: bits(*flags) };
                format!("{} {value:?}", plain(kernel.bpf(command.into())))
            }
            Step::Next { key } => {
                let mut next = vec![0; shape.key_size as usize];
                let result = calls::map_next_key(kernel, map_fd, key.as_deref(), &mut next);
                if shape.is_hash() { format!("{:?}", result.is_err()) } else { format!("{result:?} {next:?}") }
            }
            Step::UpdateBatch { keys, values, count, element_flags, flags } => {
                let command = MapUpdateBatch {
                    keys,
                    values,
                    count: *count,
                    map_fd,
                    elem_flags: bits(*element_flags),
                    flags: *flags,
                };
                counted(kernel.bpf(command.into())).0
            }
            Step::DeleteBatch { keys, count, element_flags, flags } => {
                let command =
                    MapDeleteBatch { keys, count: *count, map_fd, elem_flags: bits(*element_flags), flags: *flags };
                counted(kernel.bpf(command.into())).0
            }
            Step::LookupBatch { start, count, element_flags, flags, take } => {
                let key_size = shape.key_size as usize;
                let mut start = start.map(|start| start.to_ne_bytes().to_vec()).unwrap_or_default();
                if !start.is_empty() {
                    start.resize(key_size.max(4), 0);
                }
                let mut position = vec![0; key_size.max(4)];
                let mut keys = vec![0; key_size * *count as usize];
                let mut values = vec![0; value_size * *count as usize];
                let (count, elem_flags, flags) = (*count, bits(*element_flags), *flags);
                let (in_batch, out_batch) = (&start[..], &mut position[..]);
                let (keys, values) = (&mut keys[..], &mut values[..]);
                let result = if *take {
                    let command =
                        MapLookupAndDeleteBatch { in_batch, out_batch, keys, values, count, map_fd, elem_flags, flags };
                    kernel.bpf(command.into())
                } else {
                    let command =
                        MapLookupBatch { in_batch, out_batch, keys, values, count, map_fd, elem_flags, flags };
                    kernel.bpf(command.into())
                };
                let (text, done) = counted(result);
                let pair = |at: usize| (&keys[at * key_size..][..key_size], &values[at * value_size..][..value_size]);
                // On most errors the count is the client's own, and there are no pairs.
                let done = if text.starts_with("Count") || text.starts_with("ENOENT") { done.min(count) } else { 0 };
                let mut pairs: Vec<_> = (0..done as usize).map(pair).collect();
                pairs.sort();
                format!("{text} {pairs:?}")
            }
            Step::Freeze => plain(kernel.bpf(MapFreeze { map_fd }.into())),
            Step::Info => match calls::map_info(kernel, map_fd) {
                Ok(info) => format!(
                    "{:?} {} {} {} {:?} {}",
                    info.map_type, info.key_size, info.value_size, info.max_entries, info.map_flags, info.map_extra
                ),
                Err(errno) => format!("{errno:?}"),
            },
        }
    }
}

fn counted(reply: &Reply) -> u32 {
    if let Reply::Count(count) = reply { *count } else { 0 }
}

#[test]
fn random_commands_on_random_maps() {
    let number_of = |variable: &str, usual: u64| {
        std::env::var(variable).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
    };
    let Some(linux) = linux("random commands on random maps") else { return };
    let user = user_like(&linux);
    let cpus = linux.possible_cpus() as usize;
    let (first, count) = (number_of("SKEP_RANDOM_SEED", 1), number_of("SKEP_RANDOM_MAPS", 300));
    let mut differences = BTreeMap::<String, String>::new();
    for seed in first..first + count {
        let mut numbers = Numbers(seed.wrapping_mul(0x5851_f42d_4c95_7f2d));
        let shape = Shape::random(&mut numbers);
        let (ours, theirs) = match (shape.create(&user), shape.create(&linux)) {
            (Ok(ours), Ok(theirs)) => (ours, theirs),
            (Err(ours), Err(theirs)) if ours == theirs => continue,
            (ours, theirs) => {
                let what = format!("{shape:?}: {:?}, Linux {:?}", ours.map(drop), theirs.map(drop));
                differences.entry(format!("{:?} Create", shape.map_type)).or_insert(format!("seed {seed}: {what}"));
                continue;
            }
        };
        for _ in 0..60 {
            let step = Step::random(&shape, &mut numbers, cpus);
            let a = step.carry_out(&*user, ours.fd(), &shape, cpus);
            let b = step.carry_out(&*linux, theirs.fd(), &shape, cpus);
            if a != b {
                let what = format!("seed {seed}: {shape:?}\n  {step:?}\n  {a}\n  Linux {b}");
                differences.entry(format!("{:?} {}", shape.map_type, step.name())).or_insert(what);
                break;
            }
        }
    }
    let all: Vec<_> = differences.iter().map(|(kind, first)| format!("{kind}, {first}")).collect();
    assert!(all.is_empty(), "{} kinds of differences, the first of each:\n{}", all.len(), all.join("\n"));
}
