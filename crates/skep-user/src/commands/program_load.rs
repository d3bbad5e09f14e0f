//! `BPF_PROG_LOAD`.

use super::linker::ProgramLinker;
use super::program_log;
use crate::kernel::UserKernel;
use crate::maps::Kind;
use crate::objects::{Access, BtfObject, LoadRecord, Map, MapReference, Object, Program, TailCallTraits};
use crate::statistics::ProgramStatistics;
use crate::world::ClockKind;
use sha2::{Digest, Sha256};
use skep_abi::attach_type::AttachType;
use skep_abi::command::{Failure, ObjectName, ProgLoad, ProgramFlags, Reply};
use skep_abi::errno::Errno;
use skep_abi::program_type::{ContextInfo, ProgramType};
use skep_btf::TypeId;
use skep_engine::{CompileOptions, Executable, LinkError, Linker as _, Mode};
use skep_isa::{Imm64, Slot};
use skep_verifier::{
    AttachTarget, Claims, Extent, LineInfo, LogLevel, MapFacts, Options, ProgramBtf, Rejection, Verified, verify,
};
use std::ffi::CStr;
use std::sync::{Arc, Mutex};

/// Most slots that a client with CAP_BPF may load.
const MOST_SLOTS: usize = 1_000_000;
/// `lddw`, and its pseudo sources that name maps.
const LDDW: u8 = 0x18;
const MAP_FD: u8 = 1;
const MAP_VALUE: u8 = 2;
const MAP_INDEX: u8 = 5;
const MAP_INDEX_VALUE: u8 = 6;
/// A call, and what marks it as one of a kernel function.
const CALL: u8 = 0x85;
const KFUNC_CALL: u8 = 2;

/// Licences that the kernel takes for compatible with the GPL.
const GPL_COMPATIBLE: [&[u8]; 6] =
    [b"GPL", b"GPL v2", b"GPL and additional rights", b"Dual BSD/GPL", b"Dual MIT/GPL", b"Dual MPL/GPL"];

/// First slot and type of each function.
type Functions = Vec<(u32, TypeId)>;

/// What a load brings, checked and resolved.
struct Request {
    program_type: ProgramType,
    attach_type: Option<AttachType>,
    attach_target: Option<AttachTarget>,
    attached_to: Option<Arc<Program>>,
    gpl_compatible: bool,
    flags: ProgramFlags,
    insns: Vec<Slot>,
    tag: [u8; 8],
    maps: Vec<(i32, MapReference)>,
    btf: Option<Arc<BtfObject>>,
    functions: Functions,
    lines: Vec<LineInfo>,
    func_info: Vec<u8>,
    line_info: Vec<u8>,
}

/// A refusal before the verifier: an errno, with a message for the log where Linux has one.
struct Refusal {
    errno: Errno,
    message: String,
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Refusal { errno, message: String::new() }
    }
}

fn refuse(errno: Errno, message: impl Into<String>) -> Refusal {
    Refusal { errno, message: message.into() }
}

impl UserKernel {
    pub(super) fn program_load(&self, command: ProgLoad<'_>) -> Result<Reply, Failure> {
        program_log::check(command.log_buf, command.log_level)?;
        let name = super::check_name(command.prog_name)?;
        let loaded = self.load_request(&command).and_then(|request| {
            let (result, claims) = self.verify(&request, command.log_level);
            self.link(&name, request, result, claims)
        });
        let (program, log) = match loaded {
            Ok((make, log)) => (Ok(make), log),
            Err(Refusal { errno, message }) => (Err(errno), message),
        };
        let written = program_log::fill(command.log_buf, command.log_level, &log);
        let log_true_size = if command.log_level == 0 { 0 } else { log.len() as u32 + 1 };
        let failed = |errno| Failure { errno, reply: Reply::Log { log_true_size } };
        written.map_err(failed)?;
        let make = program.map_err(failed)?;
        let program = self.programs.assign(|id| Program { id, name, ..make });
        let fd = self.descriptors.open(Object::Program(program), Access::FULL)?;
        Ok(Reply::Loaded { fd, log_true_size })
    }

