//! Packet sockets: whole frames of a network interface, in and out. What a socket filter is put on.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netdevice, recv, send, socket_with};

/// Bytes of frames that may wait to be read: a burst of a few thousand frames.
const RECEIVE_BUFFER: usize = 16 << 20;

/// A raw `AF_PACKET` socket. Frames begin with the Ethernet header; an outer VLAN tag has been taken off.
///
/// It receives nothing until it is bound, so that a filter put on it before that has judged every frame that is read.
/// Needs `CAP_NET_RAW`.
#[derive(Debug)]
pub struct PacketSocket {
    fd: OwnedFd,
}

impl PacketSocket {
    /// A socket that belongs to no interface yet.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW`, `EAFNOSUPPORT` where the kernel has no packet sockets.
    pub fn new() -> io::Result<PacketSocket> {
        let fd = socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
        // More than net.core.rmem_max needs CAP_NET_ADMIN; less than wanted is no error.
        if rustix::net::sockopt::set_socket_recv_buffer_size_force(&fd, RECEIVE_BUFFER).is_err() {
            rustix::net::sockopt::set_socket_recv_buffer_size(&fd, RECEIVE_BUFFER)?;
        }
        Ok(PacketSocket { fd })
    }

    /// Starts to receive every frame of that interface, in both directions.
    ///
    /// # Errors
    /// `ENODEV` where there is no such interface, `ENETDOWN` where it is down.
    pub fn receive_from(&self, interface: &str) -> io::Result<()> {
        self.bind(interface, libc::ETH_P_ALL as u16)
    }

    /// Sends on that interface and receives nothing.
    ///
    /// # Errors
    /// `ENODEV` where there is no such interface.
    pub fn send_to(&self, interface: &str) -> io::Result<()> {
        self.bind(interface, 0)
    }

    fn bind(&self, interface: &str, protocol: u16) -> io::Result<()> {
        let index = netdevice::name_to_index(&self.fd, interface)?;
        let address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: protocol.to_be(),
            sll_ifindex: index.cast_signed(),
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        let len = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: the descriptor is open, and the address is `len` bytes of a whole `sockaddr_ll` that outlives the call.
        let result = unsafe { libc::bind(self.fd.as_raw_fd(), (&raw const address).cast(), len) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// `EMSGSIZE` where it is longer than the interface takes, `ENETDOWN`, `EDESTADDRREQ` or `ENXIO` before
    /// [`send_to`](Self::send_to).
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        send(&self.fd, frame, SendFlags::empty())?;
        Ok(())
    }

    /// Waits for a frame and reads it, at most `buffer.len()` bytes of it. `None` when the time is over.
    ///
    /// # Errors
    /// `ENETDOWN` when the interface goes down.
    pub fn receive(&self, buffer: &mut [u8], timeout: Duration) -> io::Result<Option<usize>> {
        let timeout = Timespec::try_from(timeout).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut wanted = [PollFd::new(&self.fd, PollFlags::IN)];
        match poll(&mut wanted, Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(None),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let (len, _) = recv(&self.fd, buffer, RecvFlags::empty())?;
        Ok(Some(len))
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_must_exist_and_unbound_sockets_hear_nothing() {
        let socket = match PacketSocket::new() {
            Ok(socket) => socket,
            Err(error) => {
                return skep_testing::skip(&format!("there are no packet sockets: {error}"));
            }
        };
        let error = socket.receive_from("no-such-if").expect_err("there is no such interface");
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
        let mut buffer = [0; 64];
        assert_eq!(socket.receive(&mut buffer, Duration::from_millis(1)).expect("waits"), None);
    }
}
