//! Attachments.

use crate::error::{Error, KernelError};
use crate::program::Program;
use skep_abi::command::LinkCreate;
use skep_kernel::{Handle, Kernel, calls};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::sync::Arc;

/// A program's attachment to a hook. Dropping it detaches, unless it is pinned.
#[derive(Debug)]
#[must_use = "dropping a link detaches the program"]
pub struct Link {
    parts: Vec<Part>,
}

/// What holds an attachment.
enum Part {
    /// A link of the kernel.
    Link(Handle),
    /// A perf event; its program leaves with it.
    Event(#[allow(dead_code, reason = "held for its drop")] Handle),
    /// A filter on a socket of this process.
    Socket { kernel: Arc<dyn Kernel>, socket: OwnedFd },
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Part::Link(handle) => write!(f, "link {handle:?}"),
            Part::Event(handle) => write!(f, "event {handle:?}"),
            Part::Socket { socket, .. } => write!(f, "socket {socket:?}"),
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Part::Socket { kernel, socket } = self {
            // The filter may have been taken off meanwhile.
            _ = kernel.detach_socket_filter(socket.as_fd());
        }
    }
}

impl Link {
    /// Attaches by `LINK_CREATE`.
    pub(crate) fn create(program: &Program, command: LinkCreate<'_>, place: &str) -> Result<Link, Error> {
        let handle = calls::link_create(program.kernel(), command)
            .map_err(|errno| program.failed("LINK_CREATE", &format!("attach to {place}:"), errno))?;
        Ok(Link::from_handle(handle))
    }

    pub(crate) fn from_handle(handle: Handle) -> Link {
        Link { parts: vec![Part::Link(handle)] }
    }

    pub(crate) fn from_socket(kernel: Arc<dyn Kernel>, socket: OwnedFd) -> Link {
        Link { parts: vec![Part::Socket { kernel, socket }] }
    }

    /// A link on a perf event. The link goes first: it must not outlive its event by much.
    pub(crate) fn from_event(link: Option<Handle>, event: Handle) -> Link {
        Link { parts: link.map(Part::Link).into_iter().chain([Part::Event(event)]).collect() }
    }

    /// Several attachments as one.
    pub(crate) fn join(links: impl IntoIterator<Item = Link>) -> Link {
        Link { parts: links.into_iter().flat_map(|link| link.parts).collect() }
    }

    /// Pins the attachment, so that it outlives this process.
    ///
    /// ```no_run
    /// # fn f(program: &skep::Program) -> Result<(), skep::Error> {
    /// program.attach_xdp("eth1", skep::XdpMode::Default)?.pin("/sys/fs/bpf/firewall_link")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Unfit`] where the attachment is no single kernel link; the kernel's errno.
    pub fn pin(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let handle = self.only_link()?;
        crate::pin::pin(&**handle.kernel(), handle.fd(), path.as_ref())
    }

    /// Puts another program in the place of the attached one, without a gap.
    ///
    /// ```no_run
    /// # fn f(link: &skep::Link, newer: &skep::Program) -> Result<(), skep::Error> {
    /// link.replace(newer)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Unfit`] where the attachment is no single kernel link; `EINVAL` for a program of another type.
    pub fn replace(&self, program: &Program) -> Result<(), Error> {
        let handle = self.only_link()?;
        calls::link_update(&**handle.kernel(), handle.fd(), program.fd(), None)
            .map_err(|errno| program.failed("LINK_UPDATE", "replace the attached program by", errno))
    }

    /// Its id in the kernel, where it is a single kernel link.
    ///
    /// ```no_run
    /// # fn f(link: &skep::Link) -> Result<(), skep::Error> {
    /// println!("link {}", link.id()?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Unfit`] where the attachment is no single kernel link; the kernel's errno.
    pub fn id(&self) -> Result<u32, Error> {
        let handle = self.only_link()?;
        let failed = |errno| KernelError::new(&**handle.kernel(), "OBJ_GET_INFO_BY_FD", "describe the link", errno);
        Ok(calls::link_info(&**handle.kernel(), handle.fd()).map_err(failed)?.id)
    }

    fn only_link(&self) -> Result<&Handle, Error> {
        let mut links = self.parts.iter().filter_map(|part| match part {
            Part::Link(handle) => Some(handle),
            _ => None,
        });
        match (links.next(), links.next()) {
            (Some(handle), None) => Ok(handle),
            _ => Err(Error::Unfit("this attachment is not one link of the kernel".to_owned())),
        }
    }
}
