//! The verifier against random programs: what it accepts touches nothing that it must not, and does the same as on Linux.
//!
//! `SKEP_RANDOM_PROGRAMS=100000` asks for that many programs, `SKEP_RANDOM_SEED=7` for others than the usual ones. One
//! program alone is shown with both verifiers' logs. The fuzz target `soundness` makes programs of a fuzzer's choices.

#[path = "support/random_program.rs"]
mod random_program;
mod support;

use random_program::{Choices, Refers, VALUE, random_program};
use skep_abi::attach_type::AttachType;
use skep_abi::command::{ElementFlags, MapCreate, ProgLoad, ProgTestRun};
use skep_abi::map_type::MapType;
use skep_abi::program_type::ProgramType;
use skep_engine::Mode;
use skep_isa::Slot;
use skep_isa::text::Listing;
use skep_kernel::{Handle, Kernel, calls};
use skep_user::devices::Frame;
use skep_user::hooks::{Hook, PacketEvent, Xdp};
use skep_user::{Config, UserKernel};
use skep_verifier::Capabilities;
use std::collections::BTreeMap;
use std::sync::Arc;
use support::linux;

/// Reproducible numbers (SplitMix64).
struct Seeded(u64);

impl Choices for Seeded {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) >> 32) as u32) % limit
    }
}

/// How many programs were asked for.
fn programs(usual: u64) -> u64 {
    number_of("SKEP_RANDOM_PROGRAMS", usual)
}

fn number_of(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}

/// A kernel with the maps that the programs refer to.
struct Tested {
    kernel: Arc<dyn Kernel>,
    array: Handle,
    hash: Handle,
}

impl Tested {
    fn new(kernel: Arc<dyn Kernel>) -> Tested {
        let create = |map_type: MapType, max_entries| {
            let value_size = VALUE as u32;
            let map_type = map_type.number();
            calls::map_create(
                &kernel,
                MapCreate { map_type, key_size: 4, value_size, max_entries, ..Default::default() },
            )
            .expect("maps that every kernel has")
        };
        Tested { array: create(MapType::Array, 1), hash: create(MapType::Hash, 4), kernel }
    }

    fn refers(&self) -> Refers {
        Refers { array: self.array.fd(), hash: self.hash.fd() }
    }

    /// The same values on every kernel. The second of the hash's keys 0 to 2 is missing.
    fn fill(&self, numbers: &mut impl Choices) {
        for (map, key) in [(&self.array, 0u32), (&self.hash, 0), (&self.hash, 2)] {
            let value: Vec<u8> = (0..VALUE / 8).flat_map(|_| interesting(numbers).to_ne_bytes()).collect();
            calls::map_update_elem(&*self.kernel, map.fd(), &key.to_ne_bytes(), &value, ElementFlags::empty())
                .expect("a key of the map");
        }
    }

    fn values(&self) -> Vec<Vec<u8>> {
        let look_up = |map: &Handle, key: u32| {
            let mut value = vec![0; VALUE as usize];
            calls::map_lookup_elem(&*self.kernel, map.fd(), &key.to_ne_bytes(), &mut value, ElementFlags::empty())
                .map(|()| value)
                .expect("a value that is there")
        };
        vec![look_up(&self.array, 0), look_up(&self.hash, 0), look_up(&self.hash, 2)]
    }

    fn load(&self, slots: &[Slot], log: &mut [u8]) -> Result<Handle, String> {
        let insns = Slot::write_program(slots);
        let log_level = if log.is_empty() { 0 } else { 1 + u32::from(programs(0) == 1) };
        let command = ProgLoad {
            prog_type: ProgramType::Xdp.number(),
            insns: &insns,
            license: Some(c"GPL"),
            log_level,
            log_buf: &mut *log,
            expected_attach_type: AttachType::Xdp.number(),
            ..Default::default()
        };
        match calls::prog_load(&self.kernel, command) {
            Ok((program, _)) => Ok(program),
            Err(failure) => {
                let end = log.iter().position(|b| *b == 0).unwrap_or(log.len());
                let text = String::from_utf8_lossy(&log[..end]);
                let mut lines = text.lines().rev().filter(|line| !line.starts_with("processed "));
                Err(format!("{:?}: {}", failure.errno, lines.next().unwrap_or("")))
            }
        }
    }

    fn test_run(&self, program: &Handle, packet: &[u8]) -> Result<(u32, Vec<u8>), String> {
        let mut data_out = vec![0; packet.len() + 512];
        let command =
            ProgTestRun { prog_fd: program.fd(), data_in: packet, data_out: &mut data_out, ..Default::default() };
        let run = calls::prog_test_run(&*self.kernel, command).map_err(|failure| format!("{:?}", failure.errno))?;
        data_out.truncate(run.data_size as usize);
        Ok((run.retval, data_out))
    }
}

/// Numbers near the borders of what fits in 8, 16, 32 and 64 bits, and others.
fn interesting(numbers: &mut impl Choices) -> u64 {
    let any = u64::from(numbers.below(u32::MAX)) << 32 | u64::from(numbers.below(u32::MAX));
    match numbers.below(8) {
        0 => 0,
        1 => u64::MAX,
        2 => any & 0xff,
        3 => 1 << (any & 63),
        4 => (1u64 << (any & 63)).wrapping_sub(1),
        5 => any as i32 as i64 as u64,
        6 => any & 0xffff_ffff,
        _ => any,
    }
}

