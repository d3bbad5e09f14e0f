//! What operations on maps cost a compiled program: here, by the functions that stand in the place of helper calls, and in
//! Linux, by a program that does the same in a loop. Round by round in turns; least and median; an empty loop subtracted.
//!
//! Time is that of the thread's CPU, so that other work on the machine disturbs less. Where Linux's BPF cannot be used, its
//! columns stay empty, which is said.
//!
//! `cargo bench -p skep-user --bench maps [-- PART-OF-A-NAME [ENTRIES]]`

use rustix::time::ClockId;
use skep_abi::command::{ElementFlags, MapCreate, ProgLoad, ProgTestRun};
use skep_abi::helper;
use skep_abi::map_type::{MapFlags, MapType};
use skep_abi::program_type::ProgramType;
use skep_engine::{Direct, DirectFunction, RunFacts};
use skep_isa::Slot;
use skep_isa::text::{Names, assemble_with};
use skep_kernel::{Handle, Kernel, SharedMemory, calls};
use skep_linux::LinuxKernel;
use skep_user::{Config, UserKernel};
use std::ffi::CStr;
use std::hint::black_box;
use std::sync::Arc;

const ROUNDS: usize = 7;
/// Operations of a run, and runs of a round.
const LOOP: u32 = 512;
const RUNS: u32 = 800;
const SIZES: [u32; 3] = [1_000, 100_000, 1_000_000];

const MULTIPLIER: u64 = 6_364_136_223_846_793_005;
const INCREMENT: u64 = 1_442_695_041;
const PAGE: usize = 4096;
const RING_SIZE: u32 = 1 << 20;

/// What is measured.
#[derive(Clone, Copy)]
struct Operation {
    name: &'static str,
    map_type: MapType,
    /// Keys are drawn from so many times the number of entries.
    keys: u64,
    /// What Linux's program does after the key is on its stack, at r10-16, with a value at r10-24.
    text: &'static str,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Empty,
    Lookup,
    Update,
    DeleteInsert,
    Ring,
}

const LOOKUP: &str = "r1 = map[map] ll\nr2 = r10\nr2 += -16\ncall map_lookup_elem\n";
const UPDATE: &str = "r1 = map[map] ll\nr2 = r10\nr2 += -16\nr3 = r10\nr3 += -24\nr4 = 0\ncall map_update_elem\n";
const DELETE_INSERT: &str = "r1 = map[map] ll\nr2 = r10\nr2 += -16\ncall map_delete_elem\nr1 = map[map] ll\nr2 = r10\n\
     r2 += -16\nr3 = r10\nr3 += -24\nr4 = 0\ncall map_update_elem\n";
const RING: &str = "r1 = map[map] ll\nr2 = 16\nr3 = 0\ncall ringbuf_reserve\nif r0 == 0 goto full\n\
     *(u64 *)(r0 + 0) = r6\nr1 = r0\nr2 = 1\ncall ringbuf_submit\nfull:\n";

const OPERATIONS: &[Operation] = &[
    Operation { name: "array lookup", map_type: MapType::Array, keys: 1, text: LOOKUP, what: What::Lookup },
    Operation { name: "hash lookup", map_type: MapType::Hash, keys: 1, text: LOOKUP, what: What::Lookup },
    Operation { name: "hash overwrite", map_type: MapType::Hash, keys: 1, text: UPDATE, what: What::Update },
    Operation {
        name: "hash delete and insert",
        map_type: MapType::Hash,
        keys: 1,
        text: DELETE_INSERT,
        what: What::DeleteInsert,
    },
    Operation { name: "LRU lookup", map_type: MapType::LruHash, keys: 1, text: LOOKUP, what: What::Lookup },
    Operation {
        name: "LRU update, half with eviction",
        map_type: MapType::LruHash,
        keys: 2,
        text: UPDATE,
        what: What::Update,
    },
    Operation { name: "LPM lookup", map_type: MapType::LpmTrie, keys: 1, text: LOOKUP, what: What::Lookup },
    Operation { name: "ring reserve and submit", map_type: MapType::Ringbuf, keys: 1, text: RING, what: What::Ring },
];