    fn load_request(&self, command: &ProgLoad<'_>) -> Result<Request, Refusal> {
        let known = ProgramFlags::STRICT_ALIGNMENT
            | ProgramFlags::ANY_ALIGNMENT
            | ProgramFlags::TEST_RND_HI32
            | ProgramFlags::TEST_STATE_FREQ
            | ProgramFlags::SLEEPABLE
            | ProgramFlags::XDP_HAS_FRAGS
            | ProgramFlags::TEST_REG_INVARIANTS;
        if !known.contains(command.prog_flags) || command.prog_ifindex != 0 || !command.signature.is_empty() {
            return Err(Errno::EINVAL.into());
        }
        let license = command.license.ok_or(Errno::EFAULT)?;
        let insns = Slot::read_program(command.insns).map_err(|_| Errno::EINVAL)?;
        if insns.is_empty() || insns.len() > MOST_SLOTS {
            return Err(Errno::E2BIG.into());
        }
        let program_type = ProgramType::from_number(command.prog_type).ok_or(Errno::EINVAL)?;
        let attach_type = check_attach_type(program_type, command.expected_attach_type)?;
        let attached_to = match command.attach_prog_fd {
            0 => None,
            fd => Some(self.descriptors.program(fd)?),
        };
        let attach_target =
            self.attach_target(program_type, attach_type, command.attach_btf_id, attached_to.as_deref())?;
        let btf = match command.prog_btf_fd {
            0 => None,
            fd => Some(self.descriptors.btf(fd)?).filter(|btf| !btf.is_kernel()),
        };
        let (functions, func_info) = read_functions(command, btf.as_deref())?;
        let (lines, line_info) = read_lines(command, btf.as_deref(), insns.len())?;
        let tag = tag(&insns);
        self.check_module_calls(&insns, command.fd_array)?;
        let insns = resolve_indices(insns, command.fd_array)?;
        let maps = self.maps_of(&insns)?;
        Ok(Request {
            program_type,
            attach_type,
            attach_target,
            attached_to,
            gpl_compatible: is_gpl_compatible(license),
            flags: command.prog_flags,
            insns,
            tag,
            maps,
            btf,
            functions,
            lines,
            func_info,
            line_info,
        })
    }

    /// What a BTF-typed program attaches to.
    fn attach_target(
        &self,
        program_type: ProgramType,
        attach_type: Option<AttachType>,
        id: u32,
        of: Option<&Program>,
    ) -> Result<Option<AttachTarget>, Refusal> {
        if id == 0 {
            let typed =
                matches!(program_type.info().context, ContextInfo::Btf) && program_type != ProgramType::StructOps;
            if typed {
                return Err(refuse(Errno::EINVAL, "Tracing programs must provide btf_id\n"));
            }
            return Ok(None);
        }
        let id = TypeId(id);
        if let Some(program) = of {
            return function_of_program(program_type, program, id).map(Some);
        }
        if attach_type == Some(AttachType::StructOps) {
            return Err(Errno::EOPNOTSUPP.into());
        }
        let btf = &self.kernel_btf.btf;
        if btf.get(id).is_none() {
            return Err(refuse(Errno::EINVAL, format!("attach_btf_id {} is not found\n", id.0)));
        }
        Ok(Some(AttachTarget { name: btf.name(id).to_owned(), id, interface: None, program: None }))
    }

    /// This kernel has no modules: what calls name as one is something else. (Calls without an array are the verifier's to
    /// refuse.)
    fn check_module_calls(&self, insns: &[Slot], fd_array: &[u8]) -> Result<(), Refusal> {
        let names_module = |slot: &&Slot| slot.opcode == CALL && slot.src == KFUNC_CALL && slot.offset > 0;
        let Some(slot) = insns.iter().find(names_module).filter(|_| !fd_array.is_empty()) else { return Ok(()) };
        let place = usize::from(slot.offset.unsigned_abs()) * 4;
        let fd = fd_array.get(place..).and_then(|bytes| bytes.first_chunk()).ok_or(Errno::EFAULT)?;
        match self.descriptors.btf(i32::from_ne_bytes(*fd)) {
            Ok(_) => Err(refuse(Errno::EINVAL, "BTF fd for kfunc is not a module BTF\n")),
            Err(errno) => Err(refuse(errno, "invalid module BTF fd specified\n")),
        }
    }

    /// The maps that instructions name, each once.
    fn maps_of(&self, insns: &[Slot]) -> Result<Vec<(i32, MapReference)>, Refusal> {
        let mut maps: Vec<(i32, MapReference)> = Vec::new();
        let mut slots = insns.iter();
        while let Some(slot) = slots.next() {
            if slot.opcode != LDDW {
                continue;
            }
            slots.next();
            if matches!(slot.src, MAP_FD | MAP_VALUE) && !maps.iter().any(|(fd, _)| *fd == slot.imm) {
                let (map, _) = self
                    .descriptors
                    .map(slot.imm)
                    .map_err(|errno| refuse(errno, format!("fd {} is not pointing to valid bpf_map\n", slot.imm)))?;
                maps.push((slot.imm, map));
            }
        }
        Ok(maps)
    }

