//! What stands in the place of helper calls does what the helpers do: the same random operations by direct functions on one
//! map, and by commands of user space on another, leave the same behind.

use skep_abi::command::{ElementFlags, MapCreate};
use skep_abi::helper;
use skep_abi::map_type::{MapFlags, MapType};
use skep_engine::{Direct, RunFacts};
use skep_kernel::{Errno, Handle, Kernel, calls};
use skep_user::{Clock, Config, Task, TaskSpec, UserKernel};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// A kernel, and a map in it of whose helpers direct functions are called.
struct Fixture {
    user: Arc<UserKernel>,
    kernel: Arc<dyn Kernel>,
    map: Handle,
    facts: RunFacts,
}

impl Fixture {
    fn new(map_type: MapType, (key_size, value_size, max_entries): (u32, u32, u32), map_flags: MapFlags) -> Fixture {
        let user = UserKernel::new(Config { cpus: Some(2), ..Config::default() });
        let kernel: Arc<dyn Kernel> = user.clone();
        let command = MapCreate {
            map_type: map_type.number(),
            key_size,
            value_size,
            max_entries,
            map_flags,
            ..Default::default()
        };
        let map = calls::map_create(&kernel, command).expect("map");
        Fixture { user, kernel, map, facts: RunFacts::default() }
    }

    /// Calls what stands in the place of a helper; r1 is the map's where it takes one.
    fn call(&mut self, name: &str, r: [u64; 3]) -> u64 {
        let id = helper::by_name(name).expect("a helper").id;
        let entered = self.user.enter(None);
        self.facts.cpu = entered.cpu();
        match self.user.direct(id, Some(self.map.fd())).expect("a map") {
            Some(Direct::Function { function, data }) => {
                let [r1, r2, r3, r4] = match data {
                    Some(data) => [data, r[0], r[1], r[2]],
                    None => [r[0], r[1], r[2], 0],
                };
                // SAFETY: the map is open, the thread is on the CPU of the facts, and callers pass what the helper takes.
                unsafe { function(r1, r2, r3, r4, 0, &mut self.facts) }
            }
            Some(Direct::Array { values, stride, count }) => {
                // SAFETY: the first argument points to a key of four bytes.
                let index = unsafe { *(r[0] as *const u32) };
                if index < count { values + u64::from(index) * u64::from(stride) } else { 0 }
            }
            other => panic!("{name}: {other:?}"),
        }
    }

    /// The value of a key, by a direct lookup.
    fn look_up(&mut self, key: &[u8], len: usize) -> Option<Vec<u8>> {
        let address = self.call("map_lookup_elem", [key.as_ptr() as u64, 0, 0]);
        // SAFETY: a value of the map, which nobody else changes here.
        (address != 0).then(|| unsafe { std::slice::from_raw_parts(address as *const u8, len) }.to_vec())
    }
}

/// What a command would have answered.
fn as_result(r0: u64) -> Result<(), Errno> {
    match r0.cast_signed() {
        0 => Ok(()),
        negative => Err(Errno(i32::try_from(-negative).expect("an errno"))),
    }
}

/// Reproducible numbers.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[test]
fn direct_functions_do_what_commands_do() {
    let sizes = [(4, 8), (8, 8), (16, 8), (16, 24), (5, 1), (20, 13), (40, 200)];
    let types = [
        (MapType::Hash, MapFlags::empty()),
        (MapType::Hash, MapFlags::NO_PREALLOC),
        (MapType::LruHash, MapFlags::empty()),
    ];
    for (map_type, flags) in types {
        for (key_size, value_size) in sizes {
            let mut direct = Fixture::new(map_type, (key_size, value_size, 64), flags);
            let command = Fixture::new(map_type, (key_size, value_size, 64), flags);
            let mut numbers = Numbers(u64::from(key_size));
            for step in 0..4000 {
                let mut key = vec![0; key_size as usize];
                // Fewer than the map holds: which element an LRU map gives up is its own affair.
                key[0] = numbers.below(60) as u8;
                *key.last_mut().expect("not empty") = key[0];
                let value: Vec<u8> = (0..value_size).map(|_| numbers.below(256) as u8).collect();
                let update = [key.as_ptr() as u64, value.as_ptr() as u64, numbers.below(4)];
                let (a, b) = match numbers.below(3) {
                    0 => {
                        let a = as_result(direct.call("map_update_elem", update));
                        let flags = ElementFlags::from_bits_retain(update[2]);
                        (a, calls::map_update_elem(&*command.kernel, command.map.fd(), &key, &value, flags))
                    }
                    1 => {
                        let a = as_result(direct.call("map_delete_elem", [update[0], 0, 0]));
                        (a, calls::map_delete_elem(&*command.kernel, command.map.fd(), &key))
                    }
                    _ => {
                        let a = direct.look_up(&key, value_size as usize);
                        let mut b = vec![0; value_size as usize];
                        let any = ElementFlags::empty();
                        let found = calls::map_lookup_elem(&*command.kernel, command.map.fd(), &key, &mut b, any);
                        assert_eq!(a, found.ok().map(|()| b), "{map_type:?} {key_size} step {step}");
                        continue;
                    }
                };
                assert_eq!(a, b, "{map_type:?} {key_size} step {step}");
            }
        }
    }
}