const EMPTY: Operation =
    Operation { name: "empty loop", map_type: MapType::Hash, keys: 1, text: "", what: What::Empty };

/// The one map of a program.
struct OneMap(i32);

impl Names for OneMap {
    fn helper(&self, name: &str) -> Option<i32> {
        helper::by_name(name).map(|helper| helper.id as i32)
    }

    fn map(&self, _name: &str) -> Option<i32> {
        Some(self.0)
    }
}

/// Nanoseconds of CPU that this thread has used.
fn cpu_time() -> u64 {
    let time = rustix::time::clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT);
    *state
}

/// A number below `limit`.
fn below(state: &mut u64, limit: u64) -> u64 {
    ((next(state) >> 33) * limit) >> 31
}

/// Two words: what stands on a program's stack as key.
fn key_of(map_type: MapType, drawn: u64) -> [u64; 2] {
    match map_type {
        // A whole IPv4 address behind its length.
        MapType::LpmTrie => [32 | drawn << 32, 0],
        _ => [drawn, drawn.wrapping_mul(MULTIPLIER)],
    }
}

fn key_size(map_type: MapType) -> usize {
    match map_type {
        MapType::Array => 4,
        MapType::LpmTrie => 8,
        MapType::Ringbuf => 0,
        _ => 16,
    }
}

fn create(kernel: &Arc<dyn Kernel>, operation: &Operation, entries: u32) -> Handle {
    let map_type = operation.map_type;
    let (max_entries, value_size) = if map_type == MapType::Ringbuf { (RING_SIZE, 0) } else { (entries, 8) };
    let map_flags = if map_type == MapType::LpmTrie { MapFlags::NO_PREALLOC } else { MapFlags::empty() };
    let key_size = key_size(map_type) as u32;
    let command =
        MapCreate { map_type: map_type.number(), key_size, value_size, max_entries, map_flags, ..Default::default() };
    let map = calls::map_create(kernel, command).expect("map");
    let mut state = 7;
    for entry in 0..u64::from(entries) {
        let key = match map_type {
            MapType::Ringbuf => break,
            MapType::LpmTrie => prefix(&mut state),
            _ => key_of(map_type, entry),
        };
        let bytes: Vec<u8> = key.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let (key, any) = (&bytes[..key_size as usize], ElementFlags::empty());
        // Among random prefixes, some come twice.
        calls::map_update_elem(&**kernel, map.fd(), key, &entry.to_ne_bytes(), any).expect("room");
    }
    map
}

/// A random IPv4 prefix: lengths as in a routing table, with hosts.
fn prefix(state: &mut u64) -> [u64; 2] {
    let len = match below(state, 100) {
        0..60 => 24,
        60..75 => 22,
        75..85 => 20,
        85..90 => 16 + below(state, 4) as u32,
        90 => 8 + below(state, 8) as u32,
        _ => 32,
    };
    let address = ((next(state) >> 32) as u32) & (u32::MAX << (32 - len));
    [u64::from(len) | u64::from(address.to_be()) << 32, 0]
}

/// How the numbers of a program's keys are drawn.
fn drawn(operation: &Operation, entries: u32) -> u64 {
    match operation.map_type {
        MapType::LpmTrie => 1 << 31,
        _ => u64::from(entries) * operation.keys,
    }
}

/// Ours: the functions that compiled code calls.
struct Ours {
    user: Arc<UserKernel>,
    map: Handle,
    functions: Vec<(DirectFunction, u64)>,
    array: Option<(u64, u64, u32)>,
    ring: Option<(Box<dyn SharedMemory>, Box<dyn SharedMemory>)>,
}