/// Programs of this seed: the numbers that make them, their values and packets.
fn numbers_of(seed: u64) -> (Seeded, Seeded) {
    (Seeded(seed.wrapping_mul(0x5851_f42d_4c95_7f2d)), Seeded(seed ^ 0x1234_5678))
}

fn packets(numbers: &mut impl Choices) -> Vec<Vec<u8>> {
    let mut lengths = vec![14, 34 + numbers.below(200)];
    lengths.extend((0..4).map(|_| 14 + numbers.below(36)));
    lengths.iter().map(|len| (0..*len).map(|_| interesting(numbers) as u8).collect()).collect()
}

fn sandbox(capabilities: Capabilities) -> Arc<UserKernel> {
    UserKernel::new(Config { mode: Mode::Sandbox, budget: 10_000_000, capabilities, ..Config::deterministic() })
}

#[test]
fn accepted_programs_touch_only_what_they_may() {
    let kernel = sandbox(Capabilities::all());
    let tested = Tested::new(kernel.clone());
    let (first, count) = (number_of("SKEP_RANDOM_SEED", 1), programs(1500));
    let mut accepted = 0;
    let mut faults = Vec::new();
    for seed in first..first + count {
        let (mut choices, mut numbers) = numbers_of(seed);
        let slots = random_program(&mut choices, tested.refers());
        let Ok(program) = tested.load(&slots, &mut []) else { continue };
        accepted += 1;
        let program = kernel.program(program.fd()).expect("just loaded");
        for packet in packets(&mut numbers) {
            tested.fill(&mut numbers);
            let mut hook = Xdp::new();
            let frame = Frame { timestamp: Default::default(), original_len: packet.len() as u32, data: &packet };
            let outcome = kernel.run(&program, hook.enter(PacketEvent { frame, ifindex: 1 }));
            if let Some(fault) = outcome.fault {
                faults.push(format!("seed {seed}: {fault} on {packet:02x?}\n{}", Listing::new(&slots)));
                break;
            }
        }
    }
    eprintln!("{accepted} of {count} programs accepted");
    assert!(
        accepted * 6 > count || count < 100,
        "too few programs are accepted to say anything: {accepted} of {count}"
    );
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults[..faults.len().min(3)].join("\n"));
}

#[test]
fn verdicts_and_results_are_those_of_linux() {
    let Some(linux) = linux("verdicts_and_results_are_those_of_linux") else { return };
    let linux = Tested::new(linux);
    let ours = Tested::new(sandbox(Capabilities::all()));
    // Who may not see pointers cannot return them: such a program gives the same wherever its memory is.
    let careful = Tested::new(sandbox(Capabilities::BPF | Capabilities::NET_ADMIN));
    let (first, count) = (number_of("SKEP_RANDOM_SEED", 1), programs(250));
    let (mut both, mut compared, mut refused, mut same_reason) = (0, 0, 0, 0);
    let mut verdicts = BTreeMap::<String, Vec<u64>>::new();
    let mut differences = Vec::new();
    let [mut log, mut other_log] = [vec![0; 1 << 22], vec![0; 1 << 22]];
    for seed in first..first + count {
        let make = |tested: &Tested| random_program(&mut numbers_of(seed).0, tested.refers());
        let slots = make(&ours);
        if count == 1 {
            eprintln!("{}", Listing::new(&slots));
        }
        let (program, theirs) = match (ours.load(&slots, &mut log), linux.load(&make(&linux), &mut other_log)) {
            (Ok(ours), Ok(theirs)) => (ours, theirs),
            (Err(ours), Err(theirs)) => {
                same_reason += usize::from(ours == theirs);
                refused += 1;
                continue;
            }
            (Ok(_), Err(theirs)) => {
                verdicts.entry(format!("only Linux refuses: {theirs}")).or_default().push(seed);
                continue;
            }
            (Err(ours), Ok(_)) => {
                verdicts.entry(format!("only Linux accepts: {ours}")).or_default().push(seed);
                continue;
            }
        };
        both += 1;
        if careful.load(&make(&careful), &mut []).is_err() {
            continue;
        }
        compared += 1;
        let mut numbers = numbers_of(seed).1;
        for packet in packets(&mut numbers) {
            let run = |tested: &Tested, program| {
                tested.fill(&mut Seeded(seed));
                (tested.test_run(program, &packet), tested.values())
            };
            let (ours, theirs) = (run(&ours, &program), run(&linux, &theirs));
            if ours != theirs {
                differences.push(format!(
                    "seed {seed}: {ours:02x?}\nLinux {theirs:02x?}\non {packet:02x?}\n{}",
                    Listing::new(&slots)
                ));
                break;
            }
        }
    }
    if count == 1 {
        for log in [&log, &other_log] {
            eprintln!("{}\n======", String::from_utf8_lossy(log).trim_end_matches('\0'));
        }
    }
    let disagreements: usize = verdicts.values().map(Vec::len).sum();
    eprintln!(
        "{both} of {count} accepted by both, {compared} of them compared; {refused} refused by both, {same_reason} of them \
         for the same reason; {disagreements} verdicts differ"
    );
    for (verdict, seeds) in &verdicts {
        eprintln!("{:5} {verdict} (seeds {:?})", seeds.len(), &seeds[..seeds.len().min(5)]);
    }
    assert!(
        differences.is_empty(),
        "{} differ\n{}",
        differences.len(),
        differences[..differences.len().min(3)].join("\n")
    );
    // Bounds are tracked a little better here and there by the one or the other, which changes from version to version.
    assert!(count < 100 || disagreements as u64 * 33 <= count, "{disagreements} verdicts of {count} differ");
}
