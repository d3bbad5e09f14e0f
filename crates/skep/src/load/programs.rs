//! Loading a program, and getting the verifier's log when it is refused.

use super::LoadOptions;
use super::resolver::KernelResolver;
use crate::error::{Error, ProgramError};
use crate::program::{Program, log_text};
use skep_abi::command::{ObjectName, ProgLoad, ProgramFlags};
use skep_btf::Kind;
use skep_isa::Slot;
use skep_kernel::{Errno, Failure, Handle, Kernel, Operation, calls};
use skep_object::{FUNC_INFO_SIZE, LINE_INFO_SIZE, LinkedProgram, ObjectSpec, ProgramKind, ProgramSpec, Resolver as _};
use std::ffi::CString;
use std::sync::Arc;

/// First and largest size of a log buffer in bytes. Linux takes no larger one than `u32::MAX >> 2`.
const LOG_BYTES: (usize, usize) = (1 << 16, 1 << 26);

/// Links and loads one program.
pub(super) fn load(
    object: &ObjectSpec,
    spec: &ProgramSpec,
    resolver: &KernelResolver<'_>,
    kernel: &Arc<dyn Kernel>,
    btf: Option<&Handle>,
    options: &LoadOptions,
) -> Result<Program, Error> {
    let kind = spec.kind.as_ref().ok_or_else(|| {
        let section = &spec.section;
        let name = &spec.name;
        Error::Unfit(format!(
            "program '{name}': section '{section}' names no program type; use one such as SEC(\"xdp\")"
        ))
    })?;
    let linked = spec.link(object, resolver)?;
    let attempt = Attempt {
        spec,
        kind,
        insns: Slot::write_program(&linked.insns),
        linked: &linked,
        license: CString::new(object.license.as_deref().unwrap_or_default()).unwrap_or_default(),
        kernel_version: object.kernel_version.unwrap_or_else(|| kernel.version_code()),
        btf_fd: btf.map_or(0, Handle::fd),
        attach_btf_id: attach_btf_id(spec, kind, resolver)?,
        fd_array: resolver.fd_array(),
        kernel,
    };
    let (handle, log) = attempt.run(options.log_level).map_err(|error| with_poison(error, &linked))?;
    Ok(Program::new(spec, kind.clone(), handle, log))
}

/// The BTF id of what the program is attached to.
fn attach_btf_id(spec: &ProgramSpec, kind: &ProgramKind, resolver: &KernelResolver<'_>) -> Result<u32, Error> {
    let (Some(rule), true) = (kind.attach_type.and_then(|t| t.btf_target()), kind.attach_btf) else { return Ok(0) };
    let Some(name) = &kind.attach_to else {
        let (name, section) = (&spec.name, &spec.section);
        return Err(Error::Unfit(format!("program '{name}': section '{section}' must name what it is attached to")));
    };
    let wanted = format!("{}{name}", rule.prefix);
    let btf_kind = if rule.is_typedef { Kind::Typedef } else { Kind::Function };
    let id = resolver.kernel_types().iter().find_map(|btf| btf.find(btf_kind, &wanted));
    let missing = || Error::Unfit(format!("program '{}': the kernel's BTF has no '{wanted}' to attach to", spec.name));
    Ok(id.ok_or_else(missing)?.0)
}

/// An instruction that was made invalid at linking explains a refusal better than the verifier can.
fn with_poison(mut error: ProgramError, linked: &LinkedProgram) -> ProgramError {
    let at = |slot: u32| error.log.lines().any(|line| line.starts_with(&format!("{slot}: ")));
    if error.log.contains("invalid func")
        && let Some(poisoned) = linked.poisoned.iter().rev().find(|poisoned| at(poisoned.slot))
    {
        error.explanation = Some(poisoned.reason.clone());
    }
    error
}

/// Everything that stays the same over the attempts to load a program.
struct Attempt<'a> {
    spec: &'a ProgramSpec,
    kind: &'a ProgramKind,
    insns: Vec<u8>,
    linked: &'a LinkedProgram,
    license: CString,
    kernel_version: u32,
    btf_fd: i32,
    attach_btf_id: u32,
    /// The BTF of modules, by the index that calls have.
    fd_array: Vec<u8>,
    kernel: &'a Arc<dyn Kernel>,
}

impl Attempt<'_> {
    /// Loads without a log first, since logs cost time, and again with one when that fails.
    fn run(&self, log_level: u32) -> Result<(Handle, String), ProgramError> {
        if log_level == 0
            && let Ok((handle, _)) = self.load(0, &mut [])
        {
            return Ok((handle, String::new()));
        }
        let mut size = LOG_BYTES.0;
        loop {
            let mut log = vec![0; size];
            match self.load(log_level.max(1), &mut log) {
                Ok((handle, _)) => return Ok((handle, log_text(&log))),
                Err(failure) if failure.errno == Errno::ENOSPC && size < LOG_BYTES.1 => size *= 4,
                Err(failure) => return Err(self.refused(failure.errno, log_text(&log))),
            }
        }
    }

    fn refused(&self, errno: Errno, log: String) -> ProgramError {
        let error = ProgramError { name: self.spec.name.clone(), errno, log, explanation: None };
        // Where the verifier has spoken, it is not the surroundings.
        let operation = Operation::LoadProgram(self.kind.program_type);
        let explanation = if error.is_rejection() { None } else { self.kernel.explain(operation, errno) };
        ProgramError { explanation, ..error }
    }

    fn load(&self, log_level: u32, log_buf: &mut [u8]) -> Result<(Handle, u32), Failure> {
        let mut flags = self.spec.load_flags;
        flags |= if self.kind.sleepable { ProgramFlags::SLEEPABLE } else { ProgramFlags::empty() };
        flags |= if self.kind.xdp_has_frags { ProgramFlags::XDP_HAS_FRAGS } else { ProgramFlags::empty() };
        // Function and line records mean nothing without the BTF they refer to.
        let (func_info, line_info) =
            if self.btf_fd > 0 { (&*self.linked.func_info, &*self.linked.line_info) } else { (&[][..], &[][..]) };
        let command = ProgLoad {
            prog_type: self.kind.program_type.number(),
            insns: &self.insns,
            license: Some(&self.license),
            log_level,
            log_buf,
            kern_version: self.kernel_version,
            prog_flags: flags,
            prog_name: ObjectName::lossy(&self.spec.name),
            expected_attach_type: self.kind.attach_type.map_or(0, |attach_type| attach_type.number()),
            prog_btf_fd: self.btf_fd,
            func_info_rec_size: if func_info.is_empty() { 0 } else { FUNC_INFO_SIZE },
            func_info,
            line_info_rec_size: if line_info.is_empty() { 0 } else { LINE_INFO_SIZE },
            line_info,
            attach_btf_id: self.attach_btf_id,
            fd_array: &self.fd_array,
            ..ProgLoad::default()
        };
        calls::prog_load(self.kernel, command)
    }
}
