//! A BPF kernel in user space.
//!
//! [`UserKernel`] implements [`skep_kernel::Kernel`]: maps, programs, links, pins and BTF behind descriptors and ids, with
//! Linux's errno values. Programs pass the verifier and run in this process; a hook builds a context and calls
//! [`UserKernel::run`].
//!
//! | module | what |
//! |---|---|
//! | `commands` | the commands of `bpf(2)` |
//! | `maps` | one file per map type |
//! | `helpers` | one function per helper, by family |
//! | `objects` | descriptors, ids, pins, links |
//! | `hooks` | where programs run: one file per kind, and test runs |
//! | `devices` | where packets come from and go to |
//! | `run` | contexts, packets, one run from beginning to end |
//! | `cpus`, `epoch` | virtual CPUs, and the grace periods that follow from them |
//! | `native` | maps for native code of the embedder |
//! | `kernel_types` | the kernel's own structs and their BTF |
//! | `memory` | what programs and user space touch at the same time: almost all `unsafe` is here |
//!
//! `unsafe` is also in `run` (entering the engine, map arguments) and `maps::hash_of_maps`.

pub mod devices;
pub mod hooks;

mod commands;
mod cpus;
mod epoch;
mod helpers;
mod kernel;
mod kernel_trait;
mod kernel_types;
mod maps;
mod memory;
mod native;
mod objects;
mod perf;
mod run;
mod shared_memory;
mod statistics;
mod sync;
mod trace;
mod wait;
mod world;

pub use kernel::{Config, UserKernel};
pub use native::NativeMap;
pub use objects::{AttachPoint, Program};
pub use run::{
    Context, Entered, Lent, Outcome, Packet, PlainContext, Redirect, RunOptions, StructContext, XDP_HEADROOM,
};
pub use trace::TraceLine;
pub use world::{Clock, Task, TaskSpec};