#[test]
fn arrays_and_prefixes_are_found_directly() {
    let mut array = Fixture::new(MapType::Array, (4, 12, 10), MapFlags::empty());
    let value = [7; 12];
    let index = 9u32.to_ne_bytes();
    assert_eq!(array.call("map_update_elem", [index.as_ptr() as u64, value.as_ptr() as u64, 0]), 0);
    assert_eq!(array.look_up(&index, 12).as_deref(), Some(&value[..]));
    assert_eq!(array.look_up(&10u32.to_ne_bytes(), 12), None);

    for data in [1usize, 4, 16, 32] {
        let mut trie = Fixture::new(MapType::LpmTrie, (4 + data as u32, 8, 300), MapFlags::NO_PREALLOC);
        let mut known: Vec<(u32, Vec<u8>, u64)> = Vec::new();
        let mut numbers = Numbers(data as u64);
        let key_of = |bits: u32, bytes: &[u8]| [&bits.to_ne_bytes(), bytes].concat();
        for step in 0..6000 {
            // Few different bytes, so that prefixes share much, and often all.
            let mut bytes: Vec<u8> = (0..data).map(|_| [0, 0, 0, 1, 0x80, 0xff][numbers.below(6) as usize]).collect();
            let most = data as u64 * 8;
            match numbers.below(4) {
                0 if known.len() < 290 => {
                    let bits = numbers.below(most + 1) as u32;
                    mask(&mut bytes, bits);
                    let key = key_of(bits, &bytes);
                    let value = step as u64;
                    let r = [key.as_ptr() as u64, &raw const value as u64, 0];
                    assert_eq!(trie.call("map_update_elem", r), 0);
                    known.retain(|(other, prefix, _)| (*other, prefix) != (bits, &bytes));
                    known.push((bits, bytes, value));
                }
                1 if !known.is_empty() => {
                    let at = numbers.below(known.len() as u64) as usize;
                    let (bits, prefix, _) = known.swap_remove(at);
                    let key = key_of(bits, &prefix);
                    assert_eq!(trie.call("map_delete_elem", [key.as_ptr() as u64, 0, 0]), 0);
                    assert_eq!(
                        as_result(trie.call("map_delete_elem", [key.as_ptr() as u64, 0, 0])),
                        Err(Errno::ENOENT)
                    );
                }
                _ => {
                    // Mostly whole addresses, sometimes shorter ones.
                    let bits = if numbers.below(5) == 0 { numbers.below(most + 1) as u32 } else { most as u32 };
                    let covers = |(len, prefix, _): &&(u32, Vec<u8>, u64)| {
                        let mut masked = bytes.clone();
                        mask(&mut masked, *len);
                        *len <= bits && masked == *prefix
                    };
                    let expected = known.iter().filter(covers).max_by_key(|(len, ..)| *len);
                    let found = trie.look_up(&key_of(bits, &bytes), 8);
                    let expected = expected.map(|(.., value)| value.to_ne_bytes().to_vec());
                    assert_eq!(found, expected, "{data} bytes, step {step}, {bits} bits of {bytes:?}");
                }
            }
        }
    }
}

/// Zeroes all but the first bits.
fn mask(bytes: &mut [u8], bits: u32) {
    for (index, byte) in bytes.iter_mut().enumerate() {
        let kept = bits.saturating_sub(index as u32 * 8).min(8);
        *byte &= (0xff00u16 >> kept) as u8;
    }
}

#[test]
fn queues_and_stacks_work_directly() {
    for (map_type, first) in [(MapType::Queue, 1u64), (MapType::Stack, 3)] {
        let mut map = Fixture::new(map_type, (0, 8, 3), MapFlags::empty());
        let mut place = 0u64;
        let to = &raw mut place as u64;
        assert_eq!(as_result(map.call("map_pop_elem", [to, 0, 0])), Err(Errno::ENOENT));
        for value in [1u64, 2, 3] {
            assert_eq!(map.call("map_push_elem", [&raw const value as u64, 0, 0]), 0);
        }
        let more = 4u64;
        assert_eq!(as_result(map.call("map_push_elem", [&raw const more as u64, 0, 0])), Err(Errno::E2BIG));
        assert_eq!(map.call("map_peek_elem", [to, 0, 0]), 0);
        assert_eq!(place, first);
        // With BPF_EXIST, the oldest makes room.
        assert_eq!(map.call("map_push_elem", [&raw const more as u64, 2, 0]), 0);
        let mut taken = Vec::new();
        while map.call("map_pop_elem", [to, 0, 0]) == 0 {
            taken.push(place);
        }
        assert_eq!(place, 0, "zeroes where there is nothing");
        assert_eq!(taken, if map_type == MapType::Queue { [2, 3, 4] } else { [4, 3, 2] });
    }
}

