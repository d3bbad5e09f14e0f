//! Loading cases into the Linux that runs the tests.
//!
//! A program that needs a loader with fewer capabilities is loaded by a thread that has given them up.

use super::{Case, MapLine};
use libtest_mimic::Failed;
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use skep_abi::command::{BtfLoad, ElementFlags, MapCreate, ObjectName, ProgLoad, ProgramFlags};
use skep_abi::map_type::ValueKind;
use skep_btf::{Btf, Endian};
use skep_isa::Slot;
use skep_kernel::{Errno, Handle, Kernel, calls};
use skep_linux::LinuxKernel;
use skep_verifier::Capabilities;
use std::sync::Arc;

/// Room for a log of a million instructions.
const LOG_BYTES: usize = 32 << 20;

/// Where arenas are said to be in user space; nobody looks into them.
const ARENA_ADDRESS: u64 = 1 << 44;

/// The Linux kernel, if this process may load programs into it.
pub(crate) fn kernel() -> Option<Arc<dyn Kernel>> {
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

/// The BTF that a case declares, for its maps and its program: both must have the same.
pub(crate) fn load_types(kernel: &Arc<dyn Kernel>, btf: &Btf) -> Result<Handle, Failed> {
    let bytes = btf.to_bytes(Endian::Little).map_err(|error| error.to_string())?;
    let loaded = calls::btf_load(kernel, BtfLoad { btf: &bytes, ..BtfLoad::default() });
    Ok(loaded.map_err(|failure| format!("BTF: {}", failure.errno))?.0)
}

pub(crate) fn create_maps(
    kernel: &Arc<dyn Kernel>,
    case: &Case,
    types: Option<&Handle>,
) -> Result<Vec<(String, Handle)>, Failed> {
    let create = |map: MapLine| {
        let facts = &map.facts;
        let (key, value) = match &facts.value_type {
            Some((btf, value)) => (btf.find(skep_btf::Kind::Int, "int").map_or(0, |id| id.0), value.0),
            None => (0, 0),
        };
        let command = MapCreate {
            map_type: facts.map_type.number(),
            key_size: facts.key_size,
            value_size: facts.value_size,
            max_entries: facts.max_entries,
            map_flags: facts.flags,
            btf_fd: types.filter(|_| value != 0).map_or(0, Handle::fd),
            btf_key_type_id: key,
            btf_value_type_id: value,
            map_name: ObjectName::lossy(&map.name),
            map_extra: if facts.map_type.info().value_kind == ValueKind::Pages { ARENA_ADDRESS } else { 0 },
            ..MapCreate::default()
        };
        let handle = calls::map_create(kernel, command).map_err(|errno| format!("map {}: {errno}", map.name))?;
        if let Some(bytes) = &facts.frozen {
            calls::map_update_elem(&**kernel, handle.fd(), &0_u32.to_le_bytes(), bytes, ElementFlags::empty())
                .and_then(|()| calls::map_freeze(&**kernel, handle.fd()))
                .map_err(|errno| format!("contents of map {}: {errno}", map.name))?;
        }
        Ok((map.name, handle))
    };
    case.maps()?.into_iter().map(create).collect()
}

/// The program, or why not: the errno and the log.
pub(crate) type Answer = Result<Handle, (Errno, String)>;

/// Loads a case whose instructions name maps by their descriptors.
pub(crate) fn load(
    kernel: &Arc<dyn Kernel>,
    case: &Case,
    types: Option<&Handle>,
    insns: &[Slot],
    more: ProgramFlags,
) -> Result<Answer, Failed> {
    let bytes = Slot::write_program(insns);
    let mut flags = more;
    flags.set(ProgramFlags::STRICT_ALIGNMENT, case.has_flag("strict_alignment"));
    flags.set(ProgramFlags::ANY_ALIGNMENT, case.has_flag("any_alignment"));
    flags.set(ProgramFlags::SLEEPABLE, case.has_flag("sleepable"));
    flags.set(ProgramFlags::TEST_STATE_FREQ, case.has_flag("test_state_frequency"));
    let btf = case.btf(insns)?;
    let own = match &btf {
        Some((btf, _)) if types.is_none() => Some(load_types(kernel, btf)?),
        _ => None,
    };
    let btf_handle = types.or(own.as_ref());
    let records: Vec<u8> = btf
        .iter()
        .flat_map(|(_, functions)| functions)
        .flat_map(|(slot, id)| [slot.to_le_bytes(), id.0.to_le_bytes()].concat())
        .collect();
    // What the program is attached to, loaded likewise.
    let attached_to = match case.target_case() {
        Some(target) => {
            let insns = target.assemble(&[], super::kernel_types::LINUX.as_ref().ok_or("Linux has no BTF")?)?;
            let loaded = load(kernel, target, None, &insns, ProgramFlags::empty())?;
            Some(loaded.map_err(|(errno, log)| format!("the target: {errno}\n{log}"))?)
        }
        None => None,
    };
    let target = match &*super::kernel_types::LINUX {
        Some(types) => case.attach_target(types)?,
        None => None,
    };
    let member = super::kernel_types::LINUX.as_ref().and_then(|types| case.interface_member(types));
    let attach_type = case.attach_type()?.map_or(0, |attach| attach.number());
    let mut log = vec![0; LOG_BYTES];
    let command = ProgLoad {
        prog_type: case.program_type()?.number(),
        expected_attach_type: member.map_or(attach_type, |(_, index)| index),
        attach_prog_fd: attached_to.as_ref().map_or(0, Handle::fd),
        attach_btf_id: member.map_or(target.map_or(0, |target| target.id.0), |(interface, _)| interface.0),
        insns: &bytes,
        license: Some(if case.gpl_compatible() { c"GPL" } else { c"Proprietary" }),
        log_level: 1,
        log_buf: &mut log,
        prog_flags: flags,
        prog_btf_fd: btf_handle.map_or(0, Handle::fd),
        func_info_rec_size: if records.is_empty() { 0 } else { 8 },
        func_info: &records,
        ..ProgLoad::default()
    };
    let outcome =
        with_capabilities(case.capabilities()?, || calls::prog_load(kernel, command).map(|(program, _)| program))?;
    Ok(outcome.map_err(|failure| {
        let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
        (failure.errno, String::from_utf8_lossy(&log[..end]).into_owned())
    }))
}

impl Case {
    /// What it declares, in Linux.
    pub(crate) fn types_in(&self, kernel: &Arc<dyn Kernel>) -> Result<Option<Handle>, Failed> {
        self.declared.as_ref().map(|declared| load_types(kernel, &declared.btf)).transpose()
    }

    /// Whether this Linux keeps such programs out whatever they are, as some policies do, or has nothing they could be
    /// for: its verifier is not asked.
    pub(crate) fn is_withheld(&self, kernel: &Arc<dyn Kernel>) -> bool {
        let (Ok(program_type), Ok(attach_type)) = (self.program_type(), self.attach_type()) else { return false };
        if let Some(interface) = self.get("interface") {
            let types = super::kernel_types::LINUX.as_ref();
            return types.is_none_or(|types| types.find(skep_btf::Kind::Struct, interface).is_none());
        }
        if self.get("target").is_none() {
            return false;
        }
        let insns = skep_isa::text::assemble("r0 = 0\nexit").expect("a program");
        let probe = ProgLoad {
            prog_type: program_type.number(),
            expected_attach_type: attach_type.map_or(0, |attach| attach.number()),
            attach_btf_id: 1,
            insns: &Slot::write_program(&insns),
            license: Some(c"GPL"),
            ..ProgLoad::default()
        };
        calls::prog_load(kernel, probe).is_err_and(|failure| failure.errno == Errno::EPERM)
    }
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
