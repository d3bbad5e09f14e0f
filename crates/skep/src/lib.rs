//! Load, run and attach BPF programs, on Linux or on Skep's own kernel, with the same code.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Skep's own kernel, in this process, without privilege; on Linux: `skep_linux::LinuxKernel::open()?`.
//! let kernel: Arc<dyn skep::Kernel> = skep_user::UserKernel::new(Default::default());
//!
//! let object = skep::Object::open("firewall.bpf.o")?;
//! let loaded = object.load(&kernel)?;
//! loaded.map("blocked_ports")?.typed::<u16, u8>()?.insert(&22, &1)?;
//!
//! let packet = [0u8; 64];
//! let output = loaded.program("firewall")?.test_run(&skep::TestRun::new().data(&packet))?;
//! println!("verdict {}", output.return_value);
//! # Ok(()) }
//! ```
//!
//! * [`Object`] is a file that was read: set globals, sizes, what to load.
//! * [`LoadedObject`] holds its [`Program`]s and [`RawMap`]s in a kernel; [`Map`] and [`PerCpuMap`] are typed.
//! * [`Link`] is an attachment; dropping it detaches.
//! * [`RingBuffer`] and [`PerfBuffer`] read what programs send.
//!
//! This crate knows no concrete kernel, only [`Kernel`].
#![forbid(unsafe_code)]

mod attach;
mod error;
mod link;
mod load;
mod map;
mod object;
mod perf_buffer;
mod pin;
mod program;
mod ring_buffer;
mod symbol;
mod test_run;

pub use attach::{Uprobe, UprobePlace, XdpMode};
pub use error::{Error, KernelError, ProgramError};
pub use link::Link;
pub use load::{LoadOptions, LoadedObject};
pub use map::{Map, PerCpuMap, RawMap};
pub use object::Object;
pub use perf_buffer::{PerfBuffer, PerfRecord};
pub use program::Program;
pub use ring_buffer::RingBuffer;
pub use skep_abi::command::ElementFlags;
pub use skep_kernel::{Errno, Kernel, PerfEvent, PerfEventKind, PerfSample, SampleRate};
pub use test_run::{TestOutput, TestRun};