    /// The verdict; in the paranoid mode with what is claimed of the program, unless that is too much.
    fn verify(&self, request: &Request, log_level: u32) -> (Result<Verified, Box<Rejection>>, Option<Arc<Claims>>) {
        if self.config.mode != Mode::Paranoid {
            let verdict = self.as_verifier_sees(request, log_level, verify);
            return (verdict.map_err(Box::new), None);
        }
        match self.as_verifier_sees(request, log_level, Claims::of) {
            Ok((verified, claims)) => {
                (Ok(verified), Some(claims).filter(|c| c.extent() != Extent::Nothing).map(Arc::new))
            }
            Err(rejection) => (Err(Box::new(rejection)), None),
        }
    }

    /// Hands a request to the verifier.
    fn as_verifier_sees<T>(
        &self,
        request: &Request,
        log_level: u32,
        verify: impl FnOnce(&skep_verifier::Program<'_>, &Options<'_>) -> T,
    ) -> T {
        let facts: Vec<(i32, MapFacts)> = request.maps.iter().map(|(fd, map)| (*fd, map.facts())).collect();
        let btf = request.btf.as_ref().map(|object| ProgramBtf {
            btf: &object.btf,
            functions: &request.functions,
            lines: &request.lines,
        });
        let program = skep_verifier::Program {
            name: "",
            insns: &request.insns,
            program_type: request.program_type,
            attach_type: request.attach_type,
            attach_target: request.attach_target.clone(),
            gpl_compatible: request.gpl_compatible,
            sleepable: request.flags.contains(ProgramFlags::SLEEPABLE),
            xdp_has_frags: request.flags.contains(ProgramFlags::XDP_HAS_FRAGS),
            maps: &facts,
            modules: &[],
            btf,
        };
        let options = Options {
            capabilities: self.config.capabilities,
            strict_alignment: request.flags.contains(ProgramFlags::STRICT_ALIGNMENT),
            any_alignment: request.flags.contains(ProgramFlags::ANY_ALIGNMENT),
            test_state_frequency: request.flags.contains(ProgramFlags::TEST_STATE_FREQ),
            log_level: LogLevel::from_bits_truncate(log_level),
            limits: self.config.limits,
            kernel_btf: Some(&self.kernel_btf.btf),
            possible_cpus: u32::try_from(self.cpus.count()).ok(),
            ..Options::default()
        };
        verify(&program, &options)
    }

    /// A program is named as Linux names its own to profilers.
    fn compile_options(&self, name: &ObjectName, tag: &[u8; 8]) -> CompileOptions {
        let name = format!("skep_prog_{:016x}_{}", u64::from_be_bytes(*tag), name.to_text());
        CompileOptions {
            name: Some(name.into()),
            announce: self.config.announce,
            blind: self.config.blind,
            ..CompileOptions::default()
        }
    }

    /// Makes the program ready to run; its id and name come later.
    fn link(
        &self,
        name: &ObjectName,
        request: Request,
        verified: Result<Verified, Box<Rejection>>,
        claims: Option<Arc<Claims>>,
    ) -> Result<(Program, String), Refusal> {
        let maps: Vec<(i32, Arc<Map>)> = request.maps.iter().map(|(fd, map)| (*fd, map.map().clone())).collect();
        let traits = TailCallTraits {
            program_type: request.program_type,
            attach_type: request.attach_type.map_or(0, AttachType::number),
            xdp_has_frags: request.flags.contains(ProgramFlags::XDP_HAS_FRAGS),
        };
        let compatible = maps.iter().all(|(_, map)| match map.implementation.kind() {
            Kind::Programs(programs) => programs.accepts(&traits),
            _ => true,
        });
        if !compatible {
            return Err(Errno::EINVAL.into());
        }
        let mut record = LoadRecord {
            load_time: self.config.clock.now(ClockKind::Boot),
            uid: self.config.task.uid,
            gpl_compatible: request.gpl_compatible,
            func_info: request.func_info,
            line_info: request.line_info,
            attach_btf_id: request.attach_target.as_ref().map_or(0, |target| target.id.0),
            attached_to: request.attached_to,
            ..LoadRecord::default()
        };
        let (executable, maps, log) = match verified {
            Ok(verified) => {
                let maps: Vec<Arc<Map>> = verified
                    .maps()
                    .iter()
                    .filter_map(|fd| maps.iter().find(|(other, _)| other == fd).map(|(_, map)| map.clone()))
                    .collect();
                let mut linker = ProgramLinker { kernel: self, maps: &maps };
                let mut executable = match self.config.mode {
                    Mode::Jit => {
                        let options = self.compile_options(name, &request.tag);
                        Executable::compile_with(&verified, &mut linker, &options)
                    }
                    _ => Executable::from_verified(&verified, |imm| linker.resolve(imm)),
                };
                if let Some(claims) = claims {
                    executable = executable.map(|executable| executable.with_claims(&verified, claims));
                }
                record.verified_insns = verified.statistics().instructions_processed;
                record.insns = verified.insns().to_vec();
                record.buffer_use = verified.buffer_use();
                record.subprograms = verified.subprograms().to_vec();
                record.functions = verified.functions().to_vec();
                (executable, maps, verified.log().to_owned())
            }
            Err(rejection) if self.config.accept_unverified && self.config.mode == Mode::Sandbox => {
                let executable = Executable::link(&rejection.runnable, |imm| resolve_by_fd(&maps, imm));
                record.insns = rejection.runnable;
                (executable, maps.into_iter().map(|(_, map)| map).collect(), rejection.log)
            }
            Err(rejection) => return Err(refusal_of(*rejection)),
        };
        let program = Program {
            id: 0,
            name: Default::default(),
            tag: request.tag,
            traits,
            attach_type: request.attach_type,
            attach_target: request.attach_target.map(|target| (hook_name(&target.name).to_owned(), target.id)),
            executable: Arc::new(executable.map_err(unlinkable)?),
            maps,
            bound_maps: Mutex::default(),
            btf: request.btf,
            record,
            statistics: ProgramStatistics::default(),
            cpus: self.cpus.clone(),
        };
        Ok((program, log))
    }
}

