//! `BPF_PROG_ATTACH`, `DETACH` and `QUERY`: hooks that keep lists of programs.

use crate::kernel::UserKernel;
use crate::objects::{AttachPoint, Program};
use skep_abi::attach_type::AttachType;
use skep_abi::command::{AttachFlags, Failure, ProgAttach, ProgDetach, ProgQuery, Reply};
use skep_abi::errno::Errno;
use skep_abi::program_type::ProgramType;
use std::sync::Arc;

/// Flags that hooks here understand; order among programs is that of attaching.
const KNOWN_FLAGS: AttachFlags = AttachFlags::ALLOW_OVERRIDE.union(AttachFlags::ALLOW_MULTI);

/// Which kind of program may be attached there.
pub(super) fn check_type(program: &Program, attach_type: AttachType) -> Result<(), Errno> {
    let info = program.program_type().info();
    let fits = match attach_type {
        AttachType::Xdp => program.program_type() == ProgramType::Xdp,
        AttachType::TcxIngress | AttachType::TcxEgress => program.program_type() == ProgramType::SchedCls,
        AttachType::NetkitPrimary | AttachType::NetkitPeer => program.program_type() == ProgramType::SchedCls,
        // Loading did not fix one of these two: any program of the type fits.
        AttachType::CgroupInetIngress | AttachType::CgroupInetEgress => {
            program.program_type() == ProgramType::CgroupSkb
        }
        other => program.attach_type() == Some(other) || info.attach_types == [other],
    };
    if fits { Ok(()) } else { Err(Errno::EINVAL) }
}

impl UserKernel {
    /// The attach point that a command's target and attach type name.
    pub(super) fn attach_point(&self, target: u32, attach_type: u32) -> Result<(AttachPoint, AttachType), Errno> {
        let attach_type = AttachType::from_number(attach_type).ok_or(Errno::EINVAL)?;
        let point = match attach_type {
            AttachType::Xdp
            | AttachType::TcxIngress
            | AttachType::TcxEgress
            | AttachType::NetkitPrimary
            | AttachType::NetkitPeer => {
                if target == 0 {
                    return Err(Errno::ENODEV);
                }
                AttachPoint::Interface(target, attach_type)
            }
            AttachType::FlowDissector | AttachType::SkLookup => AttachPoint::Namespace(target, attach_type),
            other if other.name().starts_with("cgroup_") => {
                AttachPoint::Cgroup(self.descriptors.cgroup(target.cast_signed())?, attach_type)
            }
            _ => return Err(Errno::EINVAL),
        };
        Ok((point, attach_type))
    }

    pub(super) fn program_attach(&self, command: &ProgAttach) -> Result<Reply, Failure> {
        if !KNOWN_FLAGS.contains(command.attach_flags) || command.replace_bpf_fd != 0 {
            return Err(Errno::EINVAL.into());
        }
        let (point, attach_type) = self.attach_point(command.target, command.attach_type)?;
        if attach_type == AttachType::Xdp {
            return Err(Errno::EINVAL.into());
        }
        let program = self.descriptors.program(command.attach_bpf_fd)?;
        check_type(&program, attach_type)?;
        self.check_revision(&point, command.expected_revision)?;
        self.attachments.add_program(&point, program, 0)?;
        Ok(Reply::Done)
    }

    pub(super) fn program_detach(&self, command: &ProgDetach) -> Result<Reply, Failure> {
        let (point, attach_type) = self.attach_point(command.target, command.attach_type)?;
        let program: Option<Arc<Program>> = match command.attach_bpf_fd {
            0 => None,
            fd => Some(self.descriptors.program(fd)?),
        };
        if let Some(program) = &program {
            check_type(program, attach_type)?;
        }
        self.check_revision(&point, command.expected_revision)?;
        self.attachments.remove_program(&point, program.as_ref())?;
        Ok(Reply::Done)
    }

    pub(super) fn program_query(&self, command: ProgQuery<'_>) -> Result<Reply, Failure> {
        let (point, attach_type) = self.attach_point(command.target, command.attach_type)?;
        if attach_type == AttachType::Xdp {
            return Err(Errno::EINVAL.into());
        }
        let attached = self.attachments.at(&point);
        let reply =
            Reply::Query { attach_flags: 0, count: attached.len() as u32, revision: self.attachments.revision(&point) };
        let room = command.prog_ids.len() / 4;
        let fill = |buffer: &mut [u8], number: &dyn Fn(usize) -> u32| {
            for (index, place) in buffer.chunks_exact_mut(4).take(attached.len()).enumerate() {
                place.copy_from_slice(&number(index).to_ne_bytes());
            }
        };
        fill(command.prog_ids, &|index| attached[index].program.id());
        fill(command.link_ids, &|index| attached[index].link_id);
        fill(command.prog_attach_flags, &|_| 0);
        fill(command.link_attach_flags, &|_| 0);
        if room > 0 && room < attached.len() {
            return Err(Failure { errno: Errno::ENOSPC, reply });
        }
        Ok(reply)
    }

    pub(super) fn check_revision(&self, point: &AttachPoint, expected: u64) -> Result<(), Errno> {
        if expected != 0 && expected != self.attachments.revision(point) { Err(Errno::ESTALE) } else { Ok(()) }
    }
}