impl Ours {
    fn new(operation: &Operation, entries: u32) -> Ours {
        let user = UserKernel::new(Config::default());
        let kernel: Arc<dyn Kernel> = user.clone();
        let map = create(&kernel, operation, entries);
        let names: &[&str] = match operation.what {
            What::Empty => &[],
            What::Lookup => &["map_lookup_elem"],
            What::Update => &["map_update_elem"],
            What::DeleteInsert => &["map_delete_elem", "map_update_elem"],
            What::Ring => &["ringbuf_reserve", "ringbuf_submit"],
        };
        let mut ours = Ours { user, functions: Vec::new(), array: None, ring: rings(&kernel, operation, &map), map };
        for name in names {
            let id = helper::by_name(name).expect("a helper").id;
            match ours.user.direct(id, Some(ours.map.fd())).expect("a map") {
                Some(Direct::Function { function, data }) => ours.functions.push((function, data.unwrap_or(0))),
                Some(Direct::Array { values, stride, count }) => ours.array = Some((values, u64::from(stride), count)),
                other => panic!("{name}: {other:?}"),
            }
        }
        ours
    }

    /// Nanoseconds of an operation.
    fn round(&self, operation: &Operation, entries: u32, seed: u64) -> f64 {
        let mut entered = self.user.enter(None);
        let mut facts = RunFacts { cpu: entered.cpu(), ..RunFacts::default() };
        let limit = drawn(operation, entries);
        let mut state = seed;
        let mut sum = 0;
        let start = cpu_time();
        for _ in 0..RUNS {
            entered.pass();
            for _ in 0..LOOP {
                let drawn = below(&mut state, limit);
                let key = black_box(key_of(operation.map_type, drawn));
                sum ^= self.once(operation, &key, &mut facts);
            }
            self.drain();
        }
        let time = cpu_time() - start;
        black_box(sum);
        time as f64 / f64::from(RUNS * LOOP)
    }

    #[inline(always)]
    fn once(&self, operation: &Operation, key: &[u64; 2], facts: &mut RunFacts) -> u64 {
        let key_address = key.as_ptr() as u64;
        let value = 5u64;
        let value_address = &raw const value as u64;
        let call = |index: usize, r: [u64; 3], facts: &mut RunFacts| {
            let (function, data) = self.functions[index];
            // SAFETY: the map is open, the thread entered on the CPU of the facts; the arguments are what the helper takes: a
            // key of the map's size, a value of eight bytes.
            unsafe { function(data, r[0], r[1], r[2], 0, facts) }
        };
        match operation.what {
            What::Empty => key[0],
            What::Lookup => match self.array {
                Some((values, stride, count)) if (key[0] as u32) < count => values + u64::from(key[0] as u32) * stride,
                Some(_) => 0,
                None => call(0, [key_address, 0, 0], facts),
            },
            What::Update => call(0, [key_address, value_address, 0], facts),
            What::DeleteInsert => call(0, [key_address, 0, 0], facts) ^ call(1, [key_address, value_address, 0], facts),
            What::Ring => {
                let record = call(0, [16, 0, 0], facts);
                if record == 0 {
                    return 0;
                }
                let (submit, _) = self.functions[1];
                // SAFETY: the record was reserved just now, and has sixteen bytes.
                unsafe {
                    (record as *mut u64).write(key[0]);
                    submit(record, 1, 0, 0, 0, facts)
                }
            }
        }
    }

    fn drain(&self) {
        if let Some((consumer, producer)) = &self.ring {
            drain(&**consumer, &**producer);
        }
    }
}

type Rings = (Box<dyn SharedMemory>, Box<dyn SharedMemory>);

fn rings(kernel: &Arc<dyn Kernel>, operation: &Operation, map: &Handle) -> Option<Rings> {
    (operation.map_type == MapType::Ringbuf).then(|| {
        let consumer = kernel.map_memory(map.fd(), 0, PAGE, true).expect("consumer page");
        (consumer, kernel.map_memory(map.fd(), PAGE as u64, PAGE, false).expect("producer page"))
    })
}