/// A function of a loaded program, to be replaced or watched.
fn function_of_program(program_type: ProgramType, program: &Program, id: TypeId) -> Result<AttachTarget, Refusal> {
    if program_type != ProgramType::Tracing && !program_type.info().extends_programs {
        return Err(Errno::EINVAL.into());
    }
    let program = program.as_target();
    let name = match program.btf.as_deref() {
        Some(btf) if btf.get(id).is_none() => {
            return Err(refuse(Errno::EINVAL, format!("attach_btf_id {} is invalid\n", id.0)));
        }
        btf => btf.map_or("", |btf| btf.name(id)).to_owned(),
    };
    Ok(AttachTarget { name, id, interface: None, program: Some(Arc::new(program)) })
}

fn refusal_of(rejection: Rejection) -> Refusal {
    let log = if rejection.log.is_empty() { format!("{}\n", rejection.message) } else { rejection.log };
    Refusal { errno: Errno(rejection.errno), message: log }
}

fn unlinkable(error: LinkError) -> Refusal {
    refuse(Errno::EINVAL, format!("{error}\n"))
}

/// The hook's own name: `file_open` of `bpf_lsm_file_open`, `sched_switch` of `btf_trace_sched_switch`.
fn hook_name(btf_name: &str) -> &str {
    ["bpf_lsm_", "btf_trace_"].iter().find_map(|prefix| btf_name.strip_prefix(prefix)).unwrap_or(btf_name)
}

/// Addresses for the references to maps of a program as it was given.
fn resolve_by_fd(maps: &[(i32, Arc<Map>)], imm: Imm64) -> Option<u64> {
    let map = |fd: i32| maps.iter().find(|(other, _)| *other == fd).map(|(_, map)| map);
    match imm {
        Imm64::MapFd(fd) => Some(Arc::as_ptr(map(fd)?).expose_provenance() as u64),
        Imm64::MapValue { fd, offset } => Some(map(fd)?.implementation.direct_values()?.address() + u64::from(offset)),
        _ => None,
    }
}

fn is_gpl_compatible(license: &CStr) -> bool {
    GPL_COMPATIBLE.contains(&license.to_bytes())
}

/// The attach type, where the program type has any.
fn check_attach_type(program_type: ProgramType, number: u32) -> Result<Option<AttachType>, Errno> {
    let info = program_type.info();
    let attach_type = AttachType::from_number(number);
    if info.attach_types.is_empty() {
        return Ok(attach_type.filter(|_| number != 0));
    }
    match attach_type {
        Some(attach_type) if info.attach_types.contains(&attach_type) => Ok(Some(attach_type)),
        _ => Err(Errno::EINVAL),
    }
}

