//! The Linux kernel's BPF, behind [`Kernel`](skep_kernel::Kernel): the only crate that calls `bpf(2)`.
//!
//! ```no_run
//! use skep_kernel::calls;
//!
//! let kernel = skep_linux::LinuxKernel::open()?;
//! for id in calls::prog_ids(&*kernel) {
//!     println!("{}", id?);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod capabilities;
mod check;
mod descriptors;
mod explain;
mod facts;
mod kernel;
mod memory;
mod packet_socket;
mod perf_event;
mod system_call;
mod trace_files;

pub use capabilities::{serves_unprivileged_users, with_capabilities};
pub use kernel::{LinuxKernel, OpenError};
pub use packet_socket::PacketSocket;