#[test]
fn records_reserved_directly_reach_the_reader() {
    const PAGE: usize = 4096;
    let mut ring = Fixture::new(MapType::Ringbuf, (0, 0, PAGE as u32), MapFlags::empty());
    let data = ring.kernel.map_memory(ring.map.fd(), PAGE as u64, 3 * PAGE, false).expect("data");
    let record = ring.call("ringbuf_reserve", [16, 0, 0]);
    assert_ne!(record, 0);
    // SAFETY: sixteen bytes, reserved just now.
    unsafe { (record as *mut [u64; 2]).write([5, 6]) };
    let header = |at: usize| data.load_acquire_u32(PAGE + at).expect("a header");
    assert_eq!(header(0), 16 | 1 << 31, "busy");
    assert_eq!(ring.call("ringbuf_submit", [record, 0, 0]), 0);
    assert_eq!(header(0), 16);
    let discarded = ring.call("ringbuf_reserve", [8, 0, 0]);
    assert_eq!(ring.call("ringbuf_discard", [discarded, 0, 0]), 0);
    assert_eq!(header(24), 8 | 1 << 30);
    let bytes = *b"twelve bytes";
    assert_eq!(ring.call("ringbuf_output", [bytes.as_ptr() as u64, 12, 0]), 0);
    let mut read = [0; 12];
    data.read(PAGE + 24 + 16 + 8, &mut read).expect("inside");
    assert_eq!((header(40), read), (12, bytes));
    assert_eq!(as_result(ring.call("ringbuf_output", [bytes.as_ptr() as u64, 12, 4])), Err(Errno::EINVAL));
    assert_eq!(ring.call("ringbuf_reserve", [PAGE as u64, 0, 0]), 0, "never so much");
    // What lies across the end is in one piece.
    let mut reserved = 0;
    while ring.call("ringbuf_reserve", [1000, 0, 0]) != 0 {
        reserved += 1;
    }
    assert_eq!(reserved, 3);
}

#[test]
fn facts_clock_random_numbers_and_checksums() {
    let time = Arc::new(AtomicU64::new(77));
    let task = TaskSpec { pid: 3, tgid: 4, uid: 5, gid: 6, ..TaskSpec::default() };
    let config = Config { clock: Clock::Virtual(time), seed: Some(1), task, ..Config::default() };
    let user = UserKernel::new(config);
    let _ = Task::new(TaskSpec::default());
    let direct = |name: &str| user.direct(helper::by_name(name).expect("a helper").id, None).expect("no map");
    let mut facts = RunFacts { pid_tgid: 1 << 40, uid_gid: 2 << 40, cpu: 3, numa_node: 4, ..RunFacts::default() };
    for (name, expected) in [
        ("get_current_pid_tgid", 1 << 40),
        ("get_current_uid_gid", 2 << 40),
        ("get_smp_processor_id", 3),
        ("get_numa_node_id", 4),
    ] {
        let Some(Direct::Fact { offset, wide }) = direct(name) else { panic!("{name} is no fact") };
        let at = &raw const facts as u64 + u64::from(offset);
        // SAFETY: the offset is that of a field of so many bytes.
        let value = unsafe { if wide { *(at as *const u64) } else { u64::from(*(at as *const u32)) } };
        assert_eq!(value, expected, "{name}");
    }
    let call = |name: &str, r: [u64; 5], facts: &mut RunFacts| {
        let Some(Direct::Function { function, data }) = direct(name) else { panic!("{name} is no function") };
        // SAFETY: the arguments are what the helper takes.
        unsafe { function(data.unwrap_or(r[0]), r[1], r[2], r[3], r[4], facts) }
    };
    assert_eq!(call("ktime_get_ns", [0; 5], &mut facts), 77);
    let numbers: Vec<u64> = (0..1000).map(|_| call("get_prandom_u32", [0; 5], &mut facts)).collect();
    assert!(numbers.iter().all(|number| *number <= u64::from(u32::MAX)));
    assert!(numbers.iter().collect::<std::collections::HashSet<_>>().len() > 990);
    // RFC 1071, section 3.
    let bytes = [0x00u8, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
    let sum = call("csum_diff", [0, 0, bytes.as_ptr() as u64, 8, 0], &mut facts);
    assert_eq!((sum as u16).to_ne_bytes(), [0xdd, 0xf2]);
}

#[test]
fn what_must_see_the_run_has_no_shortcut() {
    let user = UserKernel::new(Config::default());
    for name in ["tail_call", "loop", "for_each_map_elem", "spin_lock", "probe_read_kernel"] {
        let id = helper::by_name(name).expect("a helper").id;
        assert!(user.direct(id, None).expect("no map").is_none(), "{name}");
    }
}
