//! Links: attachments that user space holds.

use super::{AttachPoint, Attachments, Program};
use crate::sync::{read, write};
use skep_abi::attach_type::AttachType;
use skep_abi::command::{LinkDetail, LinkInfo, LinkType, PerfEventDetail};
use skep_abi::errno::Errno;
use std::sync::{Arc, RwLock};

/// An attachment that goes when nobody holds it any more.
pub(crate) struct Link {
    /// Its id.
    pub(crate) id: u32,
    /// Its type.
    pub(crate) link_type: LinkType,
    /// Where it is attached.
    pub(crate) points: Vec<AttachPoint>,
    /// What `bpf_get_attach_cookie` gives.
    pub(crate) cookie: u64,
    /// Its program; `None` once it is detached.
    program: RwLock<Option<Arc<Program>>>,
    attachments: Arc<Attachments>,
}

impl Link {
    /// A link to be put into `attachments`.
    pub(crate) fn new(
        id: u32,
        link_type: LinkType,
        points: Vec<AttachPoint>,
        cookie: u64,
        program: Arc<Program>,
        attachments: Arc<Attachments>,
    ) -> Link {
        Link { id, link_type, points, cookie, program: RwLock::new(Some(program)), attachments }
    }

    /// Its program.
    pub(crate) fn program(&self) -> Option<Arc<Program>> {
        read(&self.program).clone()
    }

    /// Puts another program of the same kind in.
    ///
    /// # Errors
    /// EINVAL for another type, ENOLINK after detaching, EPERM if `expected` is not what is there.
    pub(crate) fn update(&self, new: Arc<Program>, expected: Option<&Arc<Program>>) -> Result<(), Errno> {
        let mut program = write(&self.program);
        let old = program.as_ref().ok_or(Errno::ENOLINK)?;
        if expected.is_some_and(|expected| !Arc::ptr_eq(expected, old)) {
            return Err(Errno::EPERM);
        }
        if new.traits != old.traits {
            return Err(Errno::EINVAL);
        }
        *program = Some(new);
        Ok(())
    }

    /// Detaches while the link stays.
    pub(crate) fn detach(&self) {
        *write(&self.program) = None;
        self.attachments.remove_link(self.id, &self.points);
    }

    /// What `OBJ_GET_INFO_BY_FD` says.
    pub(crate) fn info(&self) -> LinkInfo {
        let prog_id = self.program().map_or(0, |program| program.id());
        let detail = self.points.first().map_or(LinkDetail::None, |point| self.detail(point));
        LinkInfo { link_type: self.link_type.number(), id: self.id, prog_id, detail }
    }

    /// The name that goes with the info: tracepoint, function or file.
    pub(crate) fn name(&self) -> String {
        match self.points.first() {
            Some(AttachPoint::Tracepoint(name) | AttachPoint::RawTracepoint(name) | AttachPoint::Btf(name, _)) => {
                name.rsplit('/').next().unwrap_or_default().to_owned()
            }
            Some(AttachPoint::Kprobe { symbol, .. }) => symbol.clone(),
            Some(AttachPoint::Uprobe { path, .. }) => path.to_string_lossy().into_owned(),
            _ => String::new(),
        }
    }

    fn detail(&self, point: &AttachPoint) -> LinkDetail {
        let (cookie, name_len) = (self.cookie, self.name().len() as u32 + 1);
        match point {
            AttachPoint::Interface(ifindex, AttachType::Xdp) => LinkDetail::Xdp { ifindex: *ifindex },
            AttachPoint::Interface(ifindex, attach_type) => {
                LinkDetail::Tcx { ifindex: *ifindex, attach_type: attach_type.number() }
            }
            AttachPoint::Cgroup(cgroup_id, attach_type) => {
                LinkDetail::Cgroup { cgroup_id: *cgroup_id, attach_type: attach_type.number() }
            }
            AttachPoint::Namespace(netns_ino, attach_type) => {
                LinkDetail::Netns { netns_ino: *netns_ino, attach_type: attach_type.number() }
            }
            AttachPoint::RawTracepoint(_) => LinkDetail::RawTracepoint { tp_name_len: name_len, cookie },
            AttachPoint::Btf(_, attach_type) => LinkDetail::Tracing {
                attach_type: attach_type.number(),
                target_obj_id: crate::kernel::KERNEL_BTF_ID,
                target_btf_id: self.program().map_or(0, |program| program.record.attach_btf_id),
                cookie,
            },
            AttachPoint::Tracepoint(_) => LinkDetail::PerfEvent(PerfEventDetail::Tracepoint { name_len, cookie }),
            AttachPoint::Kprobe { returns, .. } => LinkDetail::PerfEvent(PerfEventDetail::Kprobe {
                returns: *returns,
                name_len,
                offset: 0,
                addr: 0,
                missed: 0,
                cookie,
            }),
            AttachPoint::Uprobe { offset, returns, .. } => LinkDetail::PerfEvent(PerfEventDetail::Uprobe {
                returns: *returns,
                name_len,
                offset: *offset as u32,
                cookie,
                ref_ctr_offset: 0,
            }),
            AttachPoint::PerfEvent(id) => {
                LinkDetail::PerfEvent(PerfEventDetail::Event { config: *id, event_type: 1, cookie })
            }
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.attachments.remove_link(self.id, &self.points);
    }
}
