//! Programs do the same on both kernels: verdict of the verifier, result, packet and maps after a test run.

#[path = "support/program_cases.rs"]
mod program_cases;
mod support;

use program_cases::{CASES, Case};
use skep_abi::attach_type::AttachType;
use skep_abi::command::{ElementFlags, MapCreate, MapFreeze, ProgLoad, ProgTestRun, Reply};
use skep_abi::helper;
use skep_abi::map_type::{MapFlags, MapType};
use skep_abi::program_type::ProgramType;
use skep_engine::Mode;
use skep_isa::Slot;
use skep_isa::text::{Names, assemble_with};
use skep_kernel::{Errno, Handle, Kernel, calls};
use skep_user::{Config, UserKernel};
use std::sync::Arc;
use support::{linux, user_like};

/// The maps that every program may use.
struct Maps {
    /// Eight numbers of eight bytes: where programs leave results.
    results: Handle,
    /// 4 → 8 bytes, four entries.
    hash: Handle,
    queue: Handle,
    ring: Handle,
    programs: Handle,
    events: Handle,
    /// A constant text.
    text: Handle,
    /// 64 bytes of text that programs write.
    output: Handle,
}

fn create(kernel: &Arc<dyn Kernel>, map_type: MapType, sizes: (u32, u32, u32), map_flags: MapFlags) -> Handle {
    let (key_size, value_size, max_entries) = sizes;
    let command =
        MapCreate { map_type: map_type.number(), key_size, value_size, max_entries, map_flags, ..Default::default() };
    calls::map_create(kernel, command).expect("a map that both kernels have")
}

const ZERO: [u8; 4] = [0; 4];

impl Maps {
    fn new(kernel: &Arc<dyn Kernel>, text: &str) -> Maps {
        let none = MapFlags::empty();
        let maps = Maps {
            results: create(kernel, MapType::Array, (4, 64, 1), none),
            hash: create(kernel, MapType::Hash, (4, 8, 4), none),
            queue: create(kernel, MapType::Queue, (0, 8, 2), none),
            ring: create(kernel, MapType::Ringbuf, (0, 0, 4096), none),
            programs: create(kernel, MapType::ProgArray, (4, 4, 4), none),
            events: create(kernel, MapType::PerfEventArray, (4, 4, 4), none),
            text: create(kernel, MapType::Array, (4, 64, 1), MapFlags::RDONLY_PROG),
            output: create(kernel, MapType::Array, (4, 64, 1), none),
        };
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(64, 0);
        let any = ElementFlags::empty();
        calls::map_update_elem(&**kernel, maps.text.fd(), &ZERO, &bytes, any).expect("not frozen yet");
        kernel.bpf(MapFreeze { map_fd: maps.text.fd() }.into()).expect("freeze");
        maps
    }
}

impl Names for Maps {
    fn helper(&self, name: &str) -> Option<i32> {
        helper::by_name(name.strip_prefix("bpf_").unwrap_or(name)).map(|helper| helper.id as i32)
    }

    fn map(&self, name: &str) -> Option<i32> {
        Some(match name {
            "results" => self.results.fd(),
            "hash" => self.hash.fd(),
            "queue" => self.queue.fd(),
            "ring" => self.ring.fd(),
            "programs" => self.programs.fd(),
            "events" => self.events.fd(),
            "text" => self.text.fd(),
            "output" => self.output.fd(),
            _ => return None,
        })
    }
}

/// What became of a case.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Refused(Errno),
    Ran { reply: Reply, packet: Vec<u8>, results: Vec<u64>, output: String, tag: [u8; 8] },
    Failed(Errno),
}

fn load(kernel: &Arc<dyn Kernel>, case: &Case, maps: &Maps) -> Result<Handle, (Errno, String)> {
    let slots = assemble_with(case.program, maps).unwrap_or_else(|e| panic!("{}: {e}", case.name)).slots;
    let insns = Slot::write_program(&slots);
    let mut log = vec![0; 1 << 16];
    let expected_attach_type = match case.program_type {
        ProgramType::Xdp => AttachType::Xdp.number(),
        _ => 0,
    };
    let command = ProgLoad {
        prog_type: case.program_type.number(),
        insns: &insns,
        license: Some(c"GPL"),
        log_level: 1,
        log_buf: &mut log,
        expected_attach_type,
        ..Default::default()
    };
    calls::prog_load(kernel, command).map(|(handle, _)| handle).map_err(|failure| {
        let end = log.iter().position(|b| *b == 0).unwrap_or(log.len());
        (failure.errno, String::from_utf8_lossy(&log[..end]).into_owned())
    })
}

fn carry_out(kernel: &Arc<dyn Kernel>, case: &Case) -> (Outcome, String) {
    let maps = Maps::new(kernel, case.text);
    let program = match load(kernel, case, &maps) {
        Ok(program) => program,
        Err((errno, log)) => return (Outcome::Refused(errno), log),
    };
    // The program is in the array that it may tail-call.
    let any = ElementFlags::empty();
    let ret = Case { program: "r0 = 77\nexit", ..*case };
    let target = load(kernel, &ret, &maps).expect("a trivial program");
    let index = 1u32.to_ne_bytes();
    calls::map_update_elem(&**kernel, maps.programs.fd(), &index, &target.fd().to_ne_bytes(), any).expect("its kind");
    let mut packet = vec![0xaa; 300];
    let command =
        ProgTestRun { prog_fd: program.fd(), data_in: case.packet, data_out: &mut packet, ..Default::default() };
    let mut reply = match kernel.bpf(command.into()) {
        Ok(reply) => reply,
        Err(failure) => return (Outcome::Failed(failure.errno), String::new()),
    };
    if let Reply::TestRun { duration_ns, .. } = &mut reply {
        *duration_ns = 0;
    }
    let mut results = [0; 64];
    calls::map_lookup_elem(&**kernel, maps.results.fd(), &ZERO, &mut results, any).expect("array");
    let mut output = [0; 64];
    calls::map_lookup_elem(&**kernel, maps.output.fd(), &ZERO, &mut output, any).expect("array");
    let tag = calls::prog_info(&**kernel, program.fd()).expect("info").tag;
    let results = results.as_chunks::<8>().0.iter().map(|n| u64::from_ne_bytes(*n)).collect();
    let output = String::from_utf8_lossy(&output).trim_end_matches('\0').to_owned();
    (Outcome::Ran { reply, packet, results, output, tag }, String::new())
}

/// Compares all cases on two kernels.
fn compare(ours: &Arc<dyn Kernel>, theirs: &Arc<dyn Kernel>) {
    let mut differences = Vec::new();
    for case in CASES {
        let (one, log) = carry_out(ours, case);
        let (other, other_log) = carry_out(theirs, case);
        if one != other {
            let last = |log: &str| log.lines().rev().take(3).collect::<Vec<_>>().join(" / ");
            differences.push(format!("{}:\n  {one:x?} {}\n  {other:x?} {}", case.name, last(&log), last(&other_log)));
        }
    }
    assert!(differences.is_empty(), "{} of {}:\n{}", differences.len(), CASES.len(), differences.join("\n"));
}

#[test]
fn programs_do_as_on_linux() {
    let Some(linux) = linux("programs") else { return };
    compare(&user_like(&linux), &linux);
}

#[test]
fn programs_do_the_same_in_every_engine() {
    let kernel = |mode| UserKernel::new(Config { mode, ..Config::deterministic() }) as Arc<dyn Kernel>;
    compare(&kernel(Mode::Sandbox), &kernel(Mode::Interpreter));
    compare(&kernel(Mode::Jit), &kernel(Mode::Interpreter));
}
