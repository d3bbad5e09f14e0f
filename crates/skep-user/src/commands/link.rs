//! Links.

use super::program_attach::check_type;
use crate::kernel::UserKernel;
use crate::objects::{Access, AttachPoint, Link, Object, Program};
use crate::perf::PerfEvent;
use skep_abi::attach_type::AttachType;
use skep_abi::command::{Failure, LinkCreate, LinkDetach, LinkOptions, LinkType, LinkUpdate, RawTracepointOpen, Reply};
use skep_abi::errno::Errno;
use skep_abi::program_type::ProgramType;
use skep_kernel::PerfEventKind;
use std::sync::Arc;

/// `LINK_UPDATE`: only if the old program is the one named.
const REPLACE: u32 = 4;

impl UserKernel {
    pub(super) fn link_create(&self, command: &LinkCreate<'_>) -> Result<Reply, Failure> {
        let program = self.descriptors.program(command.prog_fd)?;
        let (link_type, point, cookie) = self.link_target(&program, command)?;
        self.open_link(program, link_type, point, cookie)
    }

    fn link_target(&self, program: &Program, command: &LinkCreate<'_>) -> Result<(LinkType, AttachPoint, u64), Errno> {
        match program.program_type() {
            ProgramType::Tracing | ProgramType::Lsm => {
                let (_, cookie) = command.options.tracing().ok_or(Errno::EINVAL)?;
                Ok((LinkType::Tracing, typed_point(program)?, cookie))
            }
            ProgramType::PerfEvent | ProgramType::Kprobe | ProgramType::Tracepoint => {
                let event = self.descriptors.perf_event(command.target.cast_signed())?;
                let cookie = match command.options {
                    LinkOptions::PerfEvent { cookie } => cookie,
                    LinkOptions::None => 0,
                    _ => return Err(Errno::EINVAL),
                };
                Ok((LinkType::PerfEvent, self.event_point(program, &event)?, cookie))
            }
            _ => {
                let (point, attach_type) = self.attach_point(command.target, command.attach_type)?;
                check_type(program, attach_type)?;
                if let LinkOptions::Anchor { expected_revision, .. } = command.options {
                    self.check_revision(&point, expected_revision)?;
                }
                Ok((link_type(&point), point, 0))
            }
        }
    }

    fn open_link(
        &self,
        program: Arc<Program>,
        link_type: LinkType,
        point: AttachPoint,
        cookie: u64,
    ) -> Result<Reply, Failure> {
        let attachments = self.attachments.clone();
        let link = self.links.assign(|id| Link::new(id, link_type, vec![point], cookie, program, attachments));
        self.attachments.add_link(&link)?;
        Ok(Reply::Fd(self.descriptors.open(Object::Link(link), Access::FULL)?))
    }

    pub(super) fn link_update(&self, command: &LinkUpdate) -> Result<Reply, Failure> {
        if command.flags & !REPLACE != 0 || (command.flags == 0 && command.old_fd != 0) {
            return Err(Errno::EINVAL.into());
        }
        let link = self.descriptors.link(command.link_fd)?;
        let new = self.descriptors.program(command.new_fd)?;
        let old = match command.flags & REPLACE {
            0 => None,
            _ => Some(self.descriptors.program(command.old_fd)?),
        };
        if !matches!(
            link.link_type,
            LinkType::Xdp | LinkType::Tcx | LinkType::Cgroup | LinkType::Netns | LinkType::Netkit
        ) {
            return Err(Errno::EINVAL.into());
        }
        link.update(new, old.as_ref())?;
        Ok(Reply::Done)
    }

    pub(super) fn link_detach(&self, command: &LinkDetach) -> Result<Reply, Failure> {
        let link = self.descriptors.link(command.link_fd)?;
        if !matches!(
            link.link_type,
            LinkType::Xdp | LinkType::Tcx | LinkType::Cgroup | LinkType::Netns | LinkType::Netkit
        ) {
            return Err(Errno::EOPNOTSUPP.into());
        }
        link.detach();
        Ok(Reply::Done)
    }

    pub(super) fn raw_tracepoint_open(&self, command: &RawTracepointOpen<'_>) -> Result<Reply, Failure> {
        let program = self.descriptors.program(command.prog_fd)?;
        match program.program_type() {
            ProgramType::Tracing | ProgramType::Lsm | ProgramType::Ext => {
                if command.name.is_some() {
                    return Err(Errno::EINVAL.into());
                }
                let point = typed_point(&program)?;
                self.open_link(program, LinkType::Tracing, point, command.cookie)
            }
            ProgramType::RawTracepoint | ProgramType::RawTracepointWritable => {
                // No tracepoint here has a buffer to be written.
                if program.record.buffer_use.tracepoint > 0 {
                    return Err(Errno::EINVAL.into());
                }
                let name = command.name.ok_or(Errno::EFAULT)?.to_str().map_err(|_| Errno::ENOENT)?;
                let point = AttachPoint::RawTracepoint(name.to_owned());
                self.open_link(program, LinkType::RawTracepoint, point, command.cookie)
            }
            _ => Err(Errno::EINVAL.into()),
        }
    }

    /// What a perf event is about, as an attach point for that program.
    pub(crate) fn event_point(&self, program: &Program, event: &PerfEvent) -> Result<AttachPoint, Errno> {
        let point = match &event.kind {
            PerfEventKind::Tracepoint(id) => AttachPoint::Tracepoint(self.tracepoint_name(*id).ok_or(Errno::ENOENT)?),
            PerfEventKind::Kprobe { symbol, returns, .. } => {
                AttachPoint::Kprobe { symbol: symbol.clone(), returns: *returns }
            }
            PerfEventKind::Uprobe { path, offset, returns, .. } => {
                AttachPoint::Uprobe { path: path.clone(), offset: *offset, returns: *returns }
            }
            _ => AttachPoint::PerfEvent(event.id),
        };
        let wanted = match point {
            AttachPoint::Tracepoint(_) => ProgramType::Tracepoint,
            AttachPoint::Kprobe { .. } | AttachPoint::Uprobe { .. } => ProgramType::Kprobe,
            _ => ProgramType::PerfEvent,
        };
        if program.program_type() == wanted { Ok(point) } else { Err(Errno::EINVAL) }
    }
}

/// Where a BTF-typed program was loaded for.
fn typed_point(program: &Program) -> Result<AttachPoint, Errno> {
    let target = program.attach_target().ok_or(Errno::EINVAL)?;
    let attach_type = program.attach_type().unwrap_or(AttachType::TraceRawTp);
    Ok(AttachPoint::Btf(target.to_owned(), attach_type))
}

fn link_type(point: &AttachPoint) -> LinkType {
    match point {
        AttachPoint::Interface(_, AttachType::Xdp) => LinkType::Xdp,
        AttachPoint::Interface(_, AttachType::NetkitPrimary | AttachType::NetkitPeer) => LinkType::Netkit,
        AttachPoint::Interface(..) => LinkType::Tcx,
        AttachPoint::Cgroup(..) => LinkType::Cgroup,
        AttachPoint::Namespace(..) => LinkType::Netns,
        AttachPoint::RawTracepoint(_) => LinkType::RawTracepoint,
        AttachPoint::Btf(..) => LinkType::Tracing,
        _ => LinkType::PerfEvent,
    }
}