fn drain(consumer: &dyn SharedMemory, producer: &dyn SharedMemory) {
    let position = producer.load_acquire_u64(0).expect("producer position");
    consumer.store_release_u64(0, position).expect("consumer position");
}

/// Linux's: a program.
struct Theirs {
    kernel: Arc<dyn Kernel>,
    _map: Handle,
    program: Handle,
    ring: Option<Rings>,
}

impl Theirs {
    fn new(kernel: &Arc<dyn Kernel>, operation: &Operation, entries: u32) -> Theirs {
        let map = create(kernel, operation, entries);
        let text = text(operation, entries);
        let slots = assemble_with(&text, &OneMap(map.fd())).expect("the text assembles").slots;
        let insns = Slot::write_program(&slots);
        let prog_type = ProgramType::SchedCls.number();
        let command = ProgLoad { prog_type, insns: &insns, license: Some(c"GPL"), ..Default::default() };
        let program = calls::prog_load(kernel, command).expect("Linux accepts it").0;
        Theirs { kernel: kernel.clone(), ring: rings(kernel, operation, &map), _map: map, program }
    }

    fn round(&self) -> f64 {
        let repeat = if self.ring.is_some() { 16 } else { 100 };
        let start = cpu_time();
        for _ in 0..RUNS / repeat {
            let command = ProgTestRun { prog_fd: self.program.fd(), data_in: &[0; 64], repeat, ..Default::default() };
            calls::prog_test_run(&*self.kernel, command).expect("a run");
            if let Some((consumer, producer)) = &self.ring {
                drain(&**consumer, &**producer);
            }
        }
        (cpu_time() - start) as f64 / f64::from(RUNS * LOOP)
    }
}

/// The program: `LOOP` keys, drawn as ours are.
fn text(operation: &Operation, entries: u32) -> String {
    let limit = drawn(operation, entries);
    let second = match operation.map_type {
        MapType::LpmTrie => "r1 <<= 32\nr1 |= 32\n*(u64 *)(r10 - 16) = r1",
        _ => "*(u64 *)(r10 - 16) = r1\nr1 *= r8\n*(u64 *)(r10 - 8) = r1",
    };
    let limited = if limit == 1 << 31 { String::new() } else { format!("r1 *= {limit}\nr1 >>= 31\n") };
    format!(
        "call get_prandom_u32\nr7 = r0\nr8 = {MULTIPLIER} ll\nr6 = 0\n*(u64 *)(r10 - 24) = 5\n\
         again:\nr7 *= r8\nr7 += {INCREMENT}\nr1 = r7\nr1 >>= 33\n{limited}{second}\n{}\
         r6 += 1\nif r6 < {LOOP} goto again\nr0 = 0\nexit",
        operation.text
    )
}

/// Least and median.
fn summary(mut times: Vec<f64>, empty: f64) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    ((times[0] - empty).max(0.0), (times[times.len() / 2] - empty).max(0.0))
}

fn least(times: impl IntoIterator<Item = f64>) -> f64 {
    times.into_iter().fold(f64::INFINITY, f64::min)
}

fn linux() -> Option<Arc<dyn Kernel>> {
    let kernel: Arc<dyn Kernel> = match LinuxKernel::open() {
        Ok(kernel) => kernel,
        Err(error) => {
            println!("SKIPPED: Linux's figures: {error}");
            return None;
        }
    };
    let array = MapCreate {
        map_type: MapType::Array.number(),
        key_size: 4,
        value_size: 4,
        max_entries: 1,
        ..Default::default()
    };
    match calls::map_create(&kernel, array) {
        Ok(_) => Some(kernel),
        Err(errno) => {
            println!("SKIPPED: Linux's figures: bpf(2) cannot be used: {errno}");
            None
        }
    }
}

