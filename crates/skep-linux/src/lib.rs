//! The Linux kernel's BPF, behind trait Kernel.

mod packet_socket;

pub use packet_socket::PacketSocket;