/// Turns references by `fd_array` index into references by descriptor.
fn resolve_indices(mut insns: Vec<Slot>, fd_array: &[u8]) -> Result<Vec<Slot>, Refusal> {
    let mut at = 0;
    while let Some(slot) = insns.get_mut(at) {
        at += if slot.opcode == LDDW { 2 } else { 1 };
        if slot.opcode != LDDW || !matches!(slot.src, MAP_INDEX | MAP_INDEX_VALUE) {
            continue;
        }
        let index = usize::try_from(slot.imm).ok().and_then(|index| index.checked_mul(4));
        let Some(fd) = index.and_then(|index| fd_array.get(index..)?.first_chunk()) else {
            return Err(refuse(Errno::EPROTO, "fd_idx without fd_array is invalid\n"));
        };
        slot.imm = i32::from_ne_bytes(*fd);
        slot.src = if slot.src == MAP_INDEX { MAP_FD } else { MAP_VALUE };
    }
    Ok(insns)
}

/// The first bytes of the hash of the instructions, with the maps' descriptors as zero (Linux 6.18: SHA-256).
fn tag(insns: &[Slot]) -> [u8; 8] {
    let mut insns = insns.to_vec();
    let mut at = 0;
    while at < insns.len() {
        let wide = insns[at].opcode == LDDW;
        if wide && matches!(insns[at].src, MAP_FD | MAP_VALUE) {
            insns[at].imm = 0;
            if let Some(second) = insns.get_mut(at + 1) {
                second.imm = 0;
            }
        }
        at += if wide { 2 } else { 1 };
    }
    let digest = Sha256::digest(Slot::write_program(&insns));
    digest.first_chunk().copied().unwrap_or_default()
}

/// Records of a fixed size, cut from the client's records, which may be longer.
fn records<const N: usize>(bytes: &[u8], size: u32) -> Result<Vec<[u8; N]>, Refusal> {
    const LARGEST: u32 = 252;
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    if (size as usize) < N || size > LARGEST || !size.is_multiple_of(4) {
        return Err(refuse(Errno::EINVAL, "invalid func or line info rec size\n"));
    }
    let (records, rest) = (bytes.chunks_exact(size as usize), bytes.len() % size as usize);
    if rest != 0 {
        return Err(Errno::EINVAL.into());
    }
    records
        .map(|record| match record.split_at(N) {
            (known, unknown) if unknown.iter().all(|byte| *byte == 0) => {
                known.try_into().map_err(|_| Errno::EINVAL.into())
            }
            _ => Err(refuse(Errno::E2BIG, "nonzero tailing record in func or line info\n")),
        })
        .collect()
}

fn number(record: &[u8], index: usize) -> u32 {
    record.get(4 * index..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

fn read_functions(command: &ProgLoad<'_>, btf: Option<&BtfObject>) -> Result<(Functions, Vec<u8>), Refusal> {
    let records = records::<8>(command.func_info, command.func_info_rec_size)?;
    if !records.is_empty() && btf.is_none() {
        return Err(Errno::EINVAL.into());
    }
    let functions = records.iter().map(|record| (number(record, 0), TypeId(number(record, 1)))).collect();
    Ok((functions, records.concat()))
}

fn read_lines(
    command: &ProgLoad<'_>,
    btf: Option<&BtfObject>,
    slots: usize,
) -> Result<(Vec<LineInfo>, Vec<u8>), Refusal> {
    let records = records::<16>(command.line_info, command.line_info_rec_size)?;
    let Some(btf) = btf else {
        return if records.is_empty() { Ok((Vec::new(), Vec::new())) } else { Err(Errno::EINVAL.into()) };
    };
    let mut lines = Vec::with_capacity(records.len());
    let mut last = None;
    for (index, record) in records.iter().enumerate() {
        let slot = number(record, 0);
        if last.is_some_and(|last| slot <= last) || slot as usize >= slots {
            return Err(refuse(Errno::EINVAL, format!("Invalid line_info[{index}].insn_off:{slot}\n")));
        }
        last = Some(slot);
        let text = |offset: u32| -> Result<Arc<str>, Refusal> {
            let text = btf.btf.string(skep_btf::StringOffset(offset));
            let missing = || refuse(Errno::EINVAL, format!("Invalid line_info[{index}].line_off or .file_name_off\n"));
            text.map(Arc::from).ok_or_else(missing)
        };
        let position = number(record, 3);
        lines.push(LineInfo {
            slot,
            file: text(number(record, 1))?,
            text: text(number(record, 2))?,
            line: position >> 10,
            column: position & 0x3ff,
        });
    }
    Ok((lines, records.concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_ignores_descriptors_and_nothing_else() {
        let program = |fd, value| {
            Slot::read_program(&[0x18, 0x11, 0, 0, fd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xb7, 0, 0, 0, value, 0, 0, 0])
                .expect("three slots")
        };
        assert_eq!(tag(&program(3, 0)), tag(&program(4, 0)));
        assert_ne!(tag(&program(3, 0)), tag(&program(3, 1)));
    }
}