fn compare(linux: Option<&Arc<dyn Kernel>>, operation: &Operation, entries: u32) {
    let ours = Ours::new(operation, entries);
    let our_empty = Ours::new(&EMPTY, 1);
    let theirs = linux.map(|linux| (Theirs::new(linux, operation, entries), Theirs::new(linux, &EMPTY, 1)));
    let (mut mine, mut mine_empty, mut other, mut other_empty) = (vec![], vec![], vec![], vec![]);
    for round in 0..ROUNDS as u64 {
        mine.push(ours.round(operation, entries, round + 1));
        mine_empty.push(our_empty.round(&EMPTY, entries, round + 1));
        if let Some((theirs, empty)) = &theirs {
            other.push(theirs.round());
            other_empty.push(empty.round());
        }
    }
    let (a, b) = summary(mine, least(mine_empty));
    let linux = match other.is_empty() {
        true => "| |".to_owned(),
        false => {
            let (c, d) = summary(other, least(other_empty));
            format!("{c:.1} ({d:.1}) | {:.1} |", c / a.max(0.1))
        }
    };
    println!("| {} | {entries} | {a:.1} ({b:.1}) | {linux}", operation.name);
}

/// Records of sixteen bytes that the library's reader takes in a second, of a ring that is full.
fn consume() {
    const PIN: &CStr = c"/sys/fs/bpf/ring";
    let operation = OPERATIONS.last().expect("the ring");
    let ours = Ours::new(operation, 0);
    let kernel: Arc<dyn Kernel> = ours.user.clone();
    calls::obj_pin(&*kernel, ours.map.fd(), PIN).expect("a pin");
    let map = skep::RawMap::open_pinned(&kernel, PIN.to_str().expect("UTF-8")).expect("the pin");
    let mut reader = skep::RingBuffer::new(&map).expect("a ring");
    let mut times = Vec::new();
    for _ in 0..100 {
        let entered = ours.user.enter(None);
        let mut facts = RunFacts { cpu: entered.cpu(), ..RunFacts::default() };
        for record in 0..RING_SIZE / 24 - 1 {
            ours.once(operation, &[u64::from(record), 0], &mut facts);
        }
        drop(entered);
        let (start, mut sum) = (cpu_time(), 0);
        let count = reader.consume(|record| sum += u64::from(record[0])).expect("a sound ring");
        black_box(sum);
        times.push((cpu_time() - start) as f64 / count as f64);
    }
    let (least, median) = summary(times, 0.0);
    println!("\nring consumer: {least:.1} ({median:.1}) ns a record, {:.0} million a second", 1000.0 / least);
}

/// How much slower a lookup gets when another thread looks up in the same map.
fn two_threads(entries: u32) {
    for operation in OPERATIONS.iter().filter(|operation| operation.what == What::Lookup) {
        let ours = Ours::new(operation, entries);
        let alone = least((1..=5).map(|seed| ours.round(operation, entries, seed)));
        let ours = &ours;
        let both = least((1..=5).map(|seed| {
            std::thread::scope(|scope| {
                let other = scope.spawn(move || ours.round(operation, entries, seed + 100));
                let mine = ours.round(operation, entries, seed);
                mine.max(other.join().expect("no panic"))
            })
        }));
        println!("| {} | {entries} | {alone:.1} | {both:.1} | {:.2} |", operation.name, both / alone);
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let wanted = arguments.next().unwrap_or_default();
    let only: Option<u32> = arguments.next().map(|number| number.parse().expect("a number of entries"));
    let linux = linux();
    println!("| operation | entries | here, ns: least (median) | Linux | Linux / here |\n|---|---|---|---|---|");
    for operation in OPERATIONS.iter().filter(|operation| operation.name.contains(&wanted)) {
        let sizes = if operation.what == What::Ring { &SIZES[..1] } else { &SIZES[..] };
        for entries in sizes.iter().filter(|size| only.is_none_or(|only| **size == only)) {
            compare(linux.as_ref(), operation, *entries);
        }
    }
    if "ring consumer".contains(&wanted) {
        consume();
    }
    if wanted.is_empty() {
        println!("\n| two threads | entries | alone, ns | both | ratio |\n|---|---|---|---|---|");
        two_threads(SIZES[0]);
        two_threads(SIZES[2]);
    }
}
