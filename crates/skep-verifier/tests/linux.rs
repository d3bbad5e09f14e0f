//! The same programs as in `programs.rs`, loaded into the Linux that runs the tests: same verdict, same message, same
//! errno.
//!
//! Linux's message is looked for among the lines of its log, since it prints states after some messages. A program
//! that needs a loader with fewer capabilities is loaded by a thread that has given them up.

mod common;

use common::{Case, Expected, files, kernel_types};
use libtest_mimic::{Arguments, Failed, Trial};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use skep_abi::command::{BtfLoad, MapCreate, ObjectName, ProgLoad, ProgramFlags};
use skep_btf::Endian;
use skep_isa::Slot;
use skep_kernel::{Errno, Handle, Kernel, calls};
use skep_linux::LinuxKernel;
use skep_verifier::Capabilities;
use std::sync::Arc;

/// Room for a log of a million instructions.
const LOG_BYTES: usize = 32 << 20;

fn main() {
    let arguments = Arguments::from_args();
    let Some(kernel) = kernel() else { return };
    let mut trials = Vec::new();
    for (path, cases) in files() {
        let file = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for case in cases {
            let name = format!("{file}::{}", case.name);
            let kernel = kernel.clone();
            // Some rules are for loaders that this kernel's settings may keep out altogether.
            let ignored = case.get("capabilities") == Some("none");
            trials.push(Trial::test(name, move || check(&kernel, &case)).with_ignored_flag(ignored));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// The Linux kernel, if this process may load programs into it.
fn kernel() -> Option<Arc<dyn Kernel>> {
    let why = match LinuxKernel::open() {
        Err(error) => error.to_string(),
        Ok(kernel) => {
            let kernel: Arc<dyn Kernel> = kernel;
            let insns = skep_isa::text::assemble("r0 = 0\nexit").expect("a program");
            let insns = Slot::write_program(&insns);
            let probe = ProgLoad { prog_type: 1, insns: &insns, license: Some(c"GPL"), ..ProgLoad::default() };
            match calls::prog_load(&kernel, probe) {
                Ok(_) => return Some(kernel),
                Err(failure) => format!("programs cannot be loaded into Linux: {}", failure.errno),
            }
        }
    };
    skep_testing::skip(&why);
    None
}

fn check(kernel: &Arc<dyn Kernel>, case: &Case) -> Result<(), Failed> {
    let maps = create_maps(kernel, case)?;
    let names: Vec<(String, i32)> = maps.iter().map(|(name, handle)| (name.clone(), handle.fd())).collect();

    let kernel_types = kernel_types::LINUX.as_ref().ok_or("Linux has no BTF at /sys/kernel/btf/vmlinux")?;
    let insns = case.assemble(&names, kernel_types)?;
    let answer = load(kernel, case, &insns)?;
    let Expected { verdict, message } = &case.expected;
    match (answer, verdict.as_str()) {
        (Ok(()), "accept") => Ok(()),
        (Ok(()), _) => Err(format!("Linux accepts it; we say: {message}").into()),
        (Err((errno, log)), "accept") => Err(format!("Linux refuses it ({errno}):\n{log}").into()),
        (Err((errno, log)), _) => {
            // Some of Linux's messages lack their line end.
            if !log.lines().any(|line| line == message || line.starts_with(&format!("{message}processed "))) {
                return Err(format!("we say: {message}\nLinux's log:\n{log}").into());
            }
            let ours = case.errno()?;
            // A log that does not fit has its own errno.
            let same = ours == errno.0 || errno == Errno::ENOSPC;
            if same { Ok(()) } else { Err(format!("Linux's errno is {errno}, ours {ours}: {message}").into()) }
        }
    }
}

fn create_maps(kernel: &Arc<dyn Kernel>, case: &Case) -> Result<Vec<(String, Handle)>, Failed> {
    let create = |map: common::MapLine| {
        let facts = &map.facts;
        let command = MapCreate {
            map_type: facts.map_type.number(),
            key_size: facts.key_size,
            value_size: facts.value_size,
            max_entries: facts.max_entries,
            map_flags: facts.flags,
            map_name: ObjectName::lossy(&map.name),
            ..MapCreate::default()
        };
        let handle = calls::map_create(kernel, command).map_err(|errno| format!("map {}: {errno}", map.name))?;
        Ok((map.name, handle))
    };
    case.maps()?.into_iter().map(create).collect()
}

type Answer = Result<(), (Errno, String)>;

fn load(kernel: &Arc<dyn Kernel>, case: &Case, insns: &[Slot]) -> Result<Answer, Failed> {
    let bytes = Slot::write_program(insns);
    let mut flags = ProgramFlags::empty();
    flags.set(ProgramFlags::STRICT_ALIGNMENT, case.has_flag("strict_alignment"));
    flags.set(ProgramFlags::ANY_ALIGNMENT, case.has_flag("any_alignment"));
    flags.set(ProgramFlags::TEST_STATE_FREQ, case.has_flag("test_state_frequency"));
    let btf = case.btf(insns);
    let btf_handle = match &btf {
        Some((btf, _)) => {
            let bytes = btf.to_bytes(Endian::Little).map_err(|error| error.to_string())?;
            let loaded = calls::btf_load(kernel, BtfLoad { btf: &bytes, ..BtfLoad::default() });
            Some(loaded.map_err(|failure| format!("BTF: {}", failure.errno))?.0)
        }
        None => None,
    };
    let records: Vec<u8> = btf
        .iter()
        .flat_map(|(_, functions)| functions)
        .flat_map(|(slot, id)| [slot.to_le_bytes(), id.0.to_le_bytes()].concat())
        .collect();
    let mut log = vec![0; LOG_BYTES];
    let command = ProgLoad {
        prog_type: case.program_type()?.number(),
        expected_attach_type: case.attach_type()?.map_or(0, |attach| attach.number()),
        insns: &bytes,
        license: Some(if case.gpl_compatible() { c"GPL" } else { c"Proprietary" }),
        log_level: 1,
        log_buf: &mut log,
        prog_flags: flags,
        prog_btf_fd: btf_handle.as_ref().map_or(0, Handle::fd),
        func_info_rec_size: if records.is_empty() { 0 } else { 8 },
        func_info: &records,
        ..ProgLoad::default()
    };
    let outcome = with_capabilities(case.capabilities()?, || calls::prog_load(kernel, command).map(drop))?;
    Ok(outcome.map_err(|failure| {
        let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
        (failure.errno, String::from_utf8_lossy(&log[..end]).into_owned())
    }))
}

/// Runs something on this thread with no more than these capabilities.
fn with_capabilities<T>(wanted: Capabilities, run: impl FnOnce() -> T) -> Result<T, Failed> {
    let table = [
        (Capabilities::BPF, CapabilitySet::BPF),
        (Capabilities::PERFMON, CapabilitySet::PERFMON),
        (Capabilities::NET_ADMIN, CapabilitySet::NET_ADMIN),
        (Capabilities::SYS_ADMIN, CapabilitySet::SYS_ADMIN),
    ];
    if wanted == Capabilities::all() {
        return Ok(run());
    }
    let before = capabilities(None).map_err(|error| error.to_string())?;
    let mut fewer = before;
    for (ours, theirs) in table {
        if !wanted.contains(ours) {
            fewer.effective.remove(theirs);
        }
    }
    set_capabilities(None, fewer).map_err(|error| error.to_string())?;
    let result = run();
    set_capabilities(None, before).map_err(|error| error.to_string())?;
    Ok(result)
}
