//! XDP, tcx, sockets.

use crate::error::Error;
use crate::link::Link;
use crate::program::Program;
use skep_abi::attach_type::AttachType;
use skep_abi::command::{LinkCreate, LinkOptions};
use std::os::fd::AsFd;

/// Where an XDP program runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XdpMode {
    /// In the driver where it can, else in the generic path.
    #[default]
    Default,
    /// In the generic path, on any device.
    Generic,
    /// In the driver, or not at all.
    Driver,
}

impl XdpMode {
    /// `XDP_FLAGS_*`
    const fn flags(self) -> u32 {
        match self {
            XdpMode::Default => 0,
            XdpMode::Generic => 1 << 1,
            XdpMode::Driver => 1 << 2,
        }
    }
}

impl Program {
    fn interface(&self, interface: &str) -> Result<u32, Error> {
        self.kernel()
            .interface_index(interface)
            .map_err(|errno| self.failed("LINK_CREATE", &format!("find interface '{interface}' for"), errno))
    }

    /// Attaches an XDP program to a network interface.
    ///
    /// ```no_run
    /// # fn f(program: &skep::Program) -> Result<(), skep::Error> {
    /// let link = program.attach_xdp("eth1", skep::XdpMode::Default)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `ENODEV`; `EBUSY` when another program is there; `EOPNOTSUPP` when the driver has no XDP.
    pub fn attach_xdp(&self, interface: &str, mode: XdpMode) -> Result<Link, Error> {
        let command = LinkCreate {
            prog_fd: self.fd(),
            target: self.interface(interface)?,
            attach_type: AttachType::Xdp.number(),
            flags: mode.flags(),
            options: LinkOptions::None,
        };
        Link::create(self, command, &format!("XDP of {interface}"))
    }

    /// Attaches a tc program behind those already on the interface (tcx, Linux 6.6). The direction is that of its
    /// section, ingress by default.
    ///
    /// ```no_run
    /// # fn f(program: &skep::Program) -> Result<(), skep::Error> {
    /// let link = program.attach_tcx("eth1")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `ENODEV`; `EINVAL` for kernels without tcx.
    pub fn attach_tcx(&self, interface: &str) -> Result<Link, Error> {
        let attach_type = self.kind().attach_type.unwrap_or(AttachType::TcxIngress);
        let command = LinkCreate {
            prog_fd: self.fd(),
            target: self.interface(interface)?,
            attach_type: attach_type.number(),
            ..LinkCreate::default()
        };
        Link::create(self, command, &format!("{} of {interface}", attach_type.name()))
    }

    /// Puts a socket filter on a socket.
    ///
    /// ```no_run
    /// # fn f(program: &skep::Program) -> Result<(), Box<dyn std::error::Error>> {
    /// let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let link = program.attach_socket(&socket)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `EINVAL` for programs of another type.
    pub fn attach_socket(&self, socket: impl AsFd) -> Result<Link, Error> {
        let failed = |errno| self.failed("SO_ATTACH_BPF", "attach to the socket:", errno);
        let errno = |error: std::io::Error| failed(skep_kernel::Errno(error.raw_os_error().unwrap_or(0)));
        self.kernel().attach_socket_filter(socket.as_fd(), self.fd()).map_err(failed)?;
        let socket = socket.as_fd().try_clone_to_owned().map_err(errno)?;
        Ok(Link::from_socket(self.kernel().clone(), socket))
    }
}
